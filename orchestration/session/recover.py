"""What a killed driver left behind, in; books that say what the ledger says, and nothing held by the dead, out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from etl.errors import NotFoundError
from etl.progress import Progress
from orchestration.control import Claim, Control, claims, holding, sessions
from orchestration.control.sessions import DIED, WRAPPED, WRAPPING, Session
from orchestration.control.standing import notice
from orchestration.control.store import Row as ControlRow
from orchestration.control.store import stamp
from orchestration.control.task import COMPLETED, SKIPPED, Task, fetch
from orchestration.session.handoff import UNIT_LOST
from orchestration.session.handoff import write as write_handoff
from orchestration.session.start import claim_of
from orchestration.session.works import SIGHTING, Row, Works
from orchestration.session.wrap import UNPUBLISHED, Wrapping, record, snapshot, unpublished, wrap

FOLDER = ".sessions"
NEWEST = 50  # booked rows to look at for the highest: one that was booked late is not the newest
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
        f"""
        SELECT session FROM sessions
        WHERE mode = 'driven' AND (state IN ('open', 'wrapping') OR {UNPUBLISHED}) ORDER BY started
        """
    ):
        name = row["session"]
        try:
            with alive(control.root, name):
                session = sessions.get(control, name)
                if session.state in (sessions.OPEN, WRAPPING) or unpublished(session):
                    _mend(control, works, wrapping, session)
                    mended.append(name)
        except Timeout:  # its driver lives
            continue
    settle(control, works)
    return mended


def _mend(control: Control, works: Works, wrapping: Wrapping, session: Session) -> None:
    claim = claim_of(control, session)
    settle(control, works, session=session)
    if session.state in (WRAPPING, WRAPPED) or "ending" in session.journal:
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


def settle(control: Control, works: Works, *, task: str | None = None, session: Session | None = None) -> int:
    """Book the units that the ledger has and the books have not, to the session under whose token each was committed;
    returns how many. Whoever holds that task now, and however the session ended.

    Of one task: for its new holder, whom no other holder can follow unseen. Of one session: for who wraps it. Of all:
    those of sessions that are over.
    """
    rows = works.owned(task if session is None else session.task)
    with control.transaction():
        known = booked(control, 0, task=task if session is None else session.task) if rows else Booked({})
        lost: dict[tuple[str | None, int | None], list[Row]] = {}
        for row in rows:
            if not known.has(row) and (session is None or row.token == session.token):
                lost.setdefault((row.task, row.token), []).append(row)
        done = 0
        for (name, token), theirs in lost.items():
            found = control.rows("SELECT session, state FROM sessions WHERE task = ? AND token = ?", (name, token))
            if found and (task or session or found[0]["state"] not in (sessions.OPEN, WRAPPING)):
                _book_late(control, sessions.get(control, found[0]["session"]), theirs)
                done += len(theirs)
    return done


def _book_late(control: Control, session: Session, rows: Sequence[Row]) -> None:
    """Inside a transaction: units of a session that lost its claim, or its voice. The task has them, if its round is
    still the one that the session worked on."""
    claimed = [
        event["at"] for event in control.events(session.task, event="claimed") if event["session"] == session.name
    ]
    items = sum(row.items for row in rows)
    with control.transaction() as con:
        con.execute(
            """
            UPDATE tasks SET done = done + :items, units = units + :units, attempts = min(attempts, 1),
                             total = CASE WHEN done + :items > total THEN done + :items ELSE total END
            WHERE task = :task AND started <= :at AND status NOT IN ('completed', 'skipped')
            """,
            {"items": items, "units": len(rows), "task": session.task, "at": max(claimed, default="")},
        )
    for row in rows:
        detail = asdict(Entry(row.seq, row.job, row.unit, dict(row.counts), row.items, row.digest))
        control.event("unit", session.task, session=session.name, detail=detail)
    if "state" in (steps := session.journal.get("wrap", {})):  # its handoff tells of them too
        kept = steps["state"]
        kept["progress"]["done"] += items
        sessions.update(control, session.name, journal={"wrap": {**steps, "state": kept}})
    if session.state not in (sessions.OPEN, WRAPPING):
        write_handoff(control, session.name, root=control.root)


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
        mine = [
            row
            for row in rows
            if not known.has(row)
            and row.job in (progress.job, SIGHTING)
            and (row.token is None or (row.task, row.token) == (claim.task, claim.token))
        ]
        like = [row for row in mine if progress.unit.startswith(row.unit) or row.counts == dict(progress.counts)]
        row = next(iter(like or mine), None)
        if row is not None:
            entry = Entry(row.seq, row.job, row.unit, row.counts, row.items, row.digest)
        else:  # a unit without a row of its own: a snapshot, a command
            entry = Entry(None, progress.job, progress.unit, progress.counts, 1, "")
        _book(control, claim, fetch(control, claim.task), entry, left)
        return after if row is None else row.seq


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


def booked(control: Control, after: int, *, task: str | None = None) -> Booked:
    """The rows of the ledger after one that any session has booked and no restored snapshot took back."""
    found: dict[int, list[str]] = {}
    whose, values = ("", (after,)) if task is None else (" AND task = ?", (after, task))
    for row in control.rows(f"{_BOOKED} AND seq > ?{whose}", values):
        found.setdefault(row["seq"], []).append(row["digest"])
    return Booked(found)


def withdraw(control: Control, works: Works) -> int:
    """Take back from the books what a restored snapshot took from the ledger; returns how many units.

    A digest covers all rows before it, so the highest booked row tells whether there is anything to look for.
    """
    newest = control.rows(f"{_BOOKED} AND digest <> '' ORDER BY id DESC LIMIT {NEWEST}")
    highest = max(newest, key=lambda row: (row["seq"], row["id"]), default=None)
    if highest is None or works.digests([highest["seq"]]).get(highest["seq"]) == highest["digest"]:
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


def _book(control: Control, claim: Claim, task: Task, entry: Entry, left: int) -> None:
    done = task.done + entry.items
    holding.progress(control, claim, done=done, total=done + left, units=1)
    detail = asdict(entry) | {"counts": dict(entry.counts)}
    control.event("unit", claim.task, actor=claim.holder, session=claim.session, detail=detail)
