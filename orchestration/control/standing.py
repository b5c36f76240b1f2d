"""Where a task stands that nobody works on: ready or waiting, for what; and what its end means for others."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from sqlite3 import Connection
from typing import Any

from orchestration.control import inputs
from orchestration.control.store import Control, moment, stamp
from orchestration.control.task import COMPLETED, READY, SELECT, SKIPPED, WAITING, Task, fetch

DEPENDENCY, LATER, RETRY, INPUT_MISSING, RECURS = "dependency", "not_before", "retry", "input_missing", "recurs"
NOTICE, FLAGGED = "notice", "flagged"
LEVELS = ("info", "success", "warning", "failure")
TIMED = (LATER, RETRY, RECURS)

Missing = Callable[[Task], str | None]


def refresh(control: Control, *, missing: Missing | None = None) -> None:
    """Bring ready and waiting tasks up to date with the clock and with what lies in the workspace.

    `missing` says in words what a task's input lacks; unset: `inputs.missing` below the control store's root.
    """
    now = control.stamp()
    timed = control.rows("SELECT task FROM tasks WHERE status = 'waiting' AND not_before <= ?", (now,))
    for row in timed:
        restand(control, row["task"])
    look = missing or (lambda task: inputs.missing(task, control.root))
    found = control.rows(
        f"""
        {SELECT} WHERE (t.status = 'ready' OR t.status = 'waiting' AND t.reason = 'input_missing')
        AND (t.kind NOT IN ('manual', 'command') OR t.parameters LIKE '%"input"%' OR t.parameters LIKE '%"sessions"%')
        """
    )
    for row in found:
        task = Task.from_row(row)
        lacking = look(task)
        if (lacking is None) == (task.reason == INPUT_MISSING):
            restand(control, task.name, looked=True, lacking=lacking)


def restand(control: Control, name: str, *, looked: bool = False, lacking: str | None = None) -> str:
    """Work out one task's standing anew; returns its status. Leaves alone what runs, rests or has ended.

    `looked`: whether its input was looked for just now, and is `lacking` or there; else what was found last stands.
    """
    with control.transaction() as con:
        task = fetch(control, name)
        if task.status not in (READY, WAITING):
            return task.status
        if not looked and task.reason == INPUT_MISSING:
            lacking = task.detail
        status, reason, detail = _standing(task, control, lacking)
        if (status, reason, detail) != (task.status, task.reason, task.detail):
            con.execute(
                "UPDATE tasks SET status = ?, reason = ?, detail = ? WHERE task = ?", (status, reason, detail, name)
            )
            if (status, reason) != (task.status, task.reason):
                control.event(status, name, detail={"reason": reason, "detail": detail})
        return status


def _standing(task: Task, control: Control, lacking: str | None) -> tuple[str, str | None, str | None]:
    if task.unmet:
        return WAITING, DEPENDENCY, f"needs {', '.join(task.unmet)}"
    if task.not_before is not None and task.not_before > control.now():
        reason = RETRY if task.attempts else (RECURS if task.finished else LATER)
        return WAITING, reason, f"not before {stamp(task.not_before)}"
    if lacking is not None:
        return WAITING, INPUT_MISSING, lacking
    return READY, None, None


def end(
    control: Control,
    con: Connection,
    task: Task,
    status: str,
    *,
    reason: str | None = None,
    detail: str | None = None,
) -> None:
    """Inside a transaction: a task has ended. A completed or skipped one readies its dependants, a completed one that
    recurs waits for its next round."""
    now = control.stamp()
    con.execute(
        "UPDATE tasks SET status = ?, reason = ?, detail = ?, finished = ? WHERE task = ?",
        (status, reason, detail, now, task.name),
    )
    con.execute("UPDATE leases SET holder = NULL, session = NULL WHERE task = ?", (task.name,))
    if status not in (COMPLETED, SKIPPED):
        return
    dependants = con.execute(
        "SELECT task FROM task_dependencies WHERE needs = ? AND met IS NULL", (task.name,)
    ).fetchall()
    con.execute("UPDATE task_dependencies SET met = ? WHERE needs = ? AND met IS NULL", (now, task.name))
    if status == COMPLETED and task.every is not None:
        _next_round(control, con, task, task.every)
    for row in dependants:
        restand(control, row["task"])


def shift_retries(control: Control, by_s: float) -> None:
    """The clock was put: what waits to be tried again waits as long as it would have."""
    with control.transaction() as con:
        for row in control.rows("SELECT task, not_before FROM tasks WHERE status = 'waiting' AND reason = 'retry'"):
            moved = stamp(moment(row["not_before"]) + timedelta(seconds=by_s))
            con.execute("UPDATE tasks SET not_before = ? WHERE task = ?", (moved, row["task"]))


def notice(control: Control, text: str, *, task: str | None = None, level: str = "warning", **more: Any) -> int:
    """Something that a person should see; `orchestration.notices` sends it. No text of a pair may be in it."""
    return control.event(NOTICE, task, detail={"text": text, "level": level, **more})


def flag(control: Control, task: str, why: str, *, session: str | None = None, level: str = "warning") -> None:
    """Mark a task for a person to look at, and say so; it goes on meanwhile. `etl task review` takes the mark away."""
    with control.transaction():
        control.event(FLAGGED, task, session=session, detail={"why": why})
        notice(control, f"task {task} needs review: {why}", task=task, level=level)


def flagged(control: Control, task: str) -> str | None:
    """Why a person should look at a task; None where nobody need."""
    return marked(control, [task]).get(task)


def marked(control: Control, tasks: Sequence[str]) -> dict[str, str]:
    """Of some tasks those that a person should look at, and why."""
    found = control.rows(
        """
        SELECT task, event, detail FROM task_events WHERE id IN (
            SELECT max(id) FROM task_events
            WHERE task IN (SELECT value FROM json_each(?)) AND event IN ('flagged', 'reviewed', 'retried')
            GROUP BY task
        )
        """,
        (json.dumps(list(tasks)),),
    )
    return {row["task"]: json.loads(row["detail"])["why"] for row in found if row["event"] == FLAGGED}


def _next_round(control: Control, con: Connection, task: Task, every: timedelta) -> None:
    # missed rounds are not made up for; a round keeps the rhythm of the first
    missed = max(0, (control.now() - task.due) // every)
    due = stamp(task.due + every * (missed + 1))
    con.execute(
        """
        UPDATE tasks SET status = 'waiting', due = :due, not_before = :due, done = 0, units = 0, errors = 0,
                         attempts = 0, started = NULL
        WHERE task = :task
        """,
        {"due": due, "task": task.name},
    )
    # what recurs as well is waited for anew: a daily backup follows each daily export
    con.execute(
        """
        UPDATE task_dependencies SET met = NULL
        WHERE task = ? AND needs IN (SELECT task FROM tasks WHERE every_s IS NOT NULL)
        """,
        (task.name,),
    )
    restand(control, task.name)
