"""The live view: every line fits the terminal, at any width and height, and says what stands."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestration import session, tasks
from orchestration.cli import run
from orchestration.control import Control, books
from orchestration.control.standing import flag
from orchestration.quota import Quota
from orchestration.watching import Watch
from orchestration.workspace import Workspace


@pytest.fixture
def control(tmp_path: Path) -> Control:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    control = Control.open(tmp_path, now=lambda: at + timedelta(minutes=7))
    tasks.add(control, tasks.Spec("a_task_with_a_name_that_is_longer_than_any_column_ought_to_be", priority=1, total=9))
    for number in range(12):
        tasks.add(control, tasks.Spec(f"t{number}", needs=() if number else ("a_task_with_a_name_that_is_longer_than_any_column_ought_to_be",)))  # fmt: skip  # noqa: E501 - a long name is the point
    begun = session.start(control, Quota(control, ()))
    books.observe(control, "tokens", 172_000, about=books.For(session=begun.session.name))
    flag(control, begun.task.name, "a limit was passed, " + "and this is a long story " * 9)
    return control


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(control: Control, width: int) -> None:
    page = Watch(Workspace.at(control.root), control).page(width=width)
    assert max(map(len, page.splitlines())) <= width
    for word in ("STORE", "QUEUE", "QUOTAS", "SESSIONS", "NOTICES"):
        assert word in page


def test_the_page_says_what_stands(control: Control) -> None:
    page = Watch(Workspace.at(control.root), control).page(width=120)
    for word in (
        "none yet",
        "11 ready",
        "1 waiting",
        "1 running",
        "and 7 more",
        "172,000 of 200,000",
        "wrap",
        "needs review",
    ):
        assert word in page, word
    assert page.isascii()


def test_a_low_window_gets_the_upper_part_and_is_told(control: Control) -> None:
    lines = Watch(Workspace.at(control.root), control).page(width=80, height=10).splitlines()
    assert len(lines) == 10
    assert "higher window" in lines[-1]


def test_watch_without_a_terminal_prints_the_page_once_and_is_not_for_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "ws"
    assert run(["init", "--quiet", str(root)]) == 0
    file = root / "inbox" / "a.json"
    file.write_text(
        json.dumps([{"question": "What is RSI?", "answer": "An index of relative strength."}]), encoding="utf-8"
    )
    os.utime(file, (1_700_000_000, 1_700_000_000))
    assert run(["ingest", "--quiet", "-w", str(root)]) == 0
    capsys.readouterr()
    assert run(["status", "--watch", "-w", str(root)]) == 0
    assert "pairs 1" in capsys.readouterr().out
    assert run(["status", "--watch", "--json", "-w", str(root)]) == 1
