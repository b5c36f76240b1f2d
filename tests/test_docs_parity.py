"""docs/parity.md is true: each test it names is there, and so is each command with the options it shows."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from orchestration.cli import app, hoist

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
MISSING = "Not there yet"
GLOBAL = {"--workspace", "--json", "--quiet", "--help"}


def tables(page: str) -> dict[str, list[list[str]]]:
    """Each section's rows as cells, without heads and rules."""
    found: dict[str, list[list[str]]] = {}
    section = ""
    for line in page.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("|") and not set(line) <= set("|- "):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if cells[0] not in ("first version", "fault"):
                found.setdefault(section, []).append(cells)
    return found


def commands(page: str) -> list[str]:
    return [text for text in re.findall(r"`([^`]+)`", page) if text.split()[0] == "etl"]


def wrong(command: str) -> str | None:
    """What is wrong with a command: its name, or an option; None where nothing is."""
    words = hoist(shlex.split(command)[1:])
    at: Any = get_command(app)
    words = [word for word in words if word not in GLOBAL]
    while words and hasattr(at, "commands"):
        if words[0] not in at.commands:
            return f"no command {words[0]}" if not at.invoke_without_command else None
        at = at.commands[words.pop(0)]
    known = {name for parameter in at.params for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in words if word.startswith("--") and word not in known]
    return f"no option {', '.join(unknown)}" if unknown else None


def test_each_test_named_exists() -> None:
    there = set()
    for file in ROOT.glob("tests/test_*.py"):
        there |= set(re.findall(r"^(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 70
    assert sorted(named - there) == []


def test_each_command_named_exists_with_its_options() -> None:
    named = commands(PAGE)
    assert len(named) > 60
    assert {command: why for command in named if (why := wrong(command))} == {}


@pytest.mark.parametrize("command", ["etl fly", "etl task fly", "etl task add NAME --fly", "etl mine --priority 1"])
def test_a_command_that_does_not_exist_is_noticed(command: str) -> None:
    assert wrong(command)


def test_no_row_is_empty_and_each_has_a_test_or_is_said_to_be_missing() -> None:
    found = tables(PAGE)
    assert len(found) == PAGE.count("\n## ")
    for section, rows in found.items():
        for cells in rows:
            assert len(cells) == (2 if section == MISSING else 3), cells
            assert all(cells), cells
            assert section == MISSING or re.fullmatch(r"`test_\w+`", cells[-1]), cells
    assert len(found[MISSING]) > 10


def test_the_page_knows_the_classic_eight() -> None:
    from orchestration.tasks.examples import CLASSIC

    assert [spec.name for spec in CLASSIC if f"`{spec.name}`" not in PAGE] == []
