"""Old queues in, tasks out: `task_stack.json`, an agent's own stack, the per-agent queue files, our own export."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from etl.errors import DeliveryError, SettingsError
from orchestration.control import books
from orchestration.control.claims import seen
from orchestration.control.standing import restand
from orchestration.control.store import Control
from orchestration.control.task import BLOCKED, COMPLETED, FAILED, PARKED, READY, SKIPPED, listed
from orchestration.tasks import graph
from orchestration.tasks.amounts import span
from orchestration.tasks.examples import CLASSIC
from orchestration.tasks.queue import Spec, add, as_rows

FORMAT = "motherlode-tasks-1"

STATUS = {
    "pending": READY, "queued": READY, "ready": READY, "next": READY, "immediate": READY, "assigned": READY,
    "waiting": READY, "in_progress": READY, "running": READY, "active": READY, "paused": READY, "ongoing": READY,
    "completed": COMPLETED, "complete": COMPLETED, "done": COMPLETED, "finished": COMPLETED,
    "blocked": BLOCKED, "failed": FAILED, "error": FAILED, "skipped": SKIPPED, "cancelled": SKIPPED,
    "parked": PARKED, "needs_review": PARKED, "needs review": PARKED,
}  # fmt: skip
_SESSION = re.compile(r".*_session_\w+$|session_\d.*$")
_CLASSIC = {spec.name: spec for spec in CLASSIC}
_SESSIONS = re.compile(r"integrate_sessions_(\d+)_(\d+)$")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: tasks added, tasks that were there already and stay as they are, and what was noticed."""

    added: tuple[str, ...]
    known: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Old:
    """One task of a file, in our words."""

    spec: Spec
    status: str
    needs: tuple[str, ...]
    done: int
    spent: Mapping[str, float]
    checkpoints: tuple[Mapping[str, Any], ...]
    grade: str | None
    notes: tuple[str, ...]


def import_file(control: Control, path: Path, *, actor: str = "import") -> Imported:
    """Read one file of tasks; all of it, or nothing when a mistake is found.

    Tasks that exist are left as they are, so the same file may be read again. What was in progress is ready again with
    its progress. Raises `DeliveryError` for a file that cannot be read, `SettingsError` for content that is no queue.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryError(f"{path} cannot be read: {error}") from error
    except json.JSONDecodeError as error:
        raise SettingsError(f"{path} is not JSON: {error}") from error
    agent, entries = _entries(content, path)
    olds = [_old(name, entry, position, agent) for position, (name, entry) in enumerate(entries, start=1)]
    with control.transaction():
        if agent:
            seen(control, agent, status=str(content.get("status") or "active"))
        known = {row["task"] for row in control.rows("SELECT task FROM tasks")}
        fresh = {old.spec.name: old for old in olds if old.spec.name not in known}
        notes = [note for old in fresh.values() for note in old.notes]
        for old in fresh.values():
            add(control, old.spec, actor=actor)
        known_now = known | set(fresh)
        for old in fresh.values():
            notes += _link(control, old, known_now)
        graph.check(control)
        for old in fresh.values():
            _history(control, old, actor)
        for name in fresh:
            restand(control, name)
    return Imported(tuple(fresh), tuple(sorted({o.spec.name for o in olds} & known)), tuple(notes))


def export(control: Control, *, ended: int | None = None) -> dict[str, Any]:
    """The queue as plain values that `import_file` reads again; whole, or with the newest ended tasks only."""
    return {"format": FORMAT, "tasks": as_rows(control, listed(control, ended=ended))}


def _entries(content: Any, path: Path) -> tuple[str | None, list[tuple[str | None, Mapping[str, Any]]]]:
    agent = None
    found: list[tuple[str | None, Mapping[str, Any]]] = []
    if isinstance(content, list):
        found = list(_listed(content))
    elif isinstance(content, dict):
        agent = content.get("agent")
        places = ("current_task", "tasks", "queued_tasks", "completed_tasks", "active_tasks", "failed_tasks")
        for place in places:
            if place in content:
                finished = {"status": "completed"} if place == "completed_tasks" else {}
                found += [(name, finished | dict(entry)) for name, entry in _listed(content[place])]
        if not any(place in content for place in places) and "task_id" in content:
            found = list(_listed([content]))
        elif not any(place in content for place in places):
            raise SettingsError(f"{path} holds no tasks: expected one of {', '.join(places)}, or a list of tasks")
    if not isinstance(content, list | dict):
        raise SettingsError(f"{path} holds no tasks: expected an object or a list, found {type(content).__name__}")
    return (str(agent) if agent else None), found


def _listed(place: Any) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    if isinstance(place, Mapping) and {"task_id", "task", "id"} & set(place):
        place = [place]
    if isinstance(place, Mapping):
        yield from ((str(name), entry) for name, entry in place.items() if isinstance(entry, Mapping))
    elif isinstance(place, list):
        yield from ((None, entry) for entry in place if isinstance(entry, Mapping))


def _old(name: str | None, entry: Mapping[str, Any], position: int, agent: str | None) -> _Old:
    name = str(name or entry.get("task_id") or entry.get("task") or entry.get("id") or entry.get("name") or "")
    said = str(entry.get("status") or "pending").strip().lower()
    notes = [] if said in STATUS else [f"{name}: unknown status {said!r}, taken as ready"]
    given = entry.get("progress")
    progress: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    done = int(progress.get("done", progress.get("current", 0)) or 0)
    assigned = entry.get("agent") or entry.get("assigned_to") or agent
    if assigned and _SESSION.match(str(assigned)):
        notes.append(f"{name}: was held by {assigned}, a session that is over")
        assigned = agent
    estimate, more = _estimate(name, entry)
    kind, parameters = _kind(name, entry)
    spec = Spec(
        name,
        description=str(entry.get("description") or ""),
        priority=int(entry.get("priority") or position),
        kind=kind,
        parameters=parameters,
        estimate=estimate,
        agent=None if assigned is None else str(assigned),
        total=int(progress["total"]) if progress.get("total") else None,
        check_command=entry.get("check"),
        check_query=entry.get("check_query"),
        every=timedelta(seconds=entry["every_s"]) if entry.get("every_s") else None,
    )
    spent = {"tokens": float(entry["actual_tokens"])} if entry.get("actual_tokens") else dict(entry.get("cost") or {})
    checkpoints = tuple(
        c if isinstance(c, Mapping) else {"description": str(c)} for c in entry.get("checkpoints") or ()
    )
    needs = tuple(map(str, entry.get("needs") or entry.get("dependencies") or entry.get("depends_on") or ()))
    return _Old(spec, STATUS.get(said, READY), needs, done, spent, checkpoints, entry.get("grade"), (*notes, *more))


def _estimate(name: str, entry: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
    if isinstance(entry.get("estimate"), Mapping):
        return {str(k): float(v) for k, v in entry["estimate"].items()}, []
    found = {"tokens": float(entry["estimated_tokens"])} if entry.get("estimated_tokens") else {}
    try:
        if entry.get("estimated_time"):
            found["hours"] = span(str(entry["estimated_time"])).total_seconds() / 3600
    except SettingsError as error:
        return found, [f"{name}: estimated_time not taken over: {error}"]
    return found, []


def _kind(name: str, entry: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """What an old task stands for: only its name says so; others are worked on by hand or by an agent."""
    if entry.get("kind"):
        return str(entry["kind"]), dict(entry.get("parameters") or {})
    if name in _CLASSIC:
        return _CLASSIC[name].kind, _CLASSIC[name].parameters
    sessions = _SESSIONS.match(name)
    return ("ingest", {"sessions": f"{sessions[1]}-{sessions[2]}"}) if sessions else ("manual", {})


def _link(control: Control, old: _Old, known: set[str]) -> list[str]:
    lost = [name for name in old.needs if name not in known]
    if old.needs:
        with control.transaction() as con:
            con.executemany(
                "INSERT OR IGNORE INTO task_dependencies VALUES (?, ?, NULL)",
                [(old.spec.name, name) for name in old.needs if name in known],
            )
            con.execute(
                """
                UPDATE task_dependencies SET met = ? WHERE task = ?
                AND needs IN (SELECT task FROM tasks WHERE status IN ('completed', 'skipped'))
                """,
                (control.stamp(), old.spec.name),
            )
    if lost and old.status not in (COMPLETED, SKIPPED):
        why = f"needs {', '.join(lost)}, which is in no queue"
        with control.transaction() as con:
            con.execute(
                "UPDATE tasks SET status = 'blocked', reason = 'unknown_dependency', detail = ? WHERE task = ?",
                (why, old.spec.name),
            )
        return [f"{old.spec.name}: {why}; blocked until 'etl task unblock {old.spec.name}'"]
    return []


def _history(control: Control, old: _Old, actor: str) -> None:
    name = old.spec.name
    with control.transaction() as con:
        con.execute("UPDATE tasks SET done = ?, grade = ? WHERE task = ?", (old.done, old.grade, name))
        for resource, amount in old.spent.items():
            about = books.For(task=name, agent=old.spec.agent, kind=None)
            entry = books.observe(control, resource, amount, about=about, source="import", confidence=0.5)
            books.reconcile(control, entry, source="import", confidence=0.5)
        for checkpoint in old.checkpoints:
            kept = {key: value for key, value in checkpoint.items() if key != "timestamp"}
            kept.setdefault("description", ", ".join(f"{key} {value}" for key, value in kept.items()))
            control.event(
                "checkpoint",
                name,
                actor=actor,
                at=_time(checkpoint.get("timestamp")),
                detail={"description": kept["description"], "imported": kept},
            )
        if old.status in (BLOCKED, PARKED, FAILED, COMPLETED, SKIPPED):
            con.execute(
                "UPDATE tasks SET status = ?, reason = ?, finished = ? WHERE task = ?",
                (old.status, None if old.status == COMPLETED else "imported", control.stamp(), name),
            )
        if old.status in (COMPLETED, SKIPPED):
            con.execute("UPDATE task_dependencies SET met = ? WHERE needs = ?", (control.stamp(), name))
            for row in con.execute("SELECT task FROM task_dependencies WHERE needs = ?", (name,)).fetchall():
                restand(control, row["task"])


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
