"""Working on a claimed task: signs of life, progress, checkpoints, and how it is given back.

Every call proves the claim by its token and raises `FencedOffError` when the task was taken over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from sqlite3 import Connection
from typing import Any

from etl.errors import FencedOffError
from orchestration.control import books
from orchestration.control.claims import ATTEMPTS, Claim
from orchestration.control.standing import end, notice, restand
from orchestration.control.store import Control, stamp
from orchestration.control.task import COMPLETED, FAILED, PARKED, Task, fetch

RETRY_S = 60.0
RATE_LIMITED, QUOTA_FULL = "rate_limited", "quota_full"
NO_FAULT = (RATE_LIMITED, QUOTA_FULL)  # of the task: it waits, and no attempt is counted


def heartbeat(control: Control, claim: Claim) -> None:
    """Say that the holder lives; raises `FencedOffError` when the task was taken over."""
    with control.transaction() as con:
        _held(con, claim)
        con.execute("UPDATE leases SET heartbeat = ? WHERE task = ?", (control.stamp(), claim.task))


def progress(control: Control, claim: Claim, *, done: int, total: int | None = None, units: int = 1) -> None:
    """One or more units were committed. A task that gets on is not parked for what happened to it before."""
    with control.transaction() as con:
        _held(con, claim)
        con.execute(
            """
            UPDATE tasks SET done = :done, total = coalesce(:total, total), units = units + :units, attempts = 1
            WHERE task = :task
            """,
            {"done": done, "total": total, "units": units, "task": claim.task},
        )
        con.execute("UPDATE leases SET heartbeat = ? WHERE task = ?", (control.stamp(), claim.task))


def checkpoint(control: Control, claim: Claim, description: str, figures: Mapping[str, Any] | None = None) -> int:
    """A point worth remembering, with a description and figures; returns its event's id."""
    with control.transaction() as con:
        _held(con, claim)
        return control.event(
            "checkpoint",
            claim.task,
            actor=claim.holder,
            session=claim.session,
            detail={"description": description, **(figures or {})},
        )


def unit_failed(control: Control, claim: Claim, error: str) -> None:
    """A unit was rolled back; counted against the task's grade."""
    with control.transaction() as con:
        _held(con, claim)
        con.execute("UPDATE tasks SET errors = errors + 1 WHERE task = ?", (claim.task,))
        control.event("unit_failed", claim.task, actor=claim.holder, session=claim.session, detail={"error": error})


def release(control: Control, claim: Claim, *, why: str = "wrapped") -> None:
    """Give a task back unfinished and unharmed: the next claim goes on with it."""
    with control.transaction() as con:
        _held(con, claim)
        con.execute("UPDATE tasks SET status = 'ready', attempts = 0 WHERE task = ?", (claim.task,))
        _let_go(control, con, claim, "released", {"why": why})
        restand(control, claim.task)


def fail(
    control: Control, claim: Claim, reason: str, detail: str = "", *, retry: bool = True, wait_s: float | None = None
) -> str:
    """An attempt failed: it waits and is tried again (60 s, then twice as long), after three attempts it is parked.

    A provider or a quota that has no room is no fault of the task: it waits, and is never parked for that.
    `retry=False` is for what would fail again the same way. Returns the new status.
    """
    detail = control.redactor.clean(detail)
    with control.transaction() as con:
        _held(con, claim)
        task = fetch(control, claim.task)
        _let_go(control, con, claim, "attempt_failed", {"reason": reason, "detail": detail, "attempt": task.attempts})
        if reason in NO_FAULT:
            con.execute("UPDATE tasks SET attempts = 1 WHERE task = ?", (claim.task,))
        elif not retry or task.attempts >= ATTEMPTS:
            status = PARKED if retry else FAILED
            end(control, con, task, status, reason=reason, detail=detail)
            notice(control, f"task {task.name} {status}: {reason}", task=task.name, detail=detail)
            return status
        wait = RETRY_S * 2 ** (min(task.attempts, ATTEMPTS) - 1) if wait_s is None else wait_s
        until = stamp(control.now() + timedelta(seconds=wait))
        con.execute("UPDATE tasks SET status = 'waiting', not_before = ? WHERE task = ?", (until, claim.task))
        return restand(control, claim.task)


def complete(control: Control, claim: Claim, ended: Mapping[str, Any] | None = None) -> None:
    """The task is done; its dependants become ready. `orchestration.tasks.complete` checks and grades as well.

    `ended` is what the history keeps of the round, where it was worked out before.
    """
    with control.transaction() as con:
        _held(con, claim)
        task = fetch(control, claim.task)
        _let_go(control, con, claim, "completed", ended or ended_with(control, task))
        end(control, con, task, COMPLETED)


def ended_with(control: Control, task: Task) -> dict[str, Any]:
    """What the history keeps of a completed round."""
    hours = None if task.started is None else (control.now() - task.started).total_seconds() / 3600
    return {
        "kind": task.kind,
        "done": task.done,
        "total": task.total,
        "units": task.units,
        "errors": task.errors,
        "hours": hours,
        "estimate": dict(task.estimate),
        "cost": books.cost_of(control, task.name, since=task.started),
    }


def _held(con: Connection, claim: Claim) -> None:
    row = con.execute("SELECT token, holder FROM leases WHERE task = ?", (claim.task,)).fetchone()
    if row is None or row["token"] != claim.token or row["holder"] is None:
        now = "nobody holds it" if row is None or row["holder"] is None else f"{row['holder']} holds it"
        raise FencedOffError(f"task {claim.task} was taken from {claim.holder} (token {claim.token}); {now} now")


def _let_go(control: Control, con: Connection, claim: Claim, event: str, detail: Mapping[str, Any]) -> None:
    con.execute("UPDATE leases SET holder = NULL, session = NULL WHERE task = ?", (claim.task,))
    books.drop_holds(control, con, task=claim.task)
    control.event(event, claim.task, actor=claim.holder, session=claim.session, detail=detail)
