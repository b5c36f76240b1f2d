"""What a killed driver left behind, in; books that say what the ledger says, and nothing held by the dead, out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from etl.errors import FencedOffError, NotFoundError
from etl.progress import Progress
from orchestration.control import Claim, Control, claims, holding, sessions
from orchestration.control.sessions import DIED, WRAPPING, Session
from orchestration.control.store import stamp
from orchestration.control.task import Task, fetch
from orchestration.session.handoff import write as write_handoff
from orchestration.session.start import claim_of
from orchestration.session.works import SIGHTING, Row, Works
from orchestration.session.wrap import Wrapping, wrap

FOLDER = ".sessions"
LONG_AGO = "2000-01-01T00:00:00.000000Z"


@contextmanager
def alive(root: Path, session: str) -> Iterator[None]:
    """Be seen to live for as long as the block runs: the system drops the lock with the process, however it ends."""
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / f"{session}.lock", thread_local=False)
    with lock.acquire(timeout=0):
        yield
    with suppress(OSError):
        (folder / f"{session}.lock").unlink()


def recover(control: Control, works: Works, wrapping: Wrapping) -> list[str]:
    """Release what died; returns the sessions that were mended. `wrapping` is the pattern for their wraps.

    Units that were committed and not booked are booked from the ledger. A wrap cut short goes on with its next step, an
    open session is closed as died, and its task can be claimed at once.
    """
    claims.seed_tokens(control, works.tokens())
    mended = []
    for row in control.rows(
        "SELECT session FROM sessions WHERE mode = 'driven' AND state IN ('open', 'wrapping') ORDER BY started"
    ):
        name = row["session"]
        try:
            with alive(control.root, name):
                session = sessions.get(control, name)
                if session.state in (sessions.OPEN, WRAPPING):
                    _mend(control, works, wrapping, session)
                    mended.append(name)
        except Timeout:  # its driver lives
            continue
    return mended


def _mend(control: Control, works: Works, wrapping: Wrapping, session: Session) -> None:
    claim = claim_of(control, session)
    with suppress(FencedOffError, NotFoundError):  # taken over, or the task is gone: theirs to book
        rebuild(control, works, claim, session)
    if session.state == WRAPPING or "ending" in session.journal:
        works.close()
        wrap(Wrapping(control, wrapping.workspace, session.name, works.query, works.missing, wrapping.sleep))
        return
    with control.transaction() as con:
        con.execute(
            "UPDATE leases SET heartbeat = ? WHERE task = ? AND token = ? AND lease_s IS NOT NULL",
            (LONG_AGO, claim.task, claim.token),
        )
        sessions.update(control, session.name, state=DIED, journal={"ending": {"why": "its process died"}})
    write_handoff(control, session.name, root=control.root)


def rebuild(control: Control, works: Works, claim: Claim, session: Session) -> int:
    """Book the units of a session that the ledger has and the books have not; returns how many."""
    if "seq" not in session.journal:
        return 0
    task = fetch(control, claim.task)
    rows = works.rows(task, session.journal["seq"])
    with control.transaction():
        known = booked(control, session.journal["seq"])
        lost = [row for row in rows if row.seq not in known]
        if lost:
            book_rows(control, claim, lost, left=None)
    return len(lost)


def book(control: Control, works: Works, claim: Claim, progress: Progress, after: int) -> int:
    """Book the unit that a job just yielded; returns the newest row of the ledger that is booked now.

    Its row is the first of that job which nobody has booked; where another driver runs the same job at the same time,
    the one that has the unit's name or its figures.
    """
    rows = works.rows(fetch(control, claim.task), after)
    left = max(0, progress.total - progress.done)
    with control.transaction():
        known = booked(control, after)
        mine = [row for row in rows if row.seq not in known and row.job in (progress.job, SIGHTING)]
        like = [row for row in mine if progress.unit.startswith(row.unit) or row.counts == dict(progress.counts)]
        row = next(iter(like or mine), None)
        if row is not None:
            book_rows(control, claim, [row], left=left)
            return row.seq
        # a unit without a row of its own: a snapshot, a command
        entry = (None, progress.job, progress.unit, progress.counts, 1)
        _book(control, claim, fetch(control, claim.task), [entry], left)
        return after


def book_rows(control: Control, claim: Claim, rows: Sequence[Row], *, left: int | None) -> None:
    """Inside a transaction: progress and one event a row."""
    entries = [(row.seq, row.job, row.unit, row.counts, row.items) for row in rows]
    _book(control, claim, fetch(control, claim.task), entries, left)


def booked(control: Control, after: int) -> set[int]:
    """The rows of the ledger after one that any session has booked."""
    found = control.rows(
        """
        SELECT json_extract(detail, '$.seq') AS seq FROM task_events
        WHERE event = 'unit' AND json_extract(detail, '$.seq') > ?
        """,
        (after,),
    )
    return {row["seq"] for row in found}


def had(control: Control, task: Task) -> dict[str, Counter[str]]:
    """What a task's present round has done by its booked units: the sums of the counts of each job."""
    sums: dict[str, Counter[str]] = {}
    since = "" if task.started is None else stamp(task.started)
    for row in control.rows(
        "SELECT detail FROM task_events WHERE task = ? AND event = 'unit' AND at >= ?", (task.name, since)
    ):
        detail = json.loads(row["detail"])
        sums.setdefault(detail["job"], Counter()).update(detail["counts"])
    return sums


def _book(
    control: Control,
    claim: Claim,
    task: Task,
    entries: Sequence[tuple[int | None, str, str, Mapping[str, int], int]],
    left: int | None,
) -> None:
    done = task.done + sum(entry[4] for entry in entries)
    total = max(done, task.total or 0) if left is None else done + left
    holding.progress(control, claim, done=done, total=total, units=len(entries))
    for seq, job, unit, counts, _ in entries:
        detail = {"seq": seq, "job": job, "unit": unit, "counts": dict(counts)}
        control.event("unit", claim.task, actor=claim.holder, session=claim.session, detail=detail)
