"""An open session in, a wrapped one out: seven steps in order, each journaled, each the same when done twice.

A crash in the middle leaves the steps done in the journal; whoever wraps again goes on with the next.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import msgspec

from etl.errors import FencedOffError, MotherlodeError, SettingsError, StoreError
from orchestration import git, grades, tasks
from orchestration.control import Control, holding, sessions
from orchestration.control.claims import lease_of
from orchestration.control.sessions import ABANDONED, DIED, WRAPPED, WRAPPING, Session
from orchestration.control.standing import Missing, flag, notice
from orchestration.control.task import fetch
from orchestration.logs import NoLog, SessionLog
from orchestration.quota import PanicStop, QuotaMeter
from orchestration.session import commits
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

# wrapped, and then killed before what follows a wrap was done
UNPUBLISHED = """
state = 'wrapped' AND json_extract(journal, '$.wrap.close.publish') AND json_extract(journal, '$.published') IS NULL
"""
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
    meter: QuotaMeter | None = None
    log: SessionLog = field(default_factory=NoLog)

    @property
    def incomplete(self) -> str | None:
        """Why only state and books are saved; None in an ordinary wrap."""
        why: str | None = self.session.journal.get("ending", {}).get("incomplete")
        return why

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
    if unpublished(session):
        publish(wrapping)
        return wrapping.session
    if session.state in (WRAPPED, ABANDONED, DIED):
        raise SettingsError(f"{session.name} is {session.state} already")
    if wrapping.meter is not None:
        wrapping.meter.begin_wrap()
    if "ending" not in session.journal:
        ending = {"how": how, "why": why, "reason": reason, "wait_s": wait_s}
        with wrapping.control.transaction():
            sessions.update(wrapping.control, session.name, journal={"ending": ending})
            _flag_overrun(wrapping, how, why)
    steps: tuple[Callable[[Wrapping], Result], ...] = (finish, state, snapshot, commit, handoff, queue, close)
    for step in steps:
        if step.__name__ not in wrapping.session.journal.get("wrap", {}):
            if step.__name__ not in AT_ONCE:
                _look_for_panic(wrapping)
            try:
                _do(wrapping, step)
            except PanicStop as stop:
                _force(wrapping, str(stop))
                _do(wrapping, step)
    publish(wrapping)
    return wrapping.session


def _do(wrapping: Wrapping, step: Callable[[Wrapping], Result]) -> None:
    name, began = step.__name__, time.monotonic()
    with wrapping.control.transaction() if name in AT_ONCE else nullcontext():
        done = {**wrapping.session.journal.get("wrap", {}), name: step(wrapping)}
        sessions.update(wrapping.control, wrapping.name, journal={"wrap": done})
    took = round(time.monotonic() - began, 3)
    wrapping.log.write("wrap_step", session=wrapping.name, step=name, seconds=took, result=done[name])


def _look_for_panic(wrapping: Wrapping) -> None:
    """Once a wrap has begun only the panic rule applies: it goes on by the shortest way, and never kills itself."""
    if wrapping.meter is not None and wrapping.incomplete is None and (why := wrapping.meter.panicking()):
        _force(wrapping, why)


def _force(wrapping: Wrapping, why: str) -> None:
    session, control = wrapping.session, wrapping.control
    with control.transaction():
        sessions.update(control, session.name, journal={"ending": {**session.journal["ending"], "incomplete": why}})
        told = f"{session.name} was wrapped by force and is incomplete: {why}"
        flag(control, str(session.task), told, session=session.name, level="failure")


def _flag_overrun(wrapping: Wrapping, how: str, why: str) -> None:
    """A session that went past a hard stop, or was stopped at one, is for a person to look at."""
    meter, session = wrapping.meter, wrapping.session
    over = why if how == HARD_STOPPED else meter.overrun() if meter is not None and not meter.panicking() else None
    if over is not None:
        flag(wrapping.control, str(session.task), over, session=session.name)


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
    if wrapping.incomplete:
        return {"snapshot": None, "why": "left out, the wrap was forced; what is committed is in the store"}
    try:
        with workspace.store(write=True, now=wrapping.control.now) as store:
            return {"snapshot": snapshots.create(store).name}
    except StoreError as error:  # locked, full, damaged: said, and the wrap goes on, because the books must be closed
        notice(wrapping.control, f"{wrapping.name} was wrapped without a snapshot", task=wrapping.session.task)
        return {"snapshot": None, "problem": str(error)}


def commit(wrapping: Wrapping) -> Result:
    """A git commit of our own files, the handoff as it stands among them."""
    ending = wrapping.session.journal["ending"]
    why = ending["why"] + (f"; INCOMPLETE: {ending['incomplete']}" if ending.get("incomplete") else "")
    return record(wrapping, why, mark=f"{MARK}: {wrapping.name}")


def record(wrapping: Wrapping, why: str, *, mark: str, subject: str | None = None) -> Result:
    """Commit what the books say now, once a `mark`."""
    if not wrapping.workspace.settings.git.enabled:
        return {"commit": None, "why": "[git] enabled is false in etl.toml", "problem": None}
    write_queue(wrapping)
    write_handoff(wrapping.control, wrapping.name, root=wrapping.workspace.root)
    return commits.make(
        wrapping.control, wrapping.workspace, message(wrapping, mark, why, subject), mark=mark, session=wrapping.name,
        task=wrapping.session.task, query=wrapping.query, sleep=wrapping.sleep,
    )  # fmt: skip


def commit_between(wrapping: Wrapping, why: str) -> Result:
    """A commit between two units, after a snapshot; what it could not do is no reason to stop."""
    control, session = wrapping.control, wrapping.session
    if (no := git.why_not(wrapping.workspace.root)) and wrapping.workspace.settings.git.repository != "own":
        _put_off(wrapping)
        return {"commit": None, "why": no}
    taken = snapshot(wrapping)
    number = control.value("SELECT count(*) FROM task_events WHERE event = ?", (commits.COMMITTED,)) + 1
    subject = f"{session.task}: {_at(wrapping)}, {why}"
    made = record(wrapping, why, mark=f"Motherlode-Point: {wrapping.name}#{number}", subject=subject)
    if made["commit"] is None:
        _put_off(wrapping)
    wrapping.log.write("commit", session=wrapping.name, why=why, snapshot=taken["snapshot"], result=made)
    return made


def _put_off(wrapping: Wrapping) -> None:
    reached = commits.Reached.of(wrapping.query)
    session = wrapping.session
    commits.remember(wrapping.control, None, session=session.name, task=session.task, reached=reached)


def commit_by_hand(wrapping: Wrapping) -> str | None:
    """After a checkpoint, where enough source sessions were done since the last one; the commit's name."""
    why = commits.due_by_hand(wrapping.control, wrapping.workspace.settings.git, wrapping.session)
    commit: str | None = None if why is None else commit_between(wrapping, why)["commit"]
    return commit


def unpublished(session: Session) -> bool:
    """Whether a session is wrapped, and what comes after was cut short."""
    due = session.journal.get("wrap", {}).get("close", {}).get("publish", False)
    return session.state == WRAPPED and due and "published" not in session.journal


def publish(wrapping: Wrapping) -> None:
    """After the wrap: a completed task is committed with its report, milestones are tagged, and all of it is pushed.

    Nothing here is needed for the books. Cut short, the next start does it again: a commit is made once a mark, a tag
    once a milestone, and the notice stands in one transaction with the entry that says that all is done.
    """
    control, session = wrapping.control, wrapping.session
    done = session.journal["wrap"]["queue"]
    graded = None
    # not the ending in words: it may be the last line of a command's output
    how = session.journal["ending"]["how"].replace("_", " ")
    told = f"{session.name} is wrapped ({how}), task {session.task} is {done.get('task')}"
    if done.get("task") == "completed":
        grade = done.get("grade")
        graded = str(session.task) if grade == "A" else None
        note = f"Task complete: {session.task} ({_at(wrapping)}, {f'grade {grade}' if grade else 'not graded'})"
        record(wrapping, "the task is completed", mark=f"Motherlode-Completed: {session.name}", subject=note)
        told = f"task {session.task} is completed, grade {grade or '-'}"
    skip = wrapping.incomplete or session.journal["wrap"]["snapshot"].get("problem")
    reached = None if skip else commits.Reached.of(wrapping.query)
    commits.mark_milestones(control, wrapping.workspace, reached, graded=graded)
    tags = commits.tags_since(control, session.started)
    commits.push(control, wrapping.workspace, tags, task=session.task, sleep=wrapping.sleep)
    with control.transaction():
        notice(control, told, task=session.task, level="info")
        sessions.update(control, session.name, journal={"published": True})


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
    return {"publish": True}


def message(wrapping: Wrapping, mark: str, why: str, subject: str | None = None) -> str:
    """The message of a commit: task, progress, checkpoints, usage, duration, session and start."""
    session = wrapping.session
    data = derived(wrapping.control, session)
    at = _at(wrapping)
    minutes = (wrapping.control.now() - session.started).total_seconds() / 60
    lines = [subject or f"{session.task}: {at}", "", f"Why now: {why}", f"Task: {session.task}", f"Progress: {at}"]
    lines.append(f"Checkpoints: {len(data['checkpoints'])}")
    lines += [f"  {point['description']}" for point in data["checkpoints"][-5:]]
    lines += [f"Usage: {amount:,.6g} {resource}" for resource, amount in data["usage"].items()]
    lines += [f"Duration: {minutes:,.0f} min", f"Started: {data['started']}", "", mark]
    return "\n".join(lines)


def _at(wrapping: Wrapping) -> str:
    """How far the task is: 10/40."""
    progress = derived(wrapping.control, wrapping.session)["progress"]
    return f"{progress['done']:,}" + ("" if progress["total"] is None else f"/{progress['total']:,}")


def write_queue(wrapping: Wrapping) -> None:
    """The queue as a file, so that it is committed too."""
    queued = wrapping.control.redactor.clean_data(tasks.export(wrapping.control))
    target = wrapping.workspace.root / QUEUE
    temporary = target.with_name(f".{QUEUE}.{os.getpid()}.new")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(queued), indent=1) + b"\n")
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
    if ending.get("incomplete"):
        holding.release(control, claim, why=ending["incomplete"])
        return {"task": fetch(control, task.name).status, "problem": f"incomplete: {ending['incomplete']}"}
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
