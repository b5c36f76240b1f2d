"""A task and its workspace in; in words what is not there yet that it would work on. No task is done on nothing."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path

from etl.errors import SettingsError
from orchestration.control.task import Task

INBOX = "inbox/**/*"
STORE = "motherlode.duckdb"

_RANGE = re.compile(r"(\d+)(?:-(\d+))?$")


def missing(task: Task, root: Path) -> str | None:
    """What the task waits for, or None when its input is there. Looks at files, never into the store.

    An `input` is one glob or several, relative to the workspace. With `sessions` a file is there when its name, or its
    nearest folder's, has one of these numbers, or none: then its content says, which whoever runs the task finds out.
    Stages after ingest need a store.
    """
    patterns, sessions = task.parameters.get("input"), task.parameters.get("sessions")
    if patterns is None and sessions is None and not task.stages:
        return None
    if task.stages and task.stages[0] != "ingest" and patterns is None and sessions is None:
        return None if (root / STORE).exists() else "there is no store yet: nothing was ingested"
    wanted = [patterns] if isinstance(patterns, str) else list(patterns or [INBOX])
    files = matching(wanted, root, sessions=sessions, unnumbered=True)
    if next(iter(files), None) is not None:
        return None
    numbered = f" of sessions {sessions}" if sessions is not None else ""
    return f"no file{numbered} at {', '.join(wanted)}"


def matching(
    patterns: Iterable[str], root: Path, *, sessions: str | None = None, unnumbered: bool = False
) -> Iterable[Path]:
    """The files that globs match below `root`, one after another; with `sessions` only those with these numbers in
    their names, and with `unnumbered` those without any number."""
    wanted: set[int | None] | None = None if sessions is None else {*session_numbers(sessions)}
    if wanted is not None and unnumbered:
        wanted.add(None)
    seen: set[str] = set()
    for pattern in patterns:
        for name in glob.iglob(pattern, root_dir=root, recursive=True, include_hidden=False):  # noqa: PTH207 - Path.glob takes no absolute pattern
            if name not in seen and (root / name).is_file() and (wanted is None or _session(name) in wanted):
                seen.add(name)
                yield root / name


def session_numbers(text: str) -> set[int]:
    """The numbers of `101-140` or `101,103-105`; raises `SettingsError`."""
    numbers: set[int] = set()
    for part in str(text).split(","):
        found = _RANGE.match(part.strip())
        if not found or int(found[2] or found[1]) < int(found[1]):
            raise SettingsError(f"{text!r} is no range of sessions; write 101-140 or 101,103-105")
        numbers |= set(range(int(found[1]), int(found[2] or found[1]) + 1))
    return numbers


def _session(name: str) -> int | None:
    from etl.normalise.names import source_session

    number = source_session(Path(name).as_posix())
    return None if number is None else int(number)
