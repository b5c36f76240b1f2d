"""What a killed driver left behind, in; books that say what the ledger says, and nothing held by the dead, out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from etl.errors import FencedOffError, NotFoundError
from etl.progress import Progress
from orchestration.control import Claim, Control, claims, holding, sessions
from orchestration.control.sessions import DIED, WRAPPING, Session
from orchestration.control.standing import notice
from orchestration.control.store import Row as ControlRow
from orchestration.control.store import stamp
from orchestration.control.task import COMPLETED, SKIPPED, Task, fetch
from orchestration.session.handoff import UNIT_LOST
from orchestration.session.handoff import write as write_handoff
from orchestration.session.start import claim_of
from orchestration.session.works import SIGHTING, Row, Works
from orchestration.session.wrap import Wrapping, record, snapshot, wrap

FOLDER = ".sessions"
LONG_AGO = "2000-01-01T00:00:00.000000Z"
# units booked and not taken back by a restore; those of the first version carry neither digest nor items
_BOOKED = f"""
SELECT * FROM (
    SELECT id, task, session, at, json_extract(detail, '$.seq') AS seq, json_extract(detail, '$.job') AS job,
           json_extract(detail, '$.counts') AS counts, coalesce(json_extract(detail, '$.items'), 0) AS items,
           coalesce(json_extract(detail, '$.digest'), '') AS digest
    FROM task_events WHERE event = 'unit'
    AND id NOT IN (SELECT json_extract(detail, '$.of') FROM task_events WHERE event = '{UNIT_LOST}')
) WHERE true
"""


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
    withdraw(control, works)
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
        wrap(replace(wrapping, name=session.name))
        return
    with control.transaction() as con:
        con.execute(
            "UPDATE leases SET heartbeat = ? WHERE task = ? AND token = ? AND lease_s IS NOT NULL",
            (LONG_AGO, claim.task, claim.token),
        )
        sessions.update(control, session.name, state=DIED, journal={"ending": {"why": "its process died"}})
    write_handoff(control, session.name, root=control.root)
    works.close()
    mine = replace(wrapping, name=session.name)
    snapshot(mine)
    record(mine, "recovered, its process died", mark=f"Motherlode-Recovered: {session.name}")


def rebuild(control: Control, works: Works, claim: Claim, session: Session) -> int:
    """Book the units of a session that the ledger has and the books have not; returns how many."""
    after = session.journal.get("seq")
    if after is None or not continues(works, after, session.journal.get("digest", "")):
        return 0
    task = fetch(control, claim.task)
    rows = works.rows(task, after)
    with control.transaction():
        known = booked(control, after)
        lost = [row for row in rows if not known.has(row)]
        if lost:
            book_rows(control, claim, lost, left=None)
    return len(lost)


def book(control: Control, works: Works, claim: Claim, progress: Progress, after: int) -> int:
    """Book the unit that a job just yielded; returns the newest row of the ledger that is booked now.

    Its row is the first of that job which nobody has booked; where another driver runs the same job at the same time,
    the one that has the unit's name or its figures.
    """
    task = fetch(control, claim.task)
    rows = works.rows(task, after)
    if not rows and 0 < (newest := works.mark()) <= after:  # a snapshot was restored: numbers came again
        after = newest - 1
        rows = works.rows(task, after)
    left = max(0, progress.total - progress.done)
    with control.transaction():
        known = booked(control, after)
        mine = [row for row in rows if not known.has(row) and row.job in (progress.job, SIGHTING)]
        like = [row for row in mine if progress.unit.startswith(row.unit) or row.counts == dict(progress.counts)]
        row = next(iter(like or mine), None)
        if row is not None:
            book_rows(control, claim, [row], left=left)
            return row.seq
        # a unit without a row of its own: a snapshot, a command
        entry = Entry(None, progress.job, progress.unit, progress.counts, 1, "")
        _book(control, claim, fetch(control, claim.task), [entry], left)
        return after


def book_rows(control: Control, claim: Claim, rows: Sequence[Row], *, left: int | None) -> None:
    """Inside a transaction: progress and one event a row."""
    entries = [Entry(row.seq, row.job, row.unit, row.counts, row.items, row.digest) for row in rows]
    _book(control, claim, fetch(control, claim.task), entries, left)


def continues(works: Works, seq: int, digest: str) -> bool:
    """Whether the ledger still holds what stood there: a restored snapshot may have taken it back."""
    return seq == 0 or not digest or works.digests([seq]).get(seq) == digest


@dataclass(frozen=True, slots=True)
class Entry:
    """One unit as the books keep it."""

    seq: int | None
    job: str
    unit: str
    counts: Mapping[str, int]
    items: int
    digest: str


@dataclass(frozen=True, slots=True)
class Booked:
    """Rows of the ledger that some session has booked; those of the first version are known by number alone."""

    digests: Mapping[int, Collection[str]]

    def has(self, row: Row) -> bool:
        """Whether this very row is booked."""
        return any(digest in ("", row.digest) for digest in self.digests.get(row.seq, ()))


def booked(control: Control, after: int) -> Booked:
    """The rows of the ledger after one that any session has booked and no restored snapshot took back."""
    found: dict[int, list[str]] = {}
    for row in control.rows(f"{_BOOKED} AND seq > ?", (after,)):
        found.setdefault(row["seq"], []).append(row["digest"])
    return Booked(found)


def withdraw(control: Control, works: Works) -> int:
    """Take back from the books what a restored snapshot took from the ledger; returns how many units.

    A digest covers all rows before it, so the highest booked row tells whether there is anything to look for.
    """
    highest = control.rows(f"{_BOOKED} AND digest <> '' ORDER BY seq DESC, id DESC LIMIT 1")
    if not highest or works.digests([highest[0]["seq"]]).get(highest[0]["seq"]) == highest[0]["digest"]:
        return 0
    rows = control.rows(f"{_BOOKED} AND digest <> ''")
    there = works.digests([row["seq"] for row in rows])
    lost = [row for row in rows if there.get(row["seq"]) != row["digest"]]
    with control.transaction():
        for name in sorted({row["task"] for row in lost}):
            _take_back(control, name, [row for row in lost if row["task"] == name])
    return len(lost)


def _take_back(control: Control, name: str, lost: Sequence[ControlRow]) -> None:
    """Inside a transaction: units of a task are gone from the ledger, so they are pending again."""
    for row in lost:
        control.event(UNIT_LOST, name, session=row["session"], detail={"of": row["id"], "seq": row["seq"]})
    what = f"a restored snapshot took back {len(lost):,} booked units of task {name}"
    try:
        task = fetch(control, name)
    except NotFoundError:  # removed since
        return
    if task.status in (COMPLETED, SKIPPED):
        notice(control, f"{what}, which is {task.status}; 'etl run' does that work again", task=name)
        return
    this_round = [row for row in lost if task.started is not None and row["at"] >= stamp(task.started)]
    with control.transaction() as con:
        con.execute(
            "UPDATE tasks SET done = max(0, done - ?), units = max(0, units - ?) WHERE task = ?",
            (sum(row["items"] for row in this_round), len(this_round), name),
        )
    notice(control, f"{what}; they are done again", task=name)


def had(control: Control, task: Task) -> dict[str, Counter[str]]:
    """What a task's present round has done by its booked units: the sums of the counts of each job."""
    sums: dict[str, Counter[str]] = {}
    since = "" if task.started is None else stamp(task.started)
    for row in control.rows(f"{_BOOKED} AND task = ? AND at >= ?", (task.name, since)):
        sums.setdefault(row["job"], Counter()).update(json.loads(row["counts"]))
    return sums


def _book(
    control: Control,
    claim: Claim,
    task: Task,
    entries: Sequence[Entry],
    left: int | None,
) -> None:
    done = task.done + sum(entry.items for entry in entries)
    total = max(done, task.total or 0) if left is None else done + left
    holding.progress(control, claim, done=done, total=total, units=len(entries))
    for entry in entries:
        detail = asdict(entry) | {"counts": dict(entry.counts)}
        control.event("unit", claim.task, actor=claim.holder, session=claim.session, detail=detail)
