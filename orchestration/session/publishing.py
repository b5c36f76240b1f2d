"""The books as they stand, in; commits, tags and pushes out: between units, in a wrap, and after it."""

from __future__ import annotations

from etl.errors import StoreError
from orchestration import git
from orchestration.control import sessions
from orchestration.control.sessions import WRAPPED, Session
from orchestration.control.standing import notice
from orchestration.session import commits
from orchestration.session.handoff import write as write_handoff
from orchestration.session.wrapping import Result, Wrapping, at, message, write_queue

# wrapped, and then killed before what follows a wrap was done
UNPUBLISHED = """
state = 'wrapped' AND json_extract(journal, '$.wrap.close.publish') AND json_extract(journal, '$.published') IS NULL
"""


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
    subject = f"{session.task}: {at(wrapping)}, {why}"
    made = record(wrapping, why, mark=f"Motherlode-Point: {wrapping.name}#{number}", subject=subject)
    if made["commit"] is None:
        _put_off(wrapping)
    wrapping.log.write("commit", session=wrapping.name, why=why, snapshot=taken["snapshot"], result=made)
    return made


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
        note = f"Task complete: {session.task} ({at(wrapping)}, {f'grade {grade}' if grade else 'not graded'})"
        record(wrapping, "the task is completed", mark=f"Motherlode-Completed: {session.name}", subject=note)
        told = f"task {session.task} is completed, grade {grade or '-'}"
    skip = wrapping.incomplete or session.journal["wrap"]["snapshot"].get("problem")
    goal = wrapping.workspace.settings.project.goal
    reached = None if skip else commits.Reached.of(wrapping.query, kept=bool(goal))
    commits.mark_milestones(control, wrapping.workspace, reached, graded=graded)
    commits.push(control, wrapping.workspace, since=session.started, task=session.task, sleep=wrapping.sleep)
    with control.transaction():
        notice(control, told, task=session.task, level="info")
        sessions.update(control, session.name, journal={"published": True})


def _put_off(wrapping: Wrapping) -> None:
    reached = commits.Reached.of(wrapping.query)
    session = wrapping.session
    commits.remember(wrapping.control, None, session=session.name, task=session.task, reached=reached)
