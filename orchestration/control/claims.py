"""Claiming a task: the next one or a named one, one holder at a time, proved by a fencing token that only grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from sqlite3 import Connection
from typing import TYPE_CHECKING

from etl.errors import NotFoundError, SettingsError
from orchestration.control import books, inputs
from orchestration.control.standing import Missing, end, notice, refresh, restand
from orchestration.control.store import Control, moment
from orchestration.control.task import IN_ORDER, PARKED, READY, RUNNING, Task, fetch

if TYPE_CHECKING:
    from etl.store import Fence

LEASE_S = 60.0
ATTEMPTS = 3
PAGE = 20

Refuse = Callable[[Task], str | None]


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a task, until a higher token is given out."""

    task: str
    token: int
    holder: str
    session: str | None = None

    def fence(self) -> Fence:
        """The token as the store checks it: `store.fence = claim.fence()`."""
        from etl.store import Fence

        return Fence(self.task, self.token)


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a task. `lease_s` None: held by hand, for as long as it takes."""

    task: str
    token: int
    holder: str
    session: str | None
    heartbeat: str
    lease_s: float | None

    def dead(self, control: Control) -> bool:
        """Whether its holder has not been heard of for longer than the lease; a clock set back counts as that too."""
        if self.lease_s is None:
            return False
        return abs(control.now() - moment(self.heartbeat)) > timedelta(seconds=self.lease_s)


def lease_of(control: Control, task: str) -> Lease | None:
    """The lease on a task, None where nobody holds it."""
    found = control.rows(
        "SELECT task, token, holder, session, heartbeat, lease_s FROM leases WHERE task = ? AND holder IS NOT NULL",
        (task,),
    )
    return Lease(*found[0]) if found else None


def claim(
    control: Control,
    *,
    holder: str,
    session: str | None = None,
    agent: str | None = None,
    task: str | None = None,
    lease_s: float | None = LEASE_S,
    refuse: Refuse | None = None,
    missing: Missing | None = None,
) -> Claim | None:
    """Take the next ready task by priority, then by age (`IN_ORDER`); or the one that is named. None where there is
    none.

    `agent` gets what is assigned to it or to nobody; without one only what is assigned to nobody. `refuse` may turn a
    task down, with a reason in words (a quota that has no room). A running task whose holder is dead is taken over with
    a higher token, or parked after three attempts. A named task that cannot be had raises `SettingsError` saying why.
    """
    refresh(control, missing=missing)
    if task is not None:
        return _named(control, fetch(control, task), holder, session, agent, lease_s, refuse)
    refused: set[str] = set()
    while True:
        found = _candidates(control, agent, limit=PAGE + len(refused))
        fresh = [name for name in found if name not in refused]
        if not fresh:
            return None
        for name in fresh:
            refused.add(name)
            try:
                if _turned_down(control, fetch(control, name), refuse, missing):
                    continue
                taken = _take(control, name, holder, session, agent, lease_s)
            except NotFoundError:  # removed this moment
                continue
            if taken is not None:
                return taken


def any_candidate(control: Control, agent: str | None) -> bool:
    """Whether there is a task to look at: ready, or of a holder that is dead."""
    return bool(_candidates(control, agent, limit=1))


def seed_tokens(control: Control, tokens: Mapping[str, int]) -> None:
    """Raise tokens to those that the store has seen (its table `fences`), after the control store was lost."""
    with control.transaction() as con:
        con.executemany(
            """
            INSERT INTO leases (task, token) VALUES (?, ?)
            ON CONFLICT DO UPDATE SET token = max(token, excluded.token)
            """,
            list(tokens.items()),
        )


def _turned_down(control: Control, task: Task, refuse: Refuse | None, missing: Missing | None) -> bool:
    # a dependency met since `refresh` makes a task ready before its input was looked for
    lacking = missing(task) if missing is not None else inputs.missing(task, control.root)
    if lacking is not None and task.status == READY:
        restand(control, task.name, looked=True, lacking=lacking)
        return True
    return refuse is not None and refuse(task) is not None


def _named(
    control: Control,
    task: Task,
    holder: str,
    session: str | None,
    agent: str | None,
    lease_s: float | None,
    refuse: Refuse | None,
) -> Claim:
    lease = lease_of(control, task.name)
    if task.status == RUNNING and lease is not None and not lease.dead(control):
        raise SettingsError(f"task {task.name} is held by {lease.holder} (session {lease.session or '-'})")
    if task.status not in (READY, RUNNING):
        raise SettingsError(
            f"task {task.name} is {task.status}{f': {task.detail or task.reason}' if task.reason else ''}"
        )
    if task.agent not in (None, agent):
        raise SettingsError(f"task {task.name} is assigned to {task.agent}; give --agent {task.agent} or edit it")
    if refuse is not None and (why := refuse(task)) is not None:
        raise SettingsError(f"task {task.name} cannot start now: {why}")
    taken = _take(control, task.name, holder, session, agent, lease_s)
    if taken is None:
        raise SettingsError(
            f"task {task.name} was taken or parked this moment; 'etl task explain {task.name}' says more"
        )
    return taken


def _candidates(control: Control, agent: str | None, *, limit: int) -> list[str]:
    # a dead lease is looked for by its heartbeat in SQL; _take looks again, inside its transaction
    found = control.rows(
        f"""
        SELECT t.task FROM tasks t LEFT JOIN leases l USING (task)
        WHERE (t.agent IS NULL OR t.agent = :agent)
        AND (t.status = 'ready' OR t.status = 'running' AND (l.holder IS NULL OR
             l.lease_s IS NOT NULL AND abs(julianday(:now) - julianday(l.heartbeat)) * 86400 > l.lease_s))
        {IN_ORDER} LIMIT :limit
        """,
        {"agent": agent, "now": control.stamp(), "limit": limit},
    )
    return [row["task"] for row in found]


def _take(
    control: Control, name: str, holder: str, session: str | None, agent: str | None, lease_s: float | None
) -> Claim | None:
    with control.transaction() as con:
        task, lease = fetch(control, name), lease_of(control, name)
        if task.status == RUNNING:
            if lease is not None and not lease.dead(control):
                return None
            if not _take_over(control, con, task, lease):
                return None
        elif task.status != READY:
            return None
        now = control.stamp()
        con.execute(
            """
            INSERT INTO leases VALUES (:task, 1, :holder, :session, :now, :now, :lease_s)
            ON CONFLICT DO UPDATE SET token = token + 1, holder = :holder, session = :session, taken = :now,
                                      heartbeat = :now, lease_s = :lease_s
            """,
            {"task": name, "holder": holder, "session": session, "now": now, "lease_s": lease_s},
        )
        con.execute(
            """
            UPDATE tasks SET status = 'running', reason = NULL, detail = NULL, not_before = NULL,
                             attempts = attempts + 1, started = coalesce(started, ?)
            WHERE task = ?
            """,
            (now, name),
        )
        if agent is not None:
            seen(control, agent)
        token = int(con.execute("SELECT token FROM leases WHERE task = ?", (name,)).fetchone()[0])
        control.event(
            "claimed", name, actor=holder, session=session, detail={"token": token, "attempt": task.attempts + 1}
        )
        return Claim(name, token, holder, session)


def seen(control: Control, agent: str, *, status: str = "active") -> None:
    """An agent showed itself."""
    with control.transaction() as con:
        con.execute(
            "INSERT INTO agents VALUES (:agent, :status, :now) ON CONFLICT DO UPDATE SET status = :status, seen = :now",
            {"agent": agent, "status": status, "now": control.stamp()},
        )


def _take_over(control: Control, con: Connection, task: Task, lease: Lease | None) -> bool:
    """The holder is dead: drop what it held; park the task when this was its last attempt."""
    books.drop_holds(control, con, task=task.name)
    if lease is not None:
        control.event(
            "lease_expired", task.name, actor=lease.holder, session=lease.session, detail={"token": lease.token}
        )
    if task.attempts < ATTEMPTS:
        return True
    why = f"its holder died in each of {task.attempts} attempts, the last was {lease.holder if lease else 'unknown'}"
    end(control, con, task, PARKED, reason="holder_died", detail=why)
    notice(control, f"task {task.name} parked: holder_died", task=task.name, detail=why)
    return False
