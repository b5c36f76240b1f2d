"""No input makes a text parser raise or take more than a second: mutated seeds for a moment, a million inputs under
coverage in `make torture`, and every input that ever failed."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from targets import TARGETS
from tokens import TOKENS

HERE = Path(__file__).parent / "fuzz"
FOUND = sorted(file for file in (HERE / "found").glob("*/*") if file.is_file())
MOMENT_S = 1.0


def mutated(data: bytes, chance: random.Random, others: tuple[bytes, ...]) -> bytes:
    """A few cuts, marks, repeats and pieces of other seeds."""
    for _ in range(chance.randint(1, 6)):
        at, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
        other = chance.choice(others)
        piece = chance.choice([b"", chance.choice(TOKENS), data[at:end] * 2, other[chance.randint(0, len(other)) :]])
        data = (data[:at] + piece + data[chance.choice([at, end]) :])[:4096]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_seeds_neither_raise_nor_hang(name: str) -> None:
    target, chance = TARGETS[name], random.Random(7)
    target.run(target.seeds[0])  # imports are no part of the time of an input
    for seed in target.seeds:
        target.timed(seed)
    tried = list(target.seeds)
    until = time.monotonic() + MOMENT_S
    while time.monotonic() < until:
        data = mutated(chance.choice(tried), chance, target.seeds)
        target.timed(data)
        tried = [*target.seeds, *tried[-50:], data]


@pytest.mark.parametrize("file", FOUND, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_inputs_that_once_failed_pass(file: Path) -> None:
    TARGETS[file.parent.name].timed(file.read_bytes())


@pytest.mark.torture
@pytest.mark.parametrize("name", TARGETS)
def test_a_million_inputs_under_coverage(name: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris runs on Linux only; it comes with the extra fuzz")
    command = [sys.executable, str(HERE / "run.py"), name, "--runs", "1000000", "--found", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=False, cwd=Path(__file__).parents[1])
    print(done.stdout.decode())
    assert done.returncode == 0, (tmp_path / f"{name}.log").read_text(encoding="utf-8")[-3000:]
