"""What went wrong outside of any task, in; a wait, a line of the log, one notice, out."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from etl.errors import MotherlodeError
from orchestration.control import Control
from orchestration.control.sessions import Session
from orchestration.control.standing import NOTICE, notice
from orchestration.control.store import moment
from orchestration.control.task import Task
from orchestration.logs import SessionLog
from orchestration.session.endings import Ending

LOCK_TRIES = 3  # each waits for [store] wait_s, then as long again with jitter
LOCK_WAIT_S = 5.0
TOLD_AGAIN = timedelta(hours=6)  # a service comes again every few minutes as long as a trouble lasts


def lock_wait_s(attempt: int, jitter: float) -> float:
    """How long to wait for a store that was held by somebody else; `jitter` from 0 to 1."""
    return float(LOCK_WAIT_S * 2**attempt * (0.5 + jitter))


def book_lock(control: Control, session: Session, error: Exception, attempt: int, wait_s: float) -> None:
    """The store was locked, and is tried again."""
    detail = {"attempt": attempt + 1, "wait_s": round(wait_s, 1), "error": str(error)}
    control.event("store_locked", session.task, session=session.name, detail=detail)


def book_adjusted(control: Control, session: Session, task: Task, changes: Mapping[str, Any]) -> str:
    """Another attempt does some things otherwise; returns it in words."""
    detail = {"attempt": task.attempts, **changes}
    control.event("adjusted", task.name, session=session.name, detail=detail)
    said = ", ".join(f"{name.replace('_', ' ')} {value:,g}" for name, value in changes.items())
    return f"attempt {task.attempts}, with {said}"


def log_error(log: SessionLog, session: Session, error: Exception) -> None:
    """Where it happened; the message only where it is our own, because others may quote a pair."""
    own = str(error) if isinstance(error, MotherlodeError) else None
    frames = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
    log.write("error", session=session.name, error=type(error).__name__, message=own, frames=frames[-12:])


def tell(control: Control, ending: Ending, task: Task) -> None:
    """Mining ends before its time: a notice, once in six hours."""
    told, now = f"mining stopped: {ending.reason.replace('_', ' ')}", control.now()
    with suppress(MotherlodeError):  # no room for a notice either: the terminal has it
        before = [e for e in control.events(event=NOTICE, newest=200) if e["detail"]["text"] == told]
        if not before or abs(now - moment(before[-1]["at"])) > TOLD_AGAIN:
            notice(control, told, task=task.name, level="failure")
