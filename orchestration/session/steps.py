"""The seven steps of a wrap, each the same when done twice; `queue` gives the task back, in what state it deserves."""

from __future__ import annotations

from etl.errors import FencedOffError, MotherlodeError
from orchestration import grades, tasks
from orchestration.control import holding, sessions
from orchestration.control.books import cost_of_session
from orchestration.control.claims import lease_of
from orchestration.control.sessions import WRAPPED, WRAPPING, Session
from orchestration.control.standing import restand
from orchestration.control.task import fetch
from orchestration.session.endings import DONE, FAILED, PARTIAL, WRAPPED_BY_HAND
from orchestration.session.handoff import write as write_handoff
from orchestration.session.publishing import record
from orchestration.session.start import claim_of
from orchestration.session.wrapping import Result, Wrapping, write_queue
from orchestration.tasks import CheckFailedError
from orchestration.tasks.completion import REPORTS

MARK = "Motherlode-Session"


def finish(wrapping: Wrapping) -> Result:
    """The open unit was committed or rolled back by its driver; from here on no unit begins."""
    sessions.update(wrapping.control, wrapping.name, state=WRAPPING)
    return {}


def state(wrapping: Wrapping) -> Result:
    """Progress and costs as they stand, kept with the session."""
    session = wrapping.session
    task = fetch(wrapping.control, str(session.task))
    used = cost_of_session(wrapping.control, session.name)
    return {"progress": {"done": task.done, "total": task.total}, "units": task.units, "usage": used}


def commit(wrapping: Wrapping) -> Result:
    """A git commit of our own files, the handoff as it stands among them."""
    ending = wrapping.session.journal["ending"]
    why = ending["why"] + (f"; INCOMPLETE: {ending['incomplete']}" if ending.get("incomplete") else "")
    return record(wrapping, why, mark=f"{MARK}: {wrapping.name}")


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
        if ending["how"] == PARTIAL:
            restand(control, task.name, looked=True, lacking=ending["why"])
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


def _given_back_before(wrapping: Wrapping, session: Session) -> Result:
    """By this step before a crash, or taken over since. A report that the crash cut off is written from the history."""
    control, name = wrapping.control, str(session.task)
    last = [event for kind in ("completed", "graded") for event in control.events(name, event=kind, newest=1)]
    if [event["session"] for event in last] != [session.name, None]:
        return {"task": "given back before"}
    ended, graded = last
    progress = {key: ended["detail"][key] for key in ("done", "total", "units", "errors")}
    row = tasks.details(control, name) | {"progress": progress, "cost": ended["detail"]["cost"], "status": "completed"}
    row |= {"grade": graded["detail"]["grade"], "finished": ended["at"]}
    whole = 1.0 if not progress["total"] else min(1.0, progress["done"] / progress["total"])
    found = grades.Grade(row["grade"], graded["detail"]["points"], (), whole, graded["detail"]["arithmetic"])
    report = grades.write_report(wrapping.workspace.root / REPORTS, row, found)
    return {"task": "completed", "grade": found.letter, "report": report.name}
