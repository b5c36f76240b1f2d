"""A control store that is a year old: a unit costs what it costs in a new one, and sums are what the ledger says."""

import shutil
import sqlite3
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from virtual import Clock, Fake, miner, queued

from orchestration.control import Control, books
from orchestration.control.migrate import VERSION
from orchestration.control.store import stamp
from orchestration.quota import Limit

V1 = Path(__file__).parent / "stores" / "control-v1.sql"
LIMITS = (
    Limit("calls a day", "calls", 1e9, per="day"),
    Limit("calls a month", "calls", 1e9, per="month", zone="America/Los_Angeles"),
    Limit("hours", "hours", 1e9, per="session"),
)
UNITS = 60


def aged(root: Path, days: int, clock: Clock) -> None:
    """Fill the books as that many days would: a hundred units a day in five sessions, on a task that ends each day."""
    Control.open(root, now=clock).close()
    with sqlite3.connect(root / "control.db") as con:
        number = 0
        for day in range(days):
            task, at = f"old{day:04}", clock.at - timedelta(days=days - day)
            con.execute(
                """
                INSERT INTO tasks (task, priority, kind, status, due, created, started, finished, done, units)
                VALUES (?, 5, 'command', 'completed', ?, ?, ?, ?, 100, 100)
                """,
                (task, *[stamp(at)] * 4),
            )
            for session in range(5):
                name, began = f"session_{at:%Y%m%d}T{session:02}", stamp(at + timedelta(hours=session))
                con.execute(
                    "INSERT INTO sessions VALUES (?, NULL, ?, ?, 'driven', 'wrapped', ?, ?, '{\"published\": true}')",
                    (name, task, session, began, began),
                )
                for _ in range(20):
                    number += 1
                    unit(con, number, task, name, stamp(at + timedelta(hours=session, seconds=number % 3600)))
                for event in ("claimed", "notice", "session_wrapping", "session_wrapped", "completed"):
                    con.execute(
                        "INSERT INTO task_events (task, at, event, session, detail) VALUES (?, ?, ?, ?, ?)",
                        (task, began, event, name, '{"text": "", "kind": "command", "done": 1, "cost": {"calls": 1}}'),
                    )


def unit(con: sqlite3.Connection, number: int, task: str, session: str, at: str) -> None:
    """One unit: reserved, observed, reconciled, and its event."""
    for stage, amount in (("reserved", 2), ("observed", 1), ("reconciled", 0)):
        con.execute(
            """
            INSERT INTO usage (spending, stage, resource, amount, source, confidence, session, task, kind, at, spent_at)
            VALUES (?, ?, 'calls', ?, 'meter', 1, ?, ?, 'command', ?, ?)
            """,
            (number, stage, amount, session, task, at, at),
        )
    con.execute(
        "INSERT INTO task_events (task, at, event, session, detail) VALUES (?, ?, 'unit', ?, ?)",
        (task, at, session, f'{{"seq": {-number}, "job": "work", "counts": {{}}, "items": 1, "digest": ""}}'),
    )


def cost_of_units(books_of: Path, root: Path) -> float:
    """Seconds of processor time a unit, with its share of a session and its wrap, in a copy of some books."""
    clock = Clock()
    root.mkdir()
    shutil.copyfile(books_of / "control.db", root / "control.db")
    with Control.open(root, now=clock) as control:
        works = Fake(clock, {f"t{n}": 10 for n in range(UNITS // 10)}, cost=1)
        queued(control, clock, *works.sizes)
        began = time.process_time()
        ended = miner(control, works, clock, *LIMITS).mine()
        took = time.process_time() - began
        assert len(works.ledger) == UNITS
        assert len(ended) == UNITS / 10
    return took / UNITS


def test_a_unit_costs_about_the_same_in_books_of_a_year_as_in_those_of_a_day(tmp_path: Path) -> None:
    clock = Clock()
    for name, days in (("day", 1), ("year", 365)):
        aged(tmp_path / name, days, clock)
    cost_of_units(tmp_path / "day", tmp_path / "first")  # imports and caches
    young = min(cost_of_units(tmp_path / "day", tmp_path / f"day{n}") for n in range(3))
    old = min(cost_of_units(tmp_path / "year", tmp_path / f"year{n}") for n in range(3))
    assert old < 2 * young, f"{old * 1000:.1f} ms a unit after a year, {young * 1000:.1f} ms after a day"


def summed(control: Control, where: str, values: Mapping[str, Any]) -> float:
    """Straight from the ledger, every entry looked at."""
    sql = f"SELECT coalesce(sum(amount), 0) FROM usage WHERE stage <> 'reserved' AND {where}"
    return float(control.value(sql, values))


def test_sums_beside_the_ledger_are_those_of_the_ledger(tmp_path: Path) -> None:
    clock = Clock()
    aged(tmp_path, 40, clock)
    with Control.open(tmp_path, now=clock) as control:
        for minutes in (0, 7, 60, 61, 24 * 60, 30 * 24 * 60 + 11):
            since = clock.at - timedelta(minutes=minutes)
            wanted = summed(control, "resource = 'calls' AND spent_at >= :since", {"since": stamp(since)})
            assert books.spent(control, "calls", since=since) == wanted
        assert books.spent(control, "calls") == summed(control, "true", {}) == 4_000
        session = control.value("SELECT max(session) FROM sessions")
        assert books.cost_of_session(control, session) == {"calls": 20}
        assert books.costs_of(control, ["old0003", "none"]) == {"old0003": {"calls": 100}, "none": {}}
        since = datetime(2026, 2, 26, 13, 5, tzinfo=UTC)
        wanted = summed(control, "task = 'old0037' AND spent_at >= :since", {"since": stamp(since)})
        assert books.cost_of(control, "old0037", since=since) == {"calls": wanted}
        assert 0 < wanted < 100
        assert len(books.unit_costs(control, "command", "calls")) == 200


def test_a_store_of_the_first_version_gets_its_sums_and_goes_on(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "control.db") as con:
        con.executescript(V1.read_text(encoding="utf-8"))
        con.execute("PRAGMA user_version = 1")
        for number in range(1, 301):
            unit(con, number, "t", f"s{number % 3}", f"2026-03-01T{number % 24:02}:{number % 60:02}:00.000000Z")
    with Control.open(tmp_path, now=Clock()) as control:
        assert control.value("PRAGMA user_version") == VERSION
        assert books.spent(control, "calls") == summed(control, "true", {}) == 300
        assert books.spent(control, "calls", session="s1") == 100
        assert books.unit_costs(control, "command", "calls") == [1.0] * 200
        assert control.value("SELECT min(spending) FROM unit_costs") == 101
        books.observe(control, "calls", 5, about=books.For("s1", "t"))
        assert books.spent(control, "calls", session="s1") == 105
    assert (tmp_path / "control.db.v1").exists()


@pytest.mark.parametrize("kind", ["table", "index", "trigger"])
def test_a_migrated_store_is_laid_out_like_a_new_one(kind: str, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with sqlite3.connect(tmp_path / "old" / "control.db") as con:
        con.executescript(V1.read_text(encoding="utf-8"))
        con.execute("PRAGMA user_version = 1")
    laid_out = []
    for name in ("old", "new"):
        with Control.open(tmp_path / name) as control:
            rows = control.rows("SELECT name, tbl_name FROM sqlite_master WHERE type = ? ORDER BY name", (kind,))
            columns = [
                tuple(row)
                for table in (rows if kind == "table" else ())
                for row in control.rows(f"PRAGMA table_info({table['name']})")
            ]
            laid_out.append(([tuple(row) for row in rows], columns))
    assert laid_out[0] == laid_out[1]
