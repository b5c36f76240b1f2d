"""A workspace in; a writable copy of its store out, in a folder outside it, so that a trial changes no byte of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from etl.progress import utc_now
from etl.store import ledger, snapshot
from etl.store.connection import MEMORY_LIMIT, THREADS, connect
from etl.store.lock import WriterLock
from etl.store.store import FILE, Store


@contextmanager
def trial(
    root: Path,
    *,
    wait_s: float = 30.0,
    now: Callable[[], datetime] = utc_now,
    memory_limit: str = MEMORY_LIMIT,
    threads: int = THREADS,
) -> Iterator[Store]:
    """The workspace's present store, copied to the system's folder for temporary files; an empty one where there is
    none. The newest snapshot is copied where nothing was committed since; else the live file, read-only under the
    writer's lock. The copy is gone afterwards.
    """
    live = root.absolute() / FILE
    with tempfile.TemporaryDirectory(prefix="etl-trial-") as folder:
        target = Path(folder) / FILE
        if live.exists():
            _copy(live, target, wait_s=wait_s)
        with Store.open(
            target, write=True, wait_s=wait_s, now=now, memory_limit=memory_limit, threads=threads
        ) as store:
            yield store


def _copy(live: Path, target: Path, *, wait_s: float) -> None:
    mark = ledger.read_mark(live.with_name(f"{live.name}.mark"))
    newest = next(iter(snapshot.listed(live.parent / "snapshots")), None)
    if newest is not None and (newest.seq, newest.digest) == (mark.seq, mark.digest):
        shutil.copyfile(newest.path, target)
        return
    lock = WriterLock(live)
    lock.acquire(wait_s=wait_s)
    try:
        con = connect(live, read_only=True, folders=[live.parent, target.parent])
        try:
            snapshot.copy(con, target)
        finally:
            con.close()
    finally:
        lock.release()
