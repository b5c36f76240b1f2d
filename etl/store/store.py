"""`Store`: reading through snapshots, writing in units that carry their own ledger row.

Writers take the lock for a unit and keep the connection for at most a second while nobody waits, so that many small
units do not pay for opening the file each time and a long encode between two units blocks nobody.
"""

from __future__ import annotations

import atexit
import errno
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import polars as pl

from etl.errors import DiskFullError, FencedOffError, NotFoundError, StoreDamagedError, StoreError
from etl.progress import utc_now
from etl.recipe import Recipe
from etl.store import ledger, migrate, snapshot
from etl.store.connection import MEMORY_LIMIT, ROW_GROUP, THREADS, Parameters, connect, query, registered, relation
from etl.store.lock import WriterLock

FILE = "motherlode.duckdb"
KEEP_OPEN_S = 1.0
_NO_ROOM = "No space left"  # DuckDB gives ENOSPC in errors of several types, a failed COMMIT among them
JANITOR_TICK_S = 0.05


_open: weakref.WeakSet[Store] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """A connection left open at exit makes DuckDB's bindings report leaks on stderr; a forgotten close is no leak."""
    for store in list(_open):
        store.close()


@dataclass(frozen=True, slots=True)
class Fence:
    """A task's fencing token; a unit commits only if no higher token has been seen."""

    task: str
    token: int


@dataclass(slots=True)
class Unit:
    """One open transaction. Fill `counts`; they go into the unit's ledger row."""

    con: duckdb.DuckDBPyConnection
    seq: int
    counts: dict[str, int] = field(default_factory=dict)

    def execute(self, sql: str, parameters: Parameters = (), **frames: pl.DataFrame) -> int:
        """Run one statement; `frames` are readable in it as tables. Returns the number of rows changed."""
        with registered(self.con, **frames):
            rows = self.con.execute(sql, parameters or None).fetchall()
        return int(rows[0][0]) if rows and len(rows[0]) == 1 and isinstance(rows[0][0], int) else 0

    def query(self, sql: str, parameters: Parameters = (), **frames: pl.DataFrame) -> pl.DataFrame:
        """The rows of a SELECT as a frame."""
        with registered(self.con, **frames):
            return query(self.con, sql, parameters)

    def insert(self, table: str, rows: pl.DataFrame) -> int:
        """Append a frame, matching columns by name."""
        if rows.is_empty():
            return 0
        names = [column[0] for column in self.con.execute(f"SELECT * FROM {table} LIMIT 0").description or []]
        if rows.height > ROW_GROUP and set(names) == set(rows.columns):
            # without a view, which DuckDB would remember, and its rows with it, until the commit
            relation(self.con, rows.select(names)).insert_into(table)
        else:
            self.execute(f"INSERT INTO {table} BY NAME SELECT * FROM new_rows", new_rows=rows)
        return rows.height


class Store:
    """The database of one workspace. `Store.open(path)` reads the newest snapshot, `write=True` writes.

    `:memory:` gives an empty store that needs no file, for tests and trials.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        write: bool,
        wait_s: float,
        now: Callable[[], datetime],
        memory_limit: str,
        threads: int,
    ) -> None:
        self._file = path
        self.write = write
        self.now = now
        self.fence: Fence | None = None
        self.snapshot: snapshot.Snapshot | None = None
        self._wait_s = wait_s
        self._limits = {"memory_limit": memory_limit, "threads": threads}
        self._con: duckdb.DuckDBPyConnection | None = None
        self._guard = threading.RLock()
        self._busy = 0
        self._janitor: threading.Thread | None = None
        self._lock = None if path is None else WriterLock(path)
        _open.add(self)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        write: bool = False,
        live: bool = False,
        wait_s: float = 30.0,
        now: Callable[[], datetime] = utc_now,
        memory_limit: str = MEMORY_LIMIT,
        threads: int = THREADS,
    ) -> Self:
        """Open a store: `path` is its file, the workspace folder that holds it, or ':memory:'.

        Reading takes the newest snapshot (`store.snapshot` names it); where none was made yet, or with `live`, each
        query looks at the live file under the lock and lets go again; without a lock where nobody could write one, in a
        folder that is read-only. Raises `NotFoundError` where there is nothing to read.
        """
        if str(path) == ":memory:":
            store = cls(None, write=True, wait_s=wait_s, now=now, memory_limit=memory_limit, threads=threads)
            store._con = connect(None, memory_limit=memory_limit, threads=threads)
            migrate.create(store._con, at=now())
            return store
        file = Path(path).absolute()
        file = file if file.suffix == ".duckdb" else file / FILE
        store = cls(file, write=write, wait_s=wait_s, now=now, memory_limit=memory_limit, threads=threads)
        if write:
            file.parent.mkdir(parents=True, exist_ok=True)
            with store._connected():
                pass
            return store
        store.snapshot = None if live else next(iter(snapshot.listed(store.snapshots)), None)
        if store.snapshot is not None:
            store._con = connect(store.snapshot.path, read_only=True, **store._limits)  # type: ignore[arg-type]  # ints and strs by name
        elif not file.exists():
            raise NotFoundError(f"no store at {file}: 'etl run' makes one")
        return store

    @classmethod
    def damaged(cls, path: Path, *, wait_s: float = 30.0, now: Callable[[], datetime] = utc_now) -> Self:
        """A store that need not open, so that a snapshot can be restored in its place."""
        return cls(path.absolute(), write=True, wait_s=wait_s, now=now, memory_limit=MEMORY_LIMIT, threads=THREADS)

    @property
    def path(self) -> Path:
        """The database file. Never open it as a file: that drops DuckDB's lock."""
        if self._file is None:
            raise StoreError("a store in memory has no file, so no snapshots either")
        return self._file

    @property
    def snapshots(self) -> Path:
        """The folder of snapshots beside the store."""
        return self.path.parent / "snapshots"

    @property
    def mark(self) -> Path:
        """The high-water mark beside the store."""
        return self.path.with_name(self.path.name + ".mark")

    def query(self, sql: str, parameters: Parameters = (), **frames: pl.DataFrame) -> pl.DataFrame:
        """The rows of a SELECT as a polars frame; `frames` are readable in it as tables."""
        with self._connected() as con, registered(con, **frames):
            return query(con, sql, parameters)

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """The rows of a small SELECT as plain values: without a frame it takes half the time, a millisecond or two."""
        with self._connected() as con:
            return con.execute(sql, parameters or None).fetchall()

    def value(self, sql: str, parameters: Parameters = ()) -> int:
        """The one whole number of a SELECT; 0 for NULL."""
        ((number,),) = self.rows(sql, parameters)
        return int(number or 0)

    @contextmanager
    def unit(self, job: str, unit: str, *, recipe: Recipe | None = None) -> Iterator[Unit]:
        """One transaction with its ledger row: all of it is committed, or nothing of it.

        Any exception rolls back and goes on to the caller. Prepare everything before; inside, only SQL.
        """
        if not self.write:
            raise StoreError("this store was opened for reading; open it with write=True")
        with self._connected() as con:
            con.execute("BEGIN")
            try:
                self._check_fence(con)
                open_unit = Unit(con, ledger.last(con).seq + 1)
                yield open_unit
                entry = ledger.append(con, job=job, unit=unit, recipe=recipe, counts=open_unit.counts, at=self.now())
                if self.fence is not None:
                    con.execute("INSERT INTO unit_tokens VALUES (?, ?, ?)", [entry.seq, *astuple(self.fence)])
                con.execute("COMMIT")
            except BaseException as error:
                self._roll_back(con, error)
                raise
            ledger.confirm(con, entry)
            if self._file is not None:
                ledger.write_mark(self.mark, ledger.Mark(entry.seq, entry.digest))

    @property
    def version(self) -> int:
        """The schema version; a snapshot may be older than this code."""
        return self.value("SELECT max(version) FROM schema_version")

    def last_seq(self, *jobs: str) -> int:
        """The newest ledger row of any of these jobs; 0 where none ran."""
        wanted = pl.DataFrame({"job": list(jobs)}, schema={"job": pl.String})
        return int(
            self.query("SELECT max(seq) AS seq FROM ledger SEMI JOIN wanted USING (job)", wanted=wanted).item() or 0
        )

    def last_recipe(self, job: str) -> tuple[int, int, Mapping[str, object], str] | None:
        """(seq, code version, parameters, digest) of a job's newest unit with a recipe of its name, or None."""
        import json

        rows = self.query(
            """
            SELECT l.seq, r.version, r.parameters, l.recipe
            FROM ledger l JOIN recipes r USING (recipe)
            WHERE l.job = ? AND r.name = ? ORDER BY l.seq DESC LIMIT 1
            """,
            [job, job],
        ).rows()
        return None if not rows else (rows[0][0], rows[0][1], json.loads(rows[0][2]), rows[0][3])

    @contextmanager
    def exclusive(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The live connection outside a transaction, for snapshots and checks."""
        with self._connected() as con:
            yield con

    @contextmanager
    def closed_exclusively(self) -> Iterator[None]:
        """Hold the lock with the file closed, for replacing it."""
        with self._guard:
            self._let_go()
            if self._lock is None:
                raise StoreError("a store in memory has no file to replace")
            self._lock.acquire(wait_s=self._wait_s)
            try:
                yield
            finally:
                self._lock.release()

    def close(self) -> None:
        """Let go of file and lock. A store on disk opens again by itself when it is used; one in memory is gone."""
        with self._guard:
            self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._guard:
            try:
                if self._con is None:
                    self._con = self._take()
                self._busy += 1
                try:
                    yield self._con
                finally:
                    self._busy -= 1
                    if self._lock is not None and self.snapshot is None and self._busy == 0:
                        self._maybe_let_go()
            except (RuntimeError, duckdb.Error) as error:
                if "nterrupted" in str(error):  # DuckDB makes an error of its own of a Ctrl-C inside a query
                    raise KeyboardInterrupt from error
                raise

    def _take(self) -> duckdb.DuckDBPyConnection:
        if self.snapshot is not None:
            return connect(self.snapshot.path, read_only=True, **self._limits)  # type: ignore[arg-type]  # ints and strs by name
        if self._lock is None:
            raise StoreError("this store in memory was closed")
        self._acquire(self._lock)
        try:
            mark = ledger.read_mark(self.mark)
            if not self.path.exists():
                self._create(mark)
            folders = [self.path.parent]
            con = connect(self.path, read_only=not self.write, folders=folders, **self._limits)  # type: ignore[arg-type]  # ints and strs by name
            try:
                ledger.check_mark(con, mark, self.path)
                if self.write:
                    migrate.migrate(con, at=self.now(), snapshot_first=lambda: self._snapshot_before_migration(con))
            except BaseException:
                con.close()
                raise
        except BaseException as error:
            self._lock.release()
            if isinstance(error, duckdb.IOException):
                raise _translated(error, self.path) from error
            raise
        return con

    def _acquire(self, lock: WriterLock) -> None:
        try:
            lock.acquire(wait_s=self._wait_s)
        except OSError as error:
            if self.write or error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise

    def _create(self, mark: ledger.Mark) -> None:
        if mark.seq:
            raise StoreDamagedError(
                f"{self.path} is gone, but {mark.seq} units were committed to it. Restore a snapshot with "
                f"'etl snapshot restore', or delete {self.mark.name} to start empty."
            )
        if not self.write:
            raise NotFoundError(f"no store at {self.path}: 'etl run' makes one")
        # a kill or a full disk in the first writes leaves a file that never opens again: build aside, then rename
        temporary = self.path.with_name(f".{self.path.name}.new")
        temporary.unlink(missing_ok=True)
        con = connect(temporary)
        try:
            migrate.create(con, at=self.now())
        finally:
            con.close()
        temporary.replace(self.path)

    def _snapshot_before_migration(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con, self._busy = con, self._busy + 1
        try:
            snapshot.create(self, keep=True)
        finally:
            self._con, self._busy = None, self._busy - 1

    def _check_fence(self, con: duckdb.DuckDBPyConnection) -> None:
        if self.fence is None:
            return
        seen = con.execute("SELECT token FROM fences WHERE task = ?", [self.fence.task]).fetchall()
        if seen and seen[0][0] > self.fence.token:
            raise FencedOffError(
                f"task {self.fence.task} was taken over (token {seen[0][0]} > {self.fence.token}); stopping"
            )
        con.execute("INSERT OR REPLACE INTO fences VALUES (?, ?)", [self.fence.task, self.fence.token])

    def _roll_back(self, con: duckdb.DuckDBPyConnection, error: BaseException) -> None:
        try:
            con.execute("ROLLBACK")
        except duckdb.Error:  # the connection itself is gone (disk full, fatal error): the next unit opens a new one
            if self._file is not None:
                self._busy, busy = 0, self._busy
                self._let_go()
                self._busy = busy
        if isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException) or (
            isinstance(error, duckdb.Error) and _NO_ROOM in str(error)
        ):
            raise _translated(error, self._file) from error

    def _maybe_let_go(self) -> None:
        if self._lock is None:
            return
        if not self.write or self._lock.wanted() or self._lock.held_s >= KEEP_OPEN_S:
            self._let_go()
        elif self._janitor is None or not self._janitor.is_alive():
            self._janitor = threading.Thread(target=self._watch, daemon=True, name="store-janitor")
            self._janitor.start()

    def _watch(self) -> None:
        while True:
            time.sleep(JANITOR_TICK_S)
            with self._guard:
                if self._con is None or self._lock is None:
                    return
                if self._lock.wanted() or self._lock.held_s >= KEEP_OPEN_S:
                    self._let_go()
                    return

    def _let_go(self) -> None:
        if self._con is not None:
            con, self._con = self._con, None
            try:
                con.close()
            finally:
                if self._lock is not None and self.snapshot is None:
                    self._lock.release()


def _translated(error: duckdb.Error, path: Path | None) -> StoreError:
    text = str(error)
    if _NO_ROOM in text or "could not write" in text.lower() or "Out of Memory" in text:
        return DiskFullError(f"no room for {path}: {text.splitlines()[0]}")
    return StoreError(f"{path} cannot be used: {text.splitlines()[0]}")
