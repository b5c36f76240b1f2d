"""Units that a job committed, in; events of the books out, one a row of the ledger, and what they add up to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

from etl.progress import Progress
from orchestration.control import Claim, Control, holding
from orchestration.control.store import stamp
from orchestration.control.task import Task, fetch
from orchestration.session.works import SIGHTING, Row, Works

# Units booked and not taken back by a restore; those of the first version carry neither digest nor items
# `by` names the index: left alone, SQLite reads every unit there ever was
BOOKED = """
SELECT u.id, u.task, u.session, u.at, json_extract(u.detail, '$.seq') AS seq, json_extract(u.detail, '$.job') AS job,
       json_extract(u.detail, '$.counts') AS counts, coalesce(json_extract(u.detail, '$.items'), 0) AS items,
       coalesce(json_extract(u.detail, '$.digest'), '') AS digest
FROM task_events u INDEXED BY {by} WHERE u.event = 'unit' AND NOT EXISTS (
    SELECT 1 FROM task_events t INDEXED BY units_taken_back
    WHERE t.event = 'unit_lost' AND json_extract(t.detail, '$.of') = +u.id
)
"""
DIGEST = "coalesce(json_extract(u.detail, '$.digest'), '')"


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


def booked(control: Control, after: int, *, task: str | None = None) -> Booked:
    """The rows of the ledger after one that any session has booked and no restored snapshot took back."""
    found: dict[int, list[str]] = {}
    by, whose = ("events_of_a_task", " AND u.task = ?") if task else ("units_by_row", "")
    values = (after, task) if task else (after,)
    for row in control.rows(f"{BOOKED.format(by=by)} AND json_extract(u.detail, '$.seq') > ?{whose}", values):
        found.setdefault(row["seq"], []).append(row["digest"])
    return Booked(found)


def had(control: Control, task: Task) -> dict[str, Counter[str]]:
    """What a task's present round has done by its booked units: the sums of the counts of each job."""
    sums: dict[str, Counter[str]] = {}
    since = "" if task.started is None else stamp(task.started)
    for row in control.rows(f"{BOOKED.format(by='events_of_a_task')} AND u.task = ? AND u.at >= ?", (task.name, since)):
        sums.setdefault(row["job"], Counter()).update(json.loads(row["counts"]))
    return sums


def _book(control: Control, claim: Claim, task: Task, entry: Entry, left: int) -> None:
    done = task.done + entry.items
    holding.progress(control, claim, done=done, total=done + left, units=1)
    detail = asdict(entry) | {"counts": dict(entry.counts)}
    control.event("unit", claim.task, actor=claim.holder, session=claim.session, detail=detail)
