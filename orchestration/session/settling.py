"""The ledger of the store against the books, in; what either has and the other has not, mended, out.

Up to a row that is remembered all is settled, so that a start costs the same however long the ledger is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from etl.errors import NotFoundError
from orchestration.control import Control, sessions
from orchestration.control.sessions import WRAPPING, Session
from orchestration.control.standing import notice
from orchestration.control.store import Row as ControlRow
from orchestration.control.store import stamp
from orchestration.control.task import COMPLETED, SKIPPED, fetch
from orchestration.session.booking import BOOKED, DIGEST, Entry, booked
from orchestration.session.handoff import UNIT_LOST
from orchestration.session.handoff import write as write_handoff
from orchestration.session.works import Row, Works

MARK = "settled"


def settle(control: Control, works: Works, *, task: str | None = None, session: Session | None = None) -> int:
    """Book the units that the ledger has and the books have not, to the session under whose token each was committed;
    returns how many. Whoever holds that task now, and however the session ended.

    Of one task: for its new holder, whom no other holder can follow unseen. Of one session: for who wraps it. Of all:
    those of sessions that are over.
    """
    after = _settled(control, works)
    rows = works.owned(after)
    if not rows:
        return 0
    done, left = 0, []
    with control.transaction():
        for (name, token), theirs in _unbooked(control, rows, after).items():
            found = control.rows("SELECT session, state FROM sessions WHERE task = ? AND token = ?", (name, token))
            if not found:
                continue  # of books that are gone: there is nobody to book it to, now or later
            over = found[0]["state"] not in (sessions.OPEN, WRAPPING)
            asked = name == task if task else (name, token) == (session.task, session.token) if session else over
            if asked:
                _book_late(control, sessions.get(control, found[0]["session"]), theirs)
                done += len(theirs)
            else:
                left += theirs
        _remember(control, rows, left)
    return done


def _unbooked(control: Control, rows: Sequence[Row], after: int) -> dict[tuple[str | None, int | None], list[Row]]:
    """Of the rows after one those that nobody booked, by the task and token under which they were committed."""
    known = booked(control, after)
    lost: dict[tuple[str | None, int | None], list[Row]] = {}
    for row in rows:
        if not known.has(row):
            lost.setdefault((row.task, row.token), []).append(row)
    return lost


def _settled(control: Control, works: Works) -> int:
    """Up to which row all is booked; from the start where a restore has put another row in its place."""
    found = control.value("SELECT value FROM marks WHERE mark = ?", (MARK,))
    if found is None:
        return 0
    at = json.loads(found)
    return at["seq"] if works.digests([at["seq"]]).get(at["seq"]) == at["digest"] else 0


def _remember(control: Control, rows: Sequence[Row], left: Sequence[Row]) -> None:
    first = min((row.seq for row in left), default=None)
    good = [row for row in rows if first is None or row.seq < first]
    if good:
        with control.transaction() as con:
            value = json.dumps({"seq": good[-1].seq, "digest": good[-1].digest})
            con.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (MARK, value))


def _book_late(control: Control, session: Session, rows: Sequence[Row]) -> None:
    """Inside a transaction: units of a session that lost its claim, or its voice. The task has them, if its round is
    still the one that the session worked on."""
    claimed = [event["at"] for event in control.events(session.task, event="claimed", session=session.name)]
    items = sum(row.items for row in rows)
    with control.transaction() as con:
        con.execute(
            """
            UPDATE tasks SET done = done + :items, units = units + :units, attempts = min(attempts, 1),
                             total = CASE WHEN done + :items > total THEN done + :items ELSE total END
            WHERE task = :task AND started <= :at AND status NOT IN ('completed', 'skipped')
            """,
            {"items": items, "units": len(rows), "task": session.task, "at": max(claimed, default="")},
        )
    for row in rows:
        detail = asdict(Entry(row.seq, row.job, row.unit, dict(row.counts), row.items, row.digest))
        control.event("unit", session.task, session=session.name, detail=detail)
    if "state" in (steps := session.journal.get("wrap", {})):  # its handoff tells of them too
        kept = steps["state"]
        kept["progress"]["done"] += items
        sessions.update(control, session.name, journal={"wrap": {**steps, "state": kept}})
    if session.state not in (sessions.OPEN, WRAPPING):
        write_handoff(control, session.name, root=control.root)


def withdraw(control: Control, works: Works) -> int:
    """Take back from the books what a restored snapshot took from the ledger; returns how many units.

    A digest covers all rows before it, so the highest booked row tells whether there is anything to look for.
    """
    by_row = f"{BOOKED.format(by='units_with_digest')} AND {DIGEST} <> ''"
    newest = control.rows(f"{by_row} ORDER BY json_extract(u.detail, '$.seq') DESC, u.id DESC LIMIT 1")
    highest = newest[0] if newest else None
    if highest is None or works.digests([highest["seq"]]).get(highest["seq"]) == highest["digest"]:
        return 0
    rows = control.rows(by_row)
    there = works.digests([row["seq"] for row in rows])
    lost = [row for row in rows if there.get(row["seq"]) != row["digest"]]
    with control.transaction():
        for name in sorted({row["task"] for row in lost}):
            _take_back(control, name, [row for row in lost if row["task"] == name])
    return len(lost)


def _take_back(control: Control, name: str, lost: Sequence[ControlRow]) -> None:
    """Inside a transaction: units of a task are gone from the ledger, so they are pending again."""
    for row in lost:
        control.event(UNIT_LOST, name, session=row["session"], detail={"of": row["id"], "seq": row["seq"]})
    what = f"a restored snapshot took back {len(lost):,} booked units of task {name}"
    try:
        task = fetch(control, name)
    except NotFoundError:  # removed since
        return
    if task.status in (COMPLETED, SKIPPED):
        notice(control, f"{what}, which is {task.status}; 'etl run' does that work again", task=name)
        return
    this_round = [row for row in lost if task.started is not None and row["at"] >= stamp(task.started)]
    with control.transaction() as con:
        con.execute(
            "UPDATE tasks SET done = max(0, done - ?), units = max(0, units - ?) WHERE task = ?",
            (sum(row["items"] for row in this_round), len(this_round), name),
        )
    notice(control, f"{what}; they are done again", task=name)
