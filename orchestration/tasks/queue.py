"""The queue as its user changes it: tasks added, edited, blocked, retried, skipped, removed; each change an event."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from etl.errors import NotFoundError, SettingsError
from orchestration.control import books
from orchestration.control.claims import lease_of
from orchestration.control.standing import end, flagged, marked, refresh, restand
from orchestration.control.store import Control, stamp
from orchestration.control.task import (
    BLOCKED,
    COMPLETED,
    FAILED,
    MANUAL,
    PARKED,
    RUNNING,
    SKIPPED,
    Task,
    fetch,
)
from orchestration.tasks import graph
from orchestration.tasks.spec import check_kind, check_name

USER = "user"


@dataclass(frozen=True, slots=True)
class Spec:
    """What to add. `needs` are tasks that come first; `estimate` is for the whole task, a figure a resource."""

    name: str
    description: str = ""
    priority: int = 5
    kind: str = MANUAL
    parameters: Mapping[str, Any] = field(default_factory=dict)
    needs: Collection[str] = ()
    estimate: Mapping[str, float] = field(default_factory=dict)
    agent: str | None = None
    total: int | None = None
    check_command: str | None = None
    check_query: str | None = None
    every: timedelta | None = None


def add(control: Control, spec: Spec, *, actor: str = USER) -> Task:
    """Queue a task; raises `SettingsError` for a name that is taken, a circle, or options unknown to its kind."""
    check_name(spec.name)
    check_kind(spec.kind, spec.parameters)
    with control.transaction() as con:
        if con.execute("SELECT 1 FROM tasks WHERE task = ?", (spec.name,)).fetchone():
            raise SettingsError(f"there is a task {spec.name} already; 'etl task edit {spec.name}' changes it")
        now = control.stamp()
        con.execute(
            """
            INSERT INTO tasks (task, priority, kind, status, due, created)
            VALUES (:task, :priority, :kind, 'ready', :now, :now)
            """,
            {"task": spec.name, "priority": spec.priority, "kind": spec.kind, "now": now},
        )
        _set(control, spec.name, **{name: getattr(spec, name) for name in _COLUMNS})
        if spec.needs:
            _need(control, spec.name, spec.needs)
        control.event("added", spec.name, actor=actor, detail={"priority": spec.priority, "kind": spec.kind})
        restand(control, spec.name)
    return fetch(control, spec.name)


def edit(
    control: Control, name: str, *, actor: str = USER, needs: Collection[str] | None = None, **changes: Any
) -> Task:
    """Change fields of `Spec` by their names, and what the task needs. What runs is not changed."""
    with control.transaction():
        task = fetch(control, name)
        _not_running(control, task, "edited")
        unknown = sorted(set(changes) - set(_COLUMNS))
        if unknown:
            raise SettingsError(f"a task has no {', '.join(unknown)}; it has: {', '.join(_COLUMNS)}")
        check_kind(changes.get("kind", task.kind), changes.get("parameters", task.parameters))
        _set(control, name, **changes)
        if needs is not None:
            _need(control, name, needs)
        shown = {key: str(value) if isinstance(value, timedelta) else value for key, value in changes.items()}
        if needs is not None:
            shown["needs"] = sorted(needs)
        control.event("edited", name, actor=actor, detail=shown)
        restand(control, name)
    refresh(control)
    return fetch(control, name)


def block(control: Control, name: str, why: str, *, actor: str = USER) -> Task:
    """Hold a task back until somebody unblocks it."""
    return _move(control, name, BLOCKED, "blocked", why, actor, unless=(RUNNING, COMPLETED, SKIPPED))


def unblock(control: Control, name: str, *, actor: str = USER) -> Task:
    """Let a blocked task go on."""
    return _again(control, name, "unblocked", actor, (BLOCKED,))


def retry(control: Control, name: str, *, actor: str = USER) -> Task:
    """Give a parked, failed, skipped or waiting task three new attempts, at once."""
    return _again(control, name, "retried", actor, (PARKED, FAILED, SKIPPED, "waiting", "ready"))


def review(control: Control, name: str, *, note: str = "", actor: str = USER) -> Task:
    """A person has looked at a task that was marked for it."""
    why = flagged(control, fetch(control, name).name)
    if why is None:
        raise SettingsError(f"task {name} is not marked for review")
    control.event("reviewed", name, actor=actor, detail={"was": why, "note": note})
    return fetch(control, name)


def skip(control: Control, name: str, why: str, *, actor: str = USER) -> Task:
    """Do without a task; those that need it go on."""
    with control.transaction() as con:
        task = fetch(control, name)
        _not_running(control, task, "skipped")
        if task.status in (COMPLETED, SKIPPED):
            raise SettingsError(f"task {name} is {task.status} already")
        control.event("skipped", name, actor=actor, detail={"why": why})
        end(control, con, task, SKIPPED, reason="skipped", detail=why)
    return fetch(control, name)


def remove(control: Control, name: str, *, actor: str = USER) -> None:
    """Take a task out of the queue; its history, costs and fencing token stay."""
    with control.transaction() as con:
        task = fetch(control, name)
        _not_running(control, task, "removed")
        waiting = con.execute(
            "SELECT task FROM task_dependencies WHERE needs = ? AND met IS NULL ORDER BY task", (name,)
        ).fetchall()
        if waiting:
            names = ", ".join(row["task"] for row in waiting)
            raise SettingsError(f"{names} needs {name}; 'etl task skip {name}' lets it go on without")
        con.execute("DELETE FROM task_dependencies WHERE needs = ?", (name,))
        con.execute("DELETE FROM tasks WHERE task = ?", (name,))
        control.event("removed", name, actor=actor, detail={"status": task.status, "description": task.description})


def report_progress(control: Control, name: str, *, done: int, total: int | None = None, actor: str = USER) -> Task:
    """Say how far work by hand has come, without holding the task."""
    with control.transaction() as con:
        task = fetch(control, name)
        _not_running(control, task, "changed")
        if done > (total or task.total or done):
            raise SettingsError(f"{done} of {total or task.total} is more than there is")
        con.execute("UPDATE tasks SET done = ?, total = coalesce(?, total) WHERE task = ?", (done, total, name))
        control.event("progress", name, actor=actor, detail={"done": done, "total": total or task.total})
    return fetch(control, name)


def details(control: Control, name: str, *, after: int = 0) -> dict[str, Any]:
    """Everything the books say of a task: itself, its cost, lease and history since an event, oldest first."""
    refresh(control)
    task, lease = fetch(control, name), lease_of(control, name)
    dependants = control.rows("SELECT task FROM task_dependencies WHERE needs = ? ORDER BY task", (name,))
    return as_row(control, task) | {
        "needed_by": [row["task"] for row in dependants],
        "holder": lease.holder if lease else None,
        "session": lease.session if lease else None,
        "token": control.value("SELECT token FROM leases WHERE task = ?", (name,)) or 0,
        "history": control.events(name, after=after),
    }


def as_row(control: Control, task: Task) -> dict[str, Any]:
    """A task as plain values, with what it has cost so far."""
    return _row(task, books.cost_of(control, task.name), flagged(control, task.name))


def as_rows(control: Control, found: Collection[Task]) -> list[dict[str, Any]]:
    """The same for many, whose costs and marks are looked up at once."""
    names = [task.name for task in found]
    costs, marks = books.costs_of(control, names), marked(control, names)
    return [_row(task, costs[task.name], marks.get(task.name)) for task in found]


def _row(task: Task, cost: Mapping[str, float], mark: str | None) -> dict[str, Any]:
    return {
        "task": task.name,
        "description": task.description,
        "priority": task.priority,
        "kind": task.kind,
        "parameters": dict(task.parameters),
        "status": task.status,
        "reason": task.reason,
        "detail": task.detail,
        "agent": task.agent,
        "progress": {"done": task.done, "total": task.total, "units": task.units, "errors": task.errors},
        "needs": list(task.needs),
        "waits_for": list(task.unmet),
        "estimate": dict(task.estimate),
        "cost": dict(cost),
        "check": task.check_command,
        "check_query": task.check_query,
        "every_s": None if task.every is None else int(task.every.total_seconds()),
        "attempts": task.attempts,
        "grade": task.grade,
        "needs_review": mark,
        **{
            name: None if at is None else stamp(at)
            for name in ("created", "not_before", "started", "finished")
            for at in [getattr(task, name)]
        },
    }


_COLUMNS = (
    "description", "priority", "kind", "parameters", "estimate", "agent", "total", "check_command", "check_query",
    "every",
)  # fmt: skip


def _set(control: Control, name: str, **values: Any) -> None:
    stored = {
        ("every_s" if column == "every" else column): (
            json.dumps(dict(value), sort_keys=True, ensure_ascii=False)
            if isinstance(value, Mapping)
            else int(value.total_seconds())
            if isinstance(value, timedelta)
            else value
        )
        for column, value in values.items()
    }
    if not stored:
        return
    with control.transaction() as con:
        columns = ", ".join(f"{column} = :{column}" for column in stored)
        con.execute(f"UPDATE tasks SET {columns} WHERE task = :task", stored | {"task": name})


def _need(control: Control, name: str, needs: Collection[str]) -> None:
    with control.transaction() as con:
        con.execute("DELETE FROM task_dependencies WHERE task = ?", (name,))
        for needed in sorted(set(needs)):
            try:
                ended = fetch(control, needed)
            except NotFoundError as error:
                raise SettingsError(f"task {name} cannot need {needed}: {error}") from None
            met = control.stamp() if ended.status in (COMPLETED, SKIPPED) else None
            con.execute("INSERT INTO task_dependencies VALUES (?, ?, ?)", (name, needed, met))
        graph.check(control)


def _move(
    control: Control, name: str, status: str, event: str, why: str, actor: str, *, unless: tuple[str, ...]
) -> Task:
    with control.transaction() as con:
        task = fetch(control, name)
        _not_running(control, task, event)
        if task.status in unless:
            raise SettingsError(f"task {name} is {task.status}; it cannot be {event}")
        con.execute("UPDATE tasks SET status = ?, reason = ?, detail = ? WHERE task = ?", (status, event, why, name))
        control.event(event, name, actor=actor, detail={"why": why})
    return fetch(control, name)


def _again(control: Control, name: str, event: str, actor: str, of: tuple[str, ...]) -> Task:
    with control.transaction() as con:
        task = fetch(control, name)
        if task.status not in of:
            raise SettingsError(f"task {name} is {task.status}; only a task that is {', '.join(of)} can be {event}")
        con.execute(
            """
            UPDATE tasks SET status = 'ready', reason = NULL, detail = NULL, attempts = 0, not_before = NULL
            WHERE task = ?
            """,
            (name,),
        )
        control.event(event, name, actor=actor)
        restand(control, name)
    refresh(control)
    return fetch(control, name)


def _not_running(control: Control, task: Task, what: str) -> None:
    if task.status == RUNNING:
        lease = lease_of(control, task.name)
        raise SettingsError(
            f"task {task.name} is being worked on by {lease.holder if lease else 'nobody'} and cannot be {what} now; "
            "wrap or abandon that session first"
        )
