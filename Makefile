# Every target works on a fresh clone: the first use makes .venv and installs the pinned set of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
endif
WORKSPACE ?= workspace

.PHONY: run test lint types bench torture wheel clean

.venv/run.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[offline]'
	touch $@

.venv/dev.stamp: .venv/run.stamp
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

.venv-peers/stamp: benchmarks/peers.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install -q --disable-pip-version-check -r benchmarks/peers.txt
	touch $@

run: .venv/run.stamp
	$(BIN)/etl --workspace $(WORKSPACE) run examples/deliveries

test: .venv/dev.stamp
	PYTHONWARNDEFAULTENCODING=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev.stamp
	$(BIN)/mypy

bench: .venv/dev.stamp .venv-peers/stamp
	$(BIN)/python benchmarks/path.py
	$(BIN)/python benchmarks/encode.py
	$(BIN)/python benchmarks/decisions.py --peers .venv-peers/bin/python
	$(BIN)/python benchmarks/links.py
	$(BIN)/python benchmarks/ingest.py
	$(BIN)/python benchmarks/loop.py

torture: .venv/dev.stamp
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	PYTHONWARNDEFAULTENCODING=1 $(BIN)/python -m pytest -m torture

wheel: .venv/dev.stamp
	$(BIN)/python -m build --wheel

clean:
	rm -rf .venv .venv-peers build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis $(WORKSPACE)
