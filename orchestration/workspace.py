"""A workspace: one folder with its settings, inbox, store, snapshots, releases and reports."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import SettingsError
from etl.progress import utc_now
from orchestration.settings import Settings, commented, load

if TYPE_CHECKING:
    from etl.store import Store

CACHE = "cache"
FOLDERS = ("inbox", "outbox", "exports", "snapshots", "reports")
# what is rebuilt, large or only of this machine; manifests, reports, handoffs and the queue are for committing
IGNORED = """\
# the store and the control store, their logs, marks and locks
/motherlode.duckdb*
/.motherlode.duckdb*
/control.db*
/cache/
/snapshots/
/session_logs/
/.sessions/
*.lock
"""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths and settings of one workspace."""

    root: Path
    settings: Settings
    given: Path = Path()  # the folder as the user named it, for messages

    @classmethod
    def at(cls, root: Path) -> Workspace:
        """The workspace in a folder; settings are the defaults where it has no etl.toml."""
        given, root = root, root.absolute()
        if root.exists() and not root.is_dir():
            raise SettingsError(f"{root} is a file; a workspace is a folder ('etl init DIR' makes one)")
        return cls(root, load(root / "etl.toml"), given)

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    @property
    def exports(self) -> Path:
        return self.root / "exports"

    @property
    def link_cache(self) -> Path:
        """What `etl link` keeps for the next batch; it may be deleted at any time."""
        return self.root / CACHE / "link"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    def store(self, *, write: bool = False, now: Callable[[], datetime] = utc_now) -> Store:
        """Open the workspace's store: its newest snapshot, or the live file for writing."""
        from etl.store import Store

        limits = self.settings.store
        return Store.open(
            self.root,
            write=write,
            wait_s=limits.wait_s,
            now=now,
            memory_limit=limits.memory_limit,
            threads=limits.threads,
        )

    def live(self) -> Store:
        """The store as it is now, for looking at it: opened as a writer does, so that an older one is brought up to
        date first; without a lock and without that in a folder that may not be written to."""
        from etl.store import Store

        if os.access(self.root, os.W_OK):
            return self.store(write=True)
        limits = self.settings.store
        return Store.open(
            self.root, live=True, wait_s=limits.wait_s, memory_limit=limits.memory_limit, threads=limits.threads
        )


def init(root: Path) -> list[str]:
    """Make a workspace; returns what was made. What is there already is left as it is."""
    if root.exists() and not root.is_dir():
        raise SettingsError(f"{root} is a file; give a folder")
    made = []
    for name in FOLDERS:
        if not (root / name).is_dir():
            (root / name).mkdir(parents=True)
            made.append(f"{name}/")
    settings = root / "etl.toml"
    if not settings.exists():
        settings.write_text(commented(), encoding="utf-8")
        made.append("etl.toml")
    ignored = root / ".gitignore"
    if not ignored.exists():
        ignored.write_text(IGNORED, encoding="utf-8")
        made.append(".gitignore")
    return made
