"""`Task`: one row of the queue as a value, and finding it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from etl.errors import NotFoundError
from orchestration.control.store import Control, Row, moment

READY, WAITING, RUNNING, BLOCKED = "ready", "waiting", "running", "blocked"
PARKED, COMPLETED, FAILED, SKIPPED = "parked", "completed", "failed", "skipped"
STATUSES = (READY, WAITING, RUNNING, BLOCKED, PARKED, COMPLETED, FAILED, SKIPPED)

MANUAL, COMMAND = "manual", "command"  # the kinds that are no stages of the pipeline


@dataclass(frozen=True, slots=True)
class Task:
    """One task. `estimate` is for the whole task, a figure a resource; `unmet` are the needs still waited for."""

    name: str
    description: str
    priority: int
    kind: str
    parameters: Mapping[str, Any]
    status: str
    reason: str | None
    detail: str | None
    agent: str | None
    done: int
    total: int | None
    units: int
    errors: int
    estimate: Mapping[str, float]
    check_command: str | None
    check_query: str | None
    every: timedelta | None
    due: datetime
    not_before: datetime | None
    attempts: int
    grade: str | None
    created: datetime
    started: datetime | None
    finished: datetime | None
    needs: tuple[str, ...]
    unmet: tuple[str, ...]

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of the pipeline that it runs, in order; empty for a command and for work by hand."""
        return () if self.kind in (MANUAL, COMMAND) else tuple(self.kind.split("+"))

    @property
    def unit_estimate(self) -> Mapping[str, float]:
        """What one unit is declared to cost: the estimate over the total; a command is one unit; else unknown."""
        units = 1 if self.kind == COMMAND else self.total
        return {resource: amount / units for resource, amount in self.estimate.items()} if units else {}

    @classmethod
    def from_row(cls, row: Row) -> Task:
        """A task of a row of `SELECT`."""
        return cls(
            name=row["task"],
            parameters=_values(row["parameters"]),
            estimate=_values(row["estimate"]),
            every=None if row["every_s"] is None else timedelta(seconds=row["every_s"]),
            needs=_names(row["needs"]),
            unmet=_names(row["unmet"]),
            **{name: row[name] for name in _PLAIN},
            **{name: None if row[name] is None else moment(row[name]) for name in _TIMES},  # type: ignore[arg-type]  # `due` and `created` are NOT NULL
        )


_PLAIN = (
    "description", "priority", "kind", "status", "reason", "detail", "agent", "done", "total", "units", "errors",
    "check_command", "check_query", "attempts", "grade",
)  # fmt: skip
_TIMES = ("due", "not_before", "created", "started", "finished")


def _values(text: str) -> dict[str, Any]:
    return {} if text == "{}" else json.loads(text)


def _names(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(sorted(json.loads(text)))


SELECT = """
SELECT t.*,
       (SELECT json_group_array(needs) FROM task_dependencies d WHERE d.task = t.task) AS needs,
       (SELECT json_group_array(needs) FROM task_dependencies d WHERE d.task = t.task AND d.met IS NULL) AS unmet
FROM tasks t
"""

# Who goes first. What recurs counts from its last claim where that is later than when its round was due: a round that
# never ends would keep the place of its first day, and go before every younger task for ever.
IN_ORDER = """
ORDER BY t.priority, CASE WHEN t.every_s IS NULL THEN t.due ELSE max(t.due, coalesce(
    (SELECT taken FROM leases WHERE leases.task = t.task), t.due)) END, t.created, t.task
"""

_OPEN = "('ready', 'waiting', 'running', 'blocked', 'parked', 'failed')"
_RECENT = f"""
t.task IN (
    SELECT task FROM tasks WHERE status IN {_OPEN}
    UNION SELECT needs FROM task_dependencies JOIN tasks USING (task) WHERE status IN {_OPEN}
    UNION SELECT task FROM (
        SELECT task FROM tasks WHERE status IN ('completed', 'skipped') ORDER BY finished DESC LIMIT :ended
    )
)
"""


def fetch(control: Control, name: str) -> Task:
    """One task; raises `NotFoundError` naming those that are spelled alike."""
    found = control.rows(f"{SELECT} WHERE t.task = ?", (name,))
    if not found:
        known = [row[0] for row in control.rows("SELECT task FROM tasks ORDER BY task")]
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "'etl task list' shows those there are"
        raise NotFoundError(f"there is no task {name!r}; {hint}")
    return Task.from_row(found[0])


def listed(
    control: Control, *, status: str | None = None, agent: str | None = None, ended: int | None = None
) -> list[Task]:
    """Tasks in the order in which they are claimed; of one status; those an agent may take: its own and nobody's.

    `ended`: only so many of those completed or skipped, the newest, and those that an unfinished one needs.
    """
    found = control.rows(
        f"""
        {SELECT} WHERE (:status IS NULL OR t.status = :status)
        AND (:agent IS NULL OR t.agent IS NULL OR t.agent = :agent)
        AND {"true" if ended is None else _RECENT}
        {IN_ORDER}
        """,
        {"status": status, "agent": agent, "ended": ended},
    )
    return [Task.from_row(row) for row in found]
