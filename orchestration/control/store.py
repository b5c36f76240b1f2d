"""`Control`: the open control store. Rows and short transactions go in, rows come out; no policy lives here."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from etl.errors import DiskFullError, StoreDamagedError, StoreError, StoreLockedError
from etl.progress import utc_now
from orchestration.control.migrate import migrate
from orchestration.secrets import BY_PATTERN, Redactor

FILE = "control.db"
WAIT_S = 30.0

Row = sqlite3.Row
Parameters = Sequence[Any] | Mapping[str, Any]
Heard = Callable[[Mapping[str, Any]], None]


class Control:
    """The control store of one workspace. `Control.open(folder)`; `Control.open(":memory:")` for tests and forecasts.

    One instance may be used from several threads: each transaction holds a lock of this instance.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        root: Path,
        now: Callable[[], datetime],
        wait_s: float,
        redactor: Redactor = BY_PATTERN,
        heard: Heard | None = None,
    ) -> None:
        self.redactor = redactor
        self.heard = heard
        self._untold: list[dict[str, Any]] = []
        self.path = path
        self.root = root
        self.now = now
        self.wait_s = wait_s
        self._guard = threading.RLock()
        self._owner: int | None = None  # the thread whose transaction is open
        self._con = self._connect()

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        now: Callable[[], datetime] = utc_now,
        wait_s: float = WAIT_S,
        root: Path | None = None,
        redactor: Redactor = BY_PATTERN,
        heard: Heard | None = None,
    ) -> Self:
        """Open or make the control store: `path` is its file, the workspace folder that holds it, or ':memory:'.

        `now` is the only clock that anything in the control plane reads. `root` is the folder that inputs of tasks are
        looked for in; unset: the one that holds the file. `redactor` takes the secrets out of what is remembered;
        `heard` is told of each event once it is committed, for a log. Raises `StoreLockedError`, `StoreDamagedError`,
        `StoreVersionError`.
        """
        if str(path) == ":memory:":
            return cls(None, root=root or Path(), now=now, wait_s=wait_s, redactor=redactor, heard=heard)
        file = Path(path).absolute()
        file = file if file.suffix == ".db" else file / FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        return cls(file, root=root or file.parent, now=now, wait_s=wait_s, redactor=redactor, heard=heard)

    def stamp(self) -> str:
        """The present time as it is stored."""
        return stamp(self.now())

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """The rows of a SELECT; inside a transaction it sees what that wrote."""
        with self._guard:
            try:
                return self._con.execute(sql, parameters).fetchall()
            except sqlite3.DatabaseError as error:
                raise _translated(error, self.path, self.wait_s) from error

    def value(self, sql: str, parameters: Parameters = ()) -> Any:
        """The first value of a SELECT, None where it has no row."""
        found = self.rows(sql, parameters)
        return found[0][0] if found else None

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """One writing transaction; nested ones join it. Keep it short: nothing slow, no files, no network inside."""
        if self._con.in_transaction and self._owner == threading.get_ident():
            return nullcontext(self._con)
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self.redactor.ready()
        with self._guard, self._translating():
            self._owner = threading.get_ident()  # before the transaction is there, so that no other thread joins it
            self._con.execute("BEGIN IMMEDIATE")
            self._untold.clear()
            try:
                yield self._con
            except BaseException:
                if self._con.in_transaction:  # a full disk has rolled back by itself
                    self._con.execute("ROLLBACK")
                raise
            self._con.execute("COMMIT")
            told, self._untold = self._untold, []
        for event in told if self.heard is not None else ():
            self.heard(event)  # type: ignore[misc]  # looked at in the line above

    def event(
        self,
        event: str,
        task: str | None = None,
        *,
        actor: str | None = None,
        session: str | None = None,
        at: datetime | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Append to the history; returns the event's id. `at` is for what is known to have happened before."""
        told = self.redactor.clean_data(dict(detail or {}))
        when = stamp(at or self.now())
        with self.transaction() as con:
            cursor = con.execute(
                "INSERT INTO task_events (task, at, event, actor, session, detail) VALUES (?, ?, ?, ?, ?, ?)",
                (task, when, event, actor, session, json.dumps(told, ensure_ascii=False, default=str)),
            )
            known = {"at": when, "event": event, "session": session, "task": task, "actor": actor}
            self._untold.append(known | {name: value for name, value in told.items() if name not in known})
            return int(cursor.lastrowid or 0)

    def events(
        self,
        task: str | None = None,
        *,
        event: str | None = None,
        session: str | None = None,
        after: int = 0,
        newest: int | None = None,
    ) -> list[dict[str, Any]]:
        """The history, oldest first: of one task, of one kind of event, of one session, since an id; the newest few."""
        known = {"task": task, "event": event, "session": session}
        where = [f"{name} = :{name}" for name, value in known.items() if value is not None]
        order = "DESC LIMIT :newest" if newest is not None else ""
        found = self.rows(
            f"""
            SELECT id, task, at, event, actor, session, detail FROM task_events
            WHERE {" AND ".join([*where, "id > :after"])} ORDER BY id {order}
            """,
            {**known, "after": after, "newest": newest},
        )
        told = [dict(row) | {"detail": json.loads(row["detail"])} for row in found]
        return told if newest is None else told[::-1]

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._guard:
            self._con.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self) -> sqlite3.Connection:
        name = ":memory:" if self.path is None else str(self.path)
        with self._translating():
            # autocommit: transactions are begun and ended by `transaction` alone
            con = sqlite3.connect(name, timeout=self.wait_s, isolation_level=None, check_same_thread=False)
            con.row_factory = sqlite3.Row
            try:
                self._set_up(con)
            except BaseException:
                con.close()
                raise
        return con

    def _set_up(self, con: sqlite3.Connection) -> None:
        deadline = time.monotonic() + self.wait_s
        while self.path is not None:
            try:
                con.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:  # the busy timeout does not cover the change of mode
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        # NORMAL: every commit survives a kill; a power cut may take the last ones, never the file. FULL was measured
        # several times slower, and what work was done stands in the store's own ledger
        con.execute("PRAGMA synchronous = NORMAL")
        con.execute("PRAGMA foreign_keys = ON")
        migrate(con, path=self.path)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise _translated(error, self.path, self.wait_s) from error


def stamp(at: datetime) -> str:
    """A time as it is stored: UTC, fixed width."""
    return f"{at.astimezone(UTC).isoformat(timespec='microseconds')[:-6]}Z"


def moment(text: str) -> datetime:
    """A stored time as an aware datetime."""
    return datetime.fromisoformat(text)


def _no_room(path: Path | None) -> bool:
    """SQLite calls it an I/O error when there is no room for its shared memory."""
    return path is not None and shutil.disk_usage(path.parent).free < 2**20


def _translated(error: sqlite3.DatabaseError, path: Path | None, wait_s: float) -> Exception:
    text = str(error)
    if "locked" in text or "busy" in text:
        return StoreLockedError(f"{path} was held by other processes for {wait_s:.0f} s; run this again")
    if "full" in text or ("I/O error" in text and _no_room(path)):
        return DiskFullError(f"no room for {path}: make some and run this again")
    if "readonly" in text or "unable to open" in text or "I/O error" in text:
        return StoreError(f"{path} cannot be written ({text}): check its folder's rights")
    if "not a database" in text or "malformed" in text:
        return StoreDamagedError(
            f"{path} is damaged ({text}): move it away; work done is in the store, tasks can be imported again"
        )
    return error
