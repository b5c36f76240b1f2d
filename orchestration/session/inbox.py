"""Files that came into the inbox, in; a task that ingests those that no unfinished task is to read, out."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from etl.errors import StoreLockedError
from orchestration import tasks
from orchestration.control import Control, inputs
from orchestration.control.task import COMPLETED, SKIPPED, Task
from orchestration.session.works import Works

LOOK_S = 30.0  # between two looks


@dataclass
class Inbox:
    """Looked at between units, and not more often than it is worth."""

    control: Control
    works: Works
    every_s: float = LOOK_S
    _looked: datetime | None = None

    def look(self) -> None:
        """Queue what came, if it is time to look."""
        now = self.control.now()
        if self._looked is not None and abs((now - self._looked).total_seconds()) < self.every_s:
            return
        self._looked = now
        with suppress(StoreLockedError):
            files = self.works.arrived()
            if files:
                queue_arrived(self.control, files)


def queue_arrived(control: Control, files: list[str]) -> str | None:
    """Queue the ingest of files in the inbox that no unfinished task is to read; returns the task's name."""
    with control.transaction():  # of several drivers that look at the same time one queues them
        named = {glob.escape(name) for task in tasks.listed(control, ended=0) for name in _reads(control, task)}
        fresh = [name for name in files if name not in named]
        task_name = f"inbox_{control.now():%Y%m%dT%H%M%SZ}"
        if not fresh or control.value("SELECT 1 FROM tasks WHERE task = ?", (task_name,)):
            return None
        about = f"Read {len(fresh):,} files that came into the inbox"
        tasks.add(control, tasks.Spec(task_name, about, 2, "ingest", {"input": fresh}), actor="etl mine")
    return task_name


def _reads(control: Control, task: Task) -> Iterator[str]:
    if "ingest" not in task.stages or task.status in (COMPLETED, SKIPPED):
        return
    given = task.parameters.get("input") or [inputs.INBOX]
    patterns = [given] if isinstance(given, str) else given
    for path in inputs.matching(patterns, control.root, sessions=task.parameters.get("sessions")):
        if path.is_relative_to(control.root):
            yield path.relative_to(control.root).as_posix()
