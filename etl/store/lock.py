"""One writer at a time: a sidecar lock file, the name of its holder, and a sign that somebody waits.

DuckDB's own lock cannot be trusted to keep a second writer out: any open and close of the database file inside the
owning process drops it (POSIX semantics of fcntl locks). So the guard is a lock on a file beside it.
"""

from __future__ import annotations

import getpass
import json
import os
import random
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from etl.errors import StoreLockedError

WAITING_IS_FRESH_S = 1.0


class WriterLock:
    """The right to open `path` for writing. Not re-entrant, not shared between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(f"{path}.lock", thread_local=False)
        self._holder = path.with_name(path.name + ".holder")
        self._waiting = path.with_name(path.name + ".waiting")
        self._since = 0.0

    def acquire(self, *, wait_s: float) -> None:
        """Take the lock, or raise `StoreLockedError` with the holder's name after `wait_s` seconds."""
        deadline = time.monotonic() + wait_s
        while True:
            try:
                self._lock.acquire(timeout=0)
                break
            except Timeout:
                if time.monotonic() >= deadline:
                    raise StoreLockedError(
                        f"{self.path} is held by {self.holder()}; waited {wait_s:.0f} s. "
                        "Let it finish or stop it, then run this again."
                    ) from None
                self._waiting.touch()
                time.sleep(random.uniform(0.01, 0.05))  # noqa: S311 - jitter, not a secret
        self._since = time.monotonic()
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:3]])
        note = {"pid": os.getpid(), "host": socket.gethostname(), "user": getpass.getuser(), "command": command}
        self._holder.write_text(json.dumps(note), encoding="utf-8")

    def release(self) -> None:
        """Give the lock back; safe to call twice."""
        if self._lock.is_locked:
            with suppress(FileNotFoundError):
                self._holder.unlink()
            self._lock.release()

    @property
    def held_s(self) -> float:
        """Seconds since the lock was taken."""
        return time.monotonic() - self._since

    def wanted(self) -> bool:
        """Whether another process has asked for the lock within the last second and since we took it."""
        try:
            asked = self._waiting.stat().st_mtime
        except FileNotFoundError:
            return False
        age = time.time() - asked
        return age < min(WAITING_IS_FRESH_S, self.held_s)

    def holder(self) -> str:
        """Who holds the lock, in words."""
        try:
            note = json.loads(self._holder.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return "another process"
        return f"process {note['pid']} of {note['user']} on {note['host']} ({note['command']})"
