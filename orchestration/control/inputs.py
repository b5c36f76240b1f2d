"""A task and its workspace in; in words what is not there yet that it would work on. No task is done on nothing."""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Iterable
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
        return absent(task, root) if task.done else None
    numbered = f" of sessions {sessions}" if sessions is not None else ""
    return f"no file{numbered} at {', '.join(wanted)}"


def ranged(task: Task) -> bool:
    """Whether a task reads the deliveries of a declared range of sessions, and so knows its whole."""
    return task.stages[:1] == ("ingest",) and task.parameters.get("sessions") is not None


def absent(task: Task, root: Path, *, stored: Collection[int] | None = None) -> str | None:
    """In words which sessions of a declared range have no file yet, once all that are there have been read; else None.

    `stored` are the numbers that the store has; unset, only names are looked at, and a file without a number in its
    name may be anybody's.
    """
    if not ranged(task):
        return None
    patterns, sessions = task.parameters.get("input"), str(task.parameters["sessions"])
    wanted = [patterns] if isinstance(patterns, str) else list(patterns or [INBOX])
    numbers = [_session(path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix())
               for path in matching(wanted, root, sessions=sessions, unnumbered=stored is None)]  # fmt: skip
    if stored is None and (None in numbers or len(numbers) > task.done):
        return None
    whole = session_numbers(sessions)
    lacking = whole - {number for number in numbers if number is not None} - {*(stored or ())}
    if not lacking:
        return None
    return f"{len(whole) - len(lacking):,} of {len(whole):,} sessions are there; {spans(lacking)} have no file yet"


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


def spans(numbers: Iterable[int]) -> str:
    """`101-108, 110` of its numbers."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def _session(name: str) -> int | None:
    from etl.normalise.names import source_session

    number = source_session(Path(name).as_posix())
    return None if number is None else int(number)
