"""The books of a session in; out what its successor must know: done, remaining, context, next action, problems, proofs.

Nothing is remembered here: a handoff can be made of any session at any time, of a killed one as well.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from etl.errors import NotFoundError
from orchestration.control import Control, sessions
from orchestration.control.books import cost_of_session
from orchestration.control.inputs import session_numbers
from orchestration.control.sessions import Session
from orchestration.control.store import stamp
from orchestration.control.task import COMPLETED, MANUAL, SKIPPED, Task, fetch
from orchestration.session.journal import Work

FOLDER = "session_handoffs"
UNIT_LOST = "unit_lost"  # a booked unit that a restored snapshot took from the ledger


def handoff(control: Control, session: Session) -> dict[str, Any]:
    """Everything that the books say of a session, as plain values."""
    task = task_of(control, session)
    events = [event for event in control.events(session=session.name) if event["task"] == session.task]
    work, wrapped = Work.of(session), session.journal.get("wrap", {})
    data: dict[str, Any] = {
        "session": session.name,
        "agent": session.agent,
        "mode": session.mode,
        "state": session.state,
        "started": stamp(session.started),
        "ended": None if session.ended is None else stamp(session.ended),
        "ending": session.journal.get("ending", {}),
        "task": _about(task, session),
        "progress": progress_of(session, task),
        "usage": cost_of_session(control, session.name),
        "done": _done(events, work),
        "remaining": _remaining(task, work),
        "checkpoints": [
            {"id": e["id"], "at": e["at"], "description": e["detail"].get("description", "")}
            for e in events
            if e["event"] == "checkpoint"
        ],
        "context": dict(work.context),
        "files": list(work.files),
        "snapshot": wrapped.get("snapshot", {}).get("snapshot"),
        "commit": wrapped.get("commit", {}).get("commit"),
        "problems": _problems(events, work, wrapped),
    }
    over = task is None or task.status in (COMPLETED, SKIPPED)
    data["next"] = (not over and work.next) or _next(session, task, data["remaining"])
    clean: dict[str, Any] = control.redactor.clean_data(data | {"check": _checks(data)})
    return clean


def write(control: Control, session: str, *, root: Path) -> Path:
    """Write `session_handoffs/handoff_<session>.md` and `.json`, each replaced as a whole; returns the first."""
    data = handoff(control, sessions.get(control, session))
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"handoff_{session}.md"
    texts = {".json": msgspec.json.format(msgspec.json.encode(data), indent=1).decode() + "\n", ".md": text(data)}
    for suffix, content in texts.items():
        temporary = target.with_name(f".{target.stem}{suffix}.{os.getpid()}.new")
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(target.with_suffix(suffix))
    return target


def text(data: Mapping[str, Any]) -> str:
    """A handoff as Markdown, for a person or an agent."""
    task, progress, remaining = data["task"], data["progress"], data["remaining"]
    total = "" if progress["total"] is None else f" of {progress['total']:,}"
    ending = f", {data['ending']['why']}" if data["ending"].get("why") else ""
    lines = [
        f"# Handoff of {data['session']}",
        "",
        f"- task: {task['name']} ({task['kind']}), {task['status']}",
        *([f"- about: {task['description']}"] if task["description"] else []),
        f"- progress: {progress['done']:,}{total}",
        f"- session: {data['state']}{ending}; agent {data['agent'] or '-'}",
        f"- from {data['started']} to {data['ended'] or 'now'}",
        *(f"- used: {amount:,.6g} {resource}" for resource, amount in data["usage"].items()),
        "",
        "## Next action",
        "",
        data["next"],
    ]
    done = [f"{unit['job']} ({unit['ledger']}): {_figures(unit['counts'])}" for unit in data["done"]["units"]]
    done += data["done"]["items"]
    left = remaining["items"] or ([] if remaining["count"] is None else [_counted(remaining["count"])])
    sections = {
        "Done": done,
        "Remaining": left,
        "Checkpoints": [f"{c['id']}: {c['description']} ({c['at']})" for c in data["checkpoints"]],
        "Context": [f"{key}: {value}" for key, value in data["context"].items()],
        "Files": data["files"],
        "Open problems": data["problems"],
        "How to check": [f"{check['claim']}: `{check['command']}`" for check in data["check"]],
    }
    for heading, entries in sections.items():
        if entries:
            lines += ["", f"## {heading}", "", *(f"- {entry}" for entry in entries)]
    return "\n".join([*lines, ""])


def _counted(items: int) -> str:
    return "1 item" if items == 1 else f"{items:,} items"


def task_of(control: Control, session: Session) -> Task | None:
    """The task that a session worked on; None where it was removed since."""
    try:
        return fetch(control, str(session.task))
    except NotFoundError:
        return None


def _about(task: Task | None, session: Session) -> dict[str, Any]:
    if task is None:
        return {"name": session.task, "description": "", "kind": "-", "parameters": {}, "status": "removed"}
    return {
        "name": task.name, "description": task.description, "kind": task.kind, "parameters": dict(task.parameters),
        "status": task.status,
    }  # fmt: skip


def progress_of(session: Session, task: Task | None) -> dict[str, Any]:
    """As it stood when the session wrapped, else as it stands."""
    state = session.journal.get("wrap", {}).get("state")
    if state is not None:
        return dict(state["progress"])
    return {"done": 0 if task is None else task.done, "total": None if task is None else task.total}


def _done(events: list[dict[str, Any]], work: Work) -> dict[str, Any]:
    """Committed units, summed a job, with the rows of the ledger that prove them; and what an agent recorded."""
    jobs: dict[str, tuple[list[int], Counter[str]]] = {}
    lost = {event["detail"]["of"] for event in events if event["event"] == UNIT_LOST}
    for event in events:
        if event["event"] == "unit" and event["id"] not in lost:
            numbers, counts = jobs.setdefault(event["detail"]["job"], ([], Counter()))
            if event["detail"]["seq"] is not None:
                numbers.append(event["detail"]["seq"])
            counts.update(event["detail"]["counts"])
    units = [
        {"job": job, "seqs": numbers, "ledger": _rows(numbers), "counts": dict(sorted(counts.items()))}
        for job, (numbers, counts) in jobs.items()
    ]
    return {"units": units, "items": list(work.items)}


def _rows(numbers: list[int]) -> str:
    if not numbers:
        return "no ledger row"
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return "ledger " + ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)


def _remaining(task: Task | None, work: Work) -> dict[str, Any]:
    if task is None:
        return {"count": None, "items": []}
    count = None if task.total is None else max(0, task.total - task.done)
    items: list[str] = []
    if task.kind == MANUAL and "sessions" in task.parameters:
        items = [str(n) for n in sorted(session_numbers(task.parameters["sessions"])) if str(n) not in work.items]
    return {"count": count, "items": items}


def _next(session: Session, task: Task | None, remaining: Mapping[str, Any]) -> str:
    if task is None:
        return "The task was removed from the queue; 'etl session start' takes the next one."
    if task.status in (COMPLETED, SKIPPED):
        return f"Task {task.name} is {task.status}; 'etl session start' takes the next one."
    if task.status in ("parked", "failed", "blocked"):
        return f"Task {task.name} is {task.status}: 'etl task explain {task.name}' says why and what helps."
    at = f" at {task.done + 1:,} of {task.total:,}" if task.total and remaining["count"] else ""
    if session.mode == "hand" and session.state == "open":
        return (
            f"Work on {task.name}{at}. Record each step with 'etl session checkpoint', end with 'etl session wrap'; "
            "after any break 'etl session start' shows this page again."
        )
    how = "etl mine" if session.mode == "driven" else f"etl session start --task {task.name}"
    return f"Go on with {task.name}{at}: '{how}' takes it up where the books left it."


def _problems(events: list[dict[str, Any]], work: Work, wrapped: Mapping[str, Any]) -> list[str]:
    found = list(work.problems)
    found += [f"a unit failed: {e['detail'].get('error', '')}" for e in events if e["event"] == "unit_failed"]
    found += [f"{step}: {result['problem']}" for step, result in wrapped.items() if result.get("problem")]
    lost = sum(e["event"] == UNIT_LOST for e in events)
    found += [f"a restored snapshot took back {lost:,} of its units; they are pending again"] if lost else []
    return list(dict.fromkeys(found))


def _checks(data: Mapping[str, Any]) -> list[dict[str, str]]:
    """How each claim of a handoff is checked by whoever doubts it."""
    name = data["task"]["name"]
    checks = [
        {"claim": "progress and items", "command": f"etl task show {name}"},
        {"claim": "what was used", "command": f"etl quota --session {data['session']}"},
    ]
    if any(unit["seqs"] for unit in data["done"]["units"]):
        checks.append({"claim": "the units are in the ledger, its chain unbroken", "command": "etl doctor"})
    if data["snapshot"]:
        checks.append({"claim": "the snapshot is whole", "command": f"etl snapshot verify {data['snapshot']}"})
    if data["commit"]:
        checks.append({"claim": "the commit", "command": f"git show --stat {data['commit'][:12]}"})
    return checks


def _figures(counts: Mapping[str, int]) -> str:
    return (
        ", ".join(f"{value:,} {key.replace('_', ' ')}" for key, value in counts.items() if value) or "nothing counted"
    )
