"""Imports run one way only; the packages and the command stay light."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {
    "etl": {"etl"},
    "quality": {"quality", "etl"},
    "embeddings": {"embeddings", "etl"},
    "orchestration": {"orchestration", "etl", "quality", "embeddings"},
}
HEAVY = {"torch", "sentence_transformers", "transformers", "faiss", "ray", "altair", "openai", "sklearn", "scipy"}


def sources() -> list[Path]:
    return sorted(path for package in ALLOWED for path in (ROOT / package).rglob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    """Top-level names of every import in a file, those inside functions included."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write imports in full"
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_from_rooms_below_it(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    found = imported(ast.parse(path.read_text(encoding="utf-8"))) & set(ALLOWED)
    assert found <= ALLOWED[package]


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_libraries_are_imported_only_where_they_are_used(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    at_load = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    assert not imported(ast.Module(body=at_load, type_ignores=[])) & HEAVY


def test_every_module_says_what_flows_through_it() -> None:
    silent = [
        str(p.relative_to(ROOT)) for p in sources() if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_the_distribution_has_exactly_four_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(ALLOWED)


def test_help_answers_within_half_a_second_of_cpu_and_loads_nothing_heavy() -> None:
    script = """
import resource, sys, contextlib, io
from orchestration.cli import run
with contextlib.redirect_stdout(io.StringIO()) as out:
    code = run(["--help"])
used = resource.getrusage(resource.RUSAGE_SELF)
print(code, used.ru_utime + used.ru_stime, "run" in out.getvalue(), *sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, encoding="utf-8", check=True)
    code, cpu, helped, *modules = done.stdout.split()
    assert (code, helped) == ("0", "True")
    assert not {m.partition(".")[0] for m in modules} & (HEAVY | {"duckdb", "polars", "numpy"})
    assert float(cpu) < 0.5


def test_importing_etl_loads_nothing_heavy() -> None:
    script = "import sys, etl, quality, embeddings, orchestration; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, encoding="utf-8", check=True)
    assert not {m.partition(".")[0] for m in done.stdout.split()} & HEAVY
