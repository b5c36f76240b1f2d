"""Taking over a project of the first version, in a folder made after its own documents."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from etl.errors import DeliveryError, SettingsError
from orchestration import migration, runs
from orchestration.cli import run
from orchestration.control import Control
from orchestration.control.task import fetch
from orchestration.workspace import Workspace, init

STEM = "crypto_indicators_production.db"
SCHEMA = """
CREATE TABLE indicators (id INTEGER PRIMARY KEY, indicator_name TEXT, indicator_category TEXT, notes TEXT);
CREATE TABLE qa_pairs (
    id INTEGER PRIMARY KEY, indicator_id INTEGER REFERENCES indicators(id), question TEXT, answer TEXT,
    session TEXT, created_at TEXT, embedding BLOB
);
CREATE TABLE integration_log (id INTEGER PRIMARY KEY, file_name TEXT, status TEXT);
CREATE VIEW all_pairs AS SELECT * FROM qa_pairs;
"""
NAMES = [("RSI", "Momentum"), ("MACD", "momentum"), ("Ichimoku Tenkan-sen", "Trend")]


def pair(n: int) -> dict[str, str]:
    return {"question": f"What does reading number {n} of the indicator mean?",
            "answer": f"Reading number {n} says that the market moved by {n} points over the period."}  # fmt: skip


def base(path: Path, pairs: int, *, empty: int = 0) -> None:
    with sqlite3.connect(path) as db:
        db.executescript(SCHEMA)
        db.executemany("INSERT INTO indicators VALUES (?, ?, ?, NULL)", [(i, *n) for i, n in enumerate(NAMES, 1)])
        rows = [(n, n % 3 + 1, *pair(n).values(), str(101 + n % 10), "2025-11-06", b"\x00\x01") for n in range(pairs)]
        rows += [(1_000 + n, 1, "A question without answer?", "", None, None, None) for n in range(empty)]
        db.executemany("INSERT INTO qa_pairs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        db.executemany("INSERT INTO integration_log VALUES (?, ?, 'integrated')", [(n, f"f{n}") for n in range(5)])
    db.close()


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """29 files in the droid's inbox: 26 repeat the base, one is in Windows-1252 with pairs of its own, which the first
    version skipped and counted as integrated, one was cut short, one is a table of holdings."""
    root = tmp_path / "old"
    root.mkdir()
    base(root / STEM, 60, empty=2)
    base(root / f"{STEM}.backup_20251105_120000", 40)
    base(root / f"{STEM}.backup_20251106_001950", 50)
    droid = root / "inbox" / "droid"
    for n in range(26):
        nested = {"indicator": "RSI", "category": "Momentum", "qa_pairs": [pair(2 * n), pair(2 * n + 1)]}
        write(droid / f"session_{101 + n % 10}_part_{n}.json", nested)
    own = [{"question": f"What does trust {n} hold?", "answer": f"It holds {n} % – ‘at cost’."} for n in range(4)]
    (droid / "grayscale_holdings_qa_pairs.json").write_bytes(
        json.dumps({"qa_pairs": own}, ensure_ascii=False).encode("cp1252")
    )
    write(droid / "session_120_cut.json", json.dumps([pair(900), pair(901)])[:-40])
    write(droid / "holdings.csv", "date,open,close\n" + "".join(f"2025-11-{d:02},1,2\n" for d in range(1, 29)))
    write(root / "inbox" / "zai" / "institutional.json", [pair(500), pair(501), pair(1)])
    write(root / "rag_export_data.json", [pair(n) for n in range(600, 605)])
    checkpoints = [
        {"session": 105, "timestamp": "2025-11-06T00:15:00", "description": "Database status checked"},
        {"description": "Droid inbox checked: 29 files, all already integrated"},
    ]
    write(root / "task_stack.json", {"tasks": {
        "integrate_sessions_101_140": {"priority": 1, "status": "in_progress", "assigned_to": "claude_code_session_3",
            "progress": {"current": 10, "total": 40, "percentage": 25}, "estimated_tokens": 100_000,
            "actual_tokens": 143_000, "checkpoints": checkpoints},
        "integrate_claude_shared": {"priority": 2, "status": "pending", "estimated_tokens": 60_000},
        "quality_analysis_full_database": {"priority": 4, "status": "completed", "grade": "A"},
    }})  # fmt: skip
    write(root / "droid_research_tasks.json", {"tasks": {"session_01": {"priority": 1, "status": "completed"}}})
    write(root / "task_queues" / "claude_code_queue.json", {"agent": "claude_code", "queued_tasks": [
        {"task_id": "integrate_sessions_141_187", "priority": 2, "status": "waiting",
         "dependencies": ["integrate_claude_shared"]}]})  # fmt: skip
    write(root / "session_state.json", {"session_id": "claude_code_session_3", "task_id": "integrate_sessions_101_120",
        "progress": {"sessions_completed": [101, 102, 115], "pairs_integrated": 1500, "errors_encountered": 0},
    })  # fmt: skip
    write(root / "session_handoffs" / "handoff_session_20251106_001355.md", "# Handoff\n\nTotal pairs: 23,627\n")
    write(root / "outbox" / "zai" / "quality_analysis_report.json", {"pairs": 23_627})
    write(root / "task_stack.py", "print('the old code')\n")
    write(root / "PERPETUAL_MINING_SUMMARY.md", "# Summary\n")
    return root


def bytes_of(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def move(old: Path, workspace: Path, **options: Any) -> dict[str, Any]:
    return dict(migration.migrate(Workspace.at(workspace), old, **options).data)


def figures(workspace: Path) -> tuple[int, ...]:
    with Workspace.at(workspace).store(write=True) as store:
        tables = ("pairs", "occurrences", "rejects", "deliveries")
        return tuple(store.value(f"SELECT count(*) FROM {name}") for name in tables)


def test_everything_is_taken_over_and_the_sheet_names_each_difference(old: Path, tmp_path: Path) -> None:
    before = bytes_of(old)
    data = move(old, tmp_path / "mine")
    assert bytes_of(old) == before
    assert set(data["adds_up"].values()) == {True}
    tables = {row["table"]: (row["there"], row["taken"], row["rejected"], row["missing"]) for row in data["tables"]}
    assert tables["qa_pairs"] == (62, 60, 2, 0)
    assert {row["table"] for row in data["tables"] if row["why"]} == {"indicators", "integration_log"}
    by_name = {Path(row["path"]).name: row for row in data["sources"]}
    assert by_name[STEM]["why"] == {"empty_answer": 2} or by_name[STEM]["why"] == {"no_answer": 2}
    assert by_name["grayscale_holdings_qa_pairs.json"]["new"] == 4
    zai = by_name["institutional.json"]
    assert (zai["new"], zai["duplicates"]) == (2, 1)
    assert zai["duplicates_of"][f"inbox/first_version/{STEM}"] == 1
    assert by_name["session_120_cut.json"]["reason"] == "broken_json"
    assert by_name["holdings.csv"]["reason"] == "tabular"
    assert data["totals"] == {"files": 32, "not_read": 2, "records": 62 + 52 + 4 + 3 + 5, "new": 60 + 4 + 2 + 5,
                              "duplicates": 53, "rejects": 2}  # fmt: skip
    assert data["pairs_here"] == figures(tmp_path / "mine")[0] == 71
    assert len(data["left"]) + data["deliveries"] + len(data["queues"]) + len(data["kept"]) + 3 == data["files"]
    kept = json.loads((tmp_path / "mine" / "reports" / "migration.json").read_text(encoding="utf-8"))
    assert kept["totals"] == data["totals"]


def test_the_lie_of_the_old_books_is_shown(old: Path, tmp_path: Path) -> None:
    claims = {claim["kind"]: claim for claim in move(old, tmp_path / "mine")["claims"]}
    known = claims["known_files"]
    assert (known["claimed"], known["found"], known["true"]) == (29, 26, False)
    assert "grayscale_holdings_qa_pairs.json holds 4 pairs that were nowhere else" in known["note"]
    assert "session_120_cut.json cannot be read: broken_json" in known["note"]
    assert (claims["pairs"]["claimed"], claims["pairs"]["found"]) == (23_627, 62)
    assert (claims["errors"]["claimed"], claims["errors"]["found"]) == (0, 4)
    assert (claims["sessions"]["claimed"], claims["sessions"]["found"]) == (3, 2)
    assert claims["sessions"]["note"] == "no pair says that it is of session 115"


def test_tasks_keep_progress_and_state_and_handoffs_stay_as_they_are(old: Path, tmp_path: Path) -> None:
    data = move(old, tmp_path / "mine")
    assert set(data["tasks"]["added"]) >= {"integrate_sessions_101_140", "integrate_sessions_141_187", "session_01"}
    with Control.open(tmp_path / "mine") as control:
        task = fetch(control, "integrate_sessions_101_140")
        waiting = fetch(control, "integrate_sessions_141_187")
        assert (waiting.status, waiting.reason) == ("waiting", "dependency")
        assert (task.done, task.total, task.parameters["sessions"]) == (10, 40, "101-140")
        assert fetch(control, "quality_analysis_full_database").status == "completed"
    handoffs = tmp_path / "mine" / "session_handoffs"
    name = "handoff_session_20251106_001355.md"
    assert (handoffs / name).read_bytes() == (old / "session_handoffs" / name).read_bytes()
    for name in ("task_stack.json", "session_state.json", "task_queues/claude_code_queue.json"):
        assert (handoffs / "first_version" / name).read_bytes() == (old / name).read_bytes()


def test_a_second_time_nothing_is_doubled(old: Path, tmp_path: Path) -> None:
    first = move(old, tmp_path / "mine")
    before = figures(tmp_path / "mine"), sorted(bytes_of(tmp_path / "mine" / "inbox"))
    second = move(old, tmp_path / "mine")
    assert (figures(tmp_path / "mine"), sorted(bytes_of(tmp_path / "mine" / "inbox"))) == before
    assert second["tasks"]["added"] == []
    assert {name: second[name] for name in ("totals", "tables", "claims")} == {
        name: first[name] for name in ("totals", "tables", "claims")
    }


@pytest.mark.parametrize("delay", [0.6, 1.2])
def test_killed_midway_the_same_command_goes_on(old: Path, tmp_path: Path, delay: float) -> None:
    mine = tmp_path / "mine"
    command = [sys.executable, "-m", "orchestration", "-w", str(mine), "migrate", str(old)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not (mine / "inbox").exists() and child.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(delay)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    data = move(old, mine)
    assert set(data["adds_up"].values()) == {True}
    assert figures(mine)[:3] == (71, 124, 2)
    assert not list(mine.rglob("*.part"))


def test_a_damaged_base_is_passed_over_for_the_next_backup_and_said(old: Path, tmp_path: Path) -> None:
    whole = bytearray((old / STEM).read_bytes())
    whole[4096:8192] = b"\xff" * 4096
    (old / STEM).write_bytes(whole)
    (old / f"{STEM}.backup_20251106_001950").write_bytes(b"")
    data = move(old, tmp_path / "mine")
    assert data["base"]["name"] == f"{STEM}.backup_20251105_120000"
    assert set(data["passed_over"]) == {STEM, f"{STEM}.backup_20251106_001950"}
    assert {row["table"]: row["taken"] for row in data["tables"]}["qa_pairs"] == 40
    assert (old / STEM).read_bytes() == whole


def test_rows_that_stand_only_in_the_write_ahead_log_are_taken(old: Path, tmp_path: Path) -> None:
    script = f"""
import os, sqlite3
db = sqlite3.connect({str(old / STEM)!r})
db.execute("PRAGMA journal_mode=WAL")
row = (5000, 1, "Which row is in the log?", "The last row that was written.", "101", "", None)
db.execute("INSERT INTO qa_pairs VALUES (?, ?, ?, ?, ?, ?, ?)", row)
db.commit()
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert (old / f"{STEM}-wal").stat().st_size > 0
    before = bytes_of(old)
    tables = {row["table"]: row["taken"] for row in move(old, tmp_path / "mine")["tables"]}
    assert tables["qa_pairs"] == 61
    assert bytes_of(old) == before


def test_a_dry_run_foretells_the_figures_and_writes_nothing(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine"
    init(mine)
    before = bytes_of(old), bytes_of(mine)
    assert run(["-w", str(mine), "--json", "migrate", str(old), "--dry-run"]) == 0
    told = json.loads(capsys.readouterr().out)["dry_run"]["totals"]
    assert (bytes_of(old), bytes_of(mine)) == before
    real = move(old, mine)["totals"]
    assert {name: told[name] for name in ("records", "new", "duplicates", "rejects")} == {
        name: real[name] for name in ("records", "new", "duplicates", "rejects")
    }


def test_mistakes_are_said_before_anything_is_done(old: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DeliveryError, match="holds nothing of a first version"):
        move(tmp_path / "empty", tmp_path / "mine")
    with pytest.raises(DeliveryError, match="is no folder"):
        move(tmp_path / "nowhere", tmp_path / "mine")
    with pytest.raises(SettingsError, match="never written to"):
        move(old, old / "new")
    assert not (tmp_path / "mine").exists()


def test_the_whole_path_follows(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine"
    assert run(["-w", str(mine), "migrate", str(old)]) == 0
    text = capsys.readouterr().out
    assert 'Droid inbox checked: 29 files, all already integrated" claims 29, found 26' in text
    assert "DOES NOT ADD UP" not in text
    data = runs.run_path(Workspace.at(mine), model="hash", until="resolve").data
    assert (data["pairs"], set(data["adds_up"].values())) == (71, {True})
