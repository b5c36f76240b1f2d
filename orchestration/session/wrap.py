"""An open session in, a wrapped one out: seven steps in order, each journaled, each the same when done twice.

A crash in the middle leaves the steps done in the journal; whoever wraps again goes on with the next.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from etl.errors import FencedOffError, MotherlodeError, SettingsError, StoreError
from orchestration import git, grades, tasks
from orchestration.control import Control, holding, sessions
from orchestration.control.claims import lease_of
from orchestration.control.sessions import ABANDONED, DIED, WRAPPED, WRAPPING, Session
from orchestration.control.standing import Missing, notice
from orchestration.control.task import fetch
from orchestration.session.handoff import handoff as derived
from orchestration.session.handoff import usage
from orchestration.session.handoff import write as write_handoff
from orchestration.session.start import claim_of
from orchestration.tasks import CheckFailedError
from orchestration.tasks.completion import REPORTS, Query
from orchestration.workspace import Workspace

QUEUE = "queue.json"
MARK = "Motherlode-Session"

# how a session ended
WRAPPED_BY_HAND, THRESHOLD, DONE, HARD_STOPPED, FAILED, INTERRUPTED = (
    "by_hand", "threshold", "done", "hard_stop", "failed", "interrupted",
)  # fmt: skip

AT_ONCE = ("finish", "state", "close")  # quick: one transaction with their entry in the journal

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What the steps of one wrap need."""

    control: Control
    workspace: Workspace
    name: str
    query: Query | None = None
    missing: Missing | None = None
    sleep: Callable[[float], None] = time.sleep

    @property
    def session(self) -> Session:
        return sessions.get(self.control, self.name)

    def result(self, step: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.session.journal.get("wrap", {}).get(step, {})
        return found


def wrap(
    wrapping: Wrapping,
    *,
    how: str = WRAPPED_BY_HAND,
    why: str = "wrapped by hand",
    reason: str = "",
    wait_s: float | None = None,
) -> Session:
    """Wrap a session, or go on with a wrap that was cut short (then `how` and the rest stay as they were).

    `reason` and `wait_s` are for one that failed: what the task's history says, and when it is tried again.
    """
    session = wrapping.session
    if session.state in (WRAPPED, ABANDONED, DIED):
        raise SettingsError(f"{session.name} is {session.state} already")
    if "ending" not in session.journal:
        ending = {"how": how, "why": why, "reason": reason, "wait_s": wait_s}
        sessions.update(wrapping.control, session.name, journal={"ending": ending})
    steps: tuple[Callable[[Wrapping], Result], ...] = (finish, state, snapshot, commit, handoff, queue, close)
    for step in steps:
        done = wrapping.session.journal.get("wrap", {})
        if step.__name__ not in done:
            with wrapping.control.transaction() if step.__name__ in AT_ONCE else nullcontext():
                journal = {"wrap": {**done, step.__name__: step(wrapping)}}
                sessions.update(wrapping.control, session.name, journal=journal)
    return wrapping.session


def finish(wrapping: Wrapping) -> Result:
    """The open unit was committed or rolled back by its driver; from here on no unit begins."""
    sessions.update(wrapping.control, wrapping.name, state=WRAPPING)
    return {}


def state(wrapping: Wrapping) -> Result:
    """Progress and costs as they stand, kept with the session."""
    session = wrapping.session
    task = fetch(wrapping.control, str(session.task))
    used = usage(wrapping.control, session.name)
    return {"progress": {"done": task.done, "total": task.total}, "units": task.units, "usage": used}


def snapshot(wrapping: Wrapping) -> Result:
    """A verified copy of the store, where it changed."""
    from etl.store import snapshot as snapshots
    from etl.store.store import FILE

    workspace = wrapping.workspace
    if not (workspace.root / FILE).exists():
        return {"snapshot": None, "why": "there is no store yet"}
    try:
        with workspace.store(write=True, now=wrapping.control.now) as store:
            return {"snapshot": snapshots.create(store).name}
    except StoreError as error:  # locked, full, damaged: said, and the wrap goes on, because the books must be closed
        notice(wrapping.control, f"{wrapping.name} was wrapped without a snapshot", task=wrapping.session.task)
        return {"snapshot": None, "problem": str(error)}


def commit(wrapping: Wrapping) -> Result:
    """A git commit of our own files, the handoff as it stands among them."""
    write_queue(wrapping)
    write_handoff(wrapping.control, wrapping.name, root=wrapping.workspace.root)
    root, session = wrapping.workspace.root, wrapping.session
    mark = f"{MARK}: {session.name}"
    made = git.commit(root, git.own_paths(root), message(wrapping, mark), mark=mark, sleep=wrapping.sleep)
    problem = f"left out, they hold secrets: {', '.join(made.left_out)}" if made.left_out else None
    return {"commit": made.commit, "why": made.why, "problem": problem}


def handoff(wrapping: Wrapping) -> Result:
    """The handoff with all that is known by now."""
    path = write_handoff(wrapping.control, wrapping.name, root=wrapping.workspace.root)
    return {"file": path.relative_to(wrapping.workspace.root).as_posix()}


def queue(wrapping: Wrapping) -> Result:
    """The task goes back to the queue: completed, ready for the next session, or waiting after a failure."""
    control, session = wrapping.control, wrapping.session
    lease = lease_of(control, str(session.task))
    if lease is None or lease.session != session.name or lease.token != session.token:
        result = _given_back_before(wrapping, session)
    else:
        try:
            result = _give_back(wrapping, session)
        except FencedOffError as error:
            result = {"task": "taken over", "problem": str(error)}
    write_queue(wrapping)
    return result


def close(wrapping: Wrapping) -> Result:
    """The session is wrapped; its handoff says so too."""
    sessions.update(wrapping.control, wrapping.name, state=WRAPPED)
    write_handoff(wrapping.control, wrapping.name, root=wrapping.workspace.root)
    return {}


def message(wrapping: Wrapping, mark: str) -> str:
    """The message of a wrap's commit."""
    session = wrapping.session
    data = derived(wrapping.control, session)
    progress = data["progress"]
    at = f"{progress['done']:,}" + ("" if progress["total"] is None else f"/{progress['total']:,}")
    minutes = (wrapping.control.now() - session.started).total_seconds() / 60
    lines = [f"{session.task}: {at}", "", f"Ended: {session.journal['ending']['why']}", f"Progress: {at}"]
    lines.append(f"Checkpoints: {len(data['checkpoints'])}")
    lines += [f"  {point['description']}" for point in data["checkpoints"][-5:]]
    lines += [f"Usage: {amount:,.6g} {resource}" for resource, amount in data["usage"].items()]
    lines += [f"Duration: {minutes:,.0f} min", f"Started: {data['started']}", "", mark]
    return "\n".join(lines)


def write_queue(wrapping: Wrapping) -> None:
    """The queue as a file, so that it is committed too."""
    text = json.dumps(tasks.export(wrapping.control), ensure_ascii=False, indent=1) + "\n"
    target = wrapping.workspace.root / QUEUE
    temporary = target.with_name(f".{QUEUE}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(target)


def _given_back_before(wrapping: Wrapping, session: Session) -> Result:
    """By this step before a crash, or taken over since. A report that the crash cut off is written from the history."""
    control, name = wrapping.control, str(session.task)
    events = [event for event in control.events(name) if event["event"] in ("completed", "graded")]
    if [event["session"] for event in events[-2:]] != [session.name, None]:
        return {"task": "given back before"}
    ended, graded = events[-2], events[-1]
    progress = {key: ended["detail"][key] for key in ("done", "total", "units", "errors")}
    row = tasks.details(control, name) | {"progress": progress, "cost": ended["detail"]["cost"], "status": "completed"}
    row |= {"grade": graded["detail"]["grade"], "finished": ended["at"]}
    whole = 1.0 if not progress["total"] else min(1.0, progress["done"] / progress["total"])
    found = grades.Grade(row["grade"], graded["detail"]["points"], (), whole, graded["detail"]["arithmetic"])
    report = grades.write_report(wrapping.workspace.root / REPORTS, row, found)
    return {"task": "completed", "grade": found.letter, "report": report.name}


def _give_back(wrapping: Wrapping, session: Session) -> Result:
    control, ending = wrapping.control, session.journal["ending"]
    task, claim = fetch(control, str(session.task)), claim_of(control, session)
    if ending["how"] == FAILED:
        status = holding.fail(control, claim, ending["reason"], ending["why"], wait_s=ending["wait_s"])
        return {"task": status, "problem": ending["why"]}
    by_hand = ending["how"] == WRAPPED_BY_HAND and task.total is not None and task.done >= task.total > 0
    if ending["how"] != DONE and not by_hand:
        holding.release(control, claim, why=ending["why"])
        return {"task": fetch(control, task.name).status}
    try:
        made = tasks.complete(control, task.name, claim=claim, query=wrapping.query, missing=wrapping.missing)
    except CheckFailedError as error:
        if ending["how"] == DONE:
            return {"task": holding.fail(control, claim, "check_failed", str(error)), "problem": str(error)}
        holding.release(control, claim, why=str(error))
        return {"task": fetch(control, task.name).status, "problem": str(error)}
    except MotherlodeError as error:  # nothing was done, or its input went away: it waits, ungraded
        if isinstance(error, FencedOffError):
            raise
        if ending["how"] == DONE:
            return {"task": holding.fail(control, claim, "nothing_done", str(error)), "problem": str(error)}
        holding.release(control, claim, why=str(error))
        return {"task": fetch(control, task.name).status, "problem": str(error)}
    return {"task": "completed", "grade": made.grade.letter, "report": made.report.name}
