"""What the steps of one wrap need, in one value; and the two papers that more than one of them writes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from orchestration import tasks
from orchestration.control import Control, sessions
from orchestration.control.sessions import Session
from orchestration.control.standing import Missing
from orchestration.logs import NoLog, SessionLog
from orchestration.quota import QuotaMeter
from orchestration.session.handoff import handoff as derived
from orchestration.session.handoff import progress_of, task_of
from orchestration.tasks.completion import Query
from orchestration.workspace import Workspace

QUEUE = "queue.json"
ENDED = 10  # of the tasks that have ended the newest few: the file is read by people, and written at each wrap

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What the steps of one wrap need."""

    control: Control
    workspace: Workspace
    name: str
    query: Query | None = None
    missing: Missing | None = None
    sleep: Callable[[float], None] = time.sleep
    meter: QuotaMeter | None = None
    log: SessionLog = field(default_factory=NoLog)

    @property
    def incomplete(self) -> str | None:
        """Why only state and books are saved; None in an ordinary wrap."""
        why: str | None = self.session.journal.get("ending", {}).get("incomplete")
        return why

    @property
    def session(self) -> Session:
        return sessions.get(self.control, self.name)

    def result(self, step: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.session.journal.get("wrap", {}).get(step, {})
        return found


def message(wrapping: Wrapping, mark: str, why: str, subject: str | None = None) -> str:
    """The message of a commit: task, progress, checkpoints, usage, duration, session and start."""
    session = wrapping.session
    data = derived(wrapping.control, session)
    progress = at(wrapping)
    minutes = (wrapping.control.now() - session.started).total_seconds() / 60
    lines = [subject or f"{session.task}: {progress}", ""]
    lines += [f"Why now: {why}", f"Task: {session.task}", f"Progress: {progress}"]
    lines.append(f"Checkpoints: {len(data['checkpoints'])}")
    lines += [f"  {point['description']}" for point in data["checkpoints"][-5:]]
    lines += [f"Usage: {amount:,.6g} {resource}" for resource, amount in data["usage"].items()]
    lines += [f"Duration: {minutes:,.0f} min", f"Started: {data['started']}", "", mark]
    return "\n".join(lines)


def at(wrapping: Wrapping) -> str:
    """How far the task is: 10/40."""
    session = wrapping.session
    progress = progress_of(session, task_of(wrapping.control, session))
    return f"{progress['done']:,}" + ("" if progress["total"] is None else f"/{progress['total']:,}")


def write_queue(wrapping: Wrapping) -> None:
    """The queue as a file, so that it is committed too."""
    queued = wrapping.control.redactor.clean_data(tasks.export(wrapping.control, ended=ENDED))
    target = wrapping.workspace.root / QUEUE
    temporary = target.with_name(f".{QUEUE}.{os.getpid()}.new")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(queued), indent=1) + b"\n")
    temporary.replace(target)
