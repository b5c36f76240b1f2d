"""What happens in, lines of JSON below `session_logs/` out: a file a session, rotated by size, the oldest dropped.

A log that cannot be written says so once and is never the end of the work it tells of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from etl.progress import utc_now
from orchestration.secrets import BY_PATTERN, Redactor

FOLDER = "session_logs"
WORKSPACE = "workspace"  # what belongs to no session
TURNS = 3  # files a session may have, the newest without a number


class SessionLog:
    """The log of one workspace. Give `heard` to `Control.open`, so that every event of the books is in it."""

    def __init__(
        self,
        root: Path,
        *,
        redactor: Redactor = BY_PATTERN,
        now: Callable[[], datetime] = utc_now,
        keep: int = 200,
        max_mb: float = 5.0,
        say: Callable[[str], None] = print,
    ) -> None:
        self.folder = root / FOLDER
        self.redactor = redactor
        self.now = now
        self._keep = keep
        self._bytes = int(max_mb * 2**20)
        self._say = say
        self._mute = False

    def heard(self, event: Mapping[str, Any]) -> None:
        """One event of the control store, as it was committed."""
        self._write(event.get("session"), event)

    def write(self, what: str, *, session: str | None = None, **fields: Any) -> None:
        """One line of the loop's own: a retry, a step of a wrap, a band that changed."""
        at = self.now().isoformat(timespec="milliseconds")
        self._write(session, {"at": at, "event": what, "session": session, **fields})

    def _write(self, session: str | None, fields: Mapping[str, Any]) -> None:
        clean = self.redactor.clean_data({name: value for name, value in fields.items() if value is not None})
        line = json.dumps(clean, ensure_ascii=False, default=str) + "\n"
        file = self.folder / f"{session or WORKSPACE}.jsonl"
        try:
            self._make_room(file)
            with file.open("a", encoding="utf-8") as out:
                out.write(line)
        except OSError as error:
            if not self._mute:
                self._say(f"the log {file} cannot be written ({error.strerror}); the work goes on without it")
            self._mute = True
            return
        self._mute = False

    def _make_room(self, file: Path) -> None:
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._prune(file)
        elif file.stat().st_size >= self._bytes:
            for number in range(TURNS - 1, 0, -1):
                older = file.with_suffix(f".{number}.jsonl")
                newer = file.with_suffix(f".{number - 1}.jsonl") if number > 1 else file
                if newer.exists():
                    newer.replace(older)

    def _prune(self, coming: Path) -> None:
        """Session names carry their time, so they sort by age; those beyond `keep` go with their older turns."""
        names = sorted({path.name.partition(".")[0] for path in self.folder.glob("*.jsonl")} - {WORKSPACE})
        for name in names[: max(0, len(names) + 1 - self._keep)]:
            for path in self.folder.glob(f"{name}.*"):
                if path != coming:
                    path.unlink(missing_ok=True)


class NoLog(SessionLog):
    """A log that keeps nothing: for tests, forecasts, and work without a workspace."""

    def __init__(self) -> None:
        super().__init__(Path())

    def _write(self, session: str | None, fields: Mapping[str, Any]) -> None:
        pass
