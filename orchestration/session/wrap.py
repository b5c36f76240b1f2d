"""An open session in, a wrapped one out: seven steps in order, each journaled, each the same when done twice.

A crash in the middle leaves the steps done in the journal; whoever wraps again goes on with the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext

from etl.errors import SettingsError
from orchestration.control import sessions
from orchestration.control.sessions import ABANDONED, DIED, WRAPPED, Session
from orchestration.control.standing import flag
from orchestration.quota import PanicStop
from orchestration.session.endings import HARD_STOPPED, WRAPPED_BY_HAND, Ending
from orchestration.session.publishing import publish, snapshot, unpublished
from orchestration.session.steps import close, commit, finish, handoff, queue, state
from orchestration.session.wrapping import Result, Wrapping

Step = Callable[[Wrapping], Result]

AT_ONCE = ("finish", "state", "close")  # quick: one transaction with their entry in the journal
BY_HAND = Ending(WRAPPED_BY_HAND, "wrapped by hand")


def wrap(wrapping: Wrapping, ending: Ending = BY_HAND) -> Session:
    """Wrap a session, or go on with a wrap that was cut short (then its ending stays as it was)."""
    session = wrapping.session
    if unpublished(session):
        publish(wrapping)
        return wrapping.session
    if session.state in (WRAPPED, ABANDONED, DIED):
        raise SettingsError(f"{session.name} is {session.state} already")
    if wrapping.meter is not None:
        wrapping.meter.begin_wrap()
    if "ending" not in session.journal:
        about = {"how": ending.how, "why": ending.why, "reason": ending.reason, "wait_s": ending.wait_s}
        with wrapping.control.transaction():
            sessions.update(wrapping.control, session.name, journal={"ending": about})
            _flag_overrun(wrapping, ending)
    steps: tuple[Step, ...] = (finish, state, snapshot, commit, handoff, queue, close)
    for step in steps:
        if step.__name__ in session.journal.get("wrap", {}):
            continue
        if step.__name__ not in AT_ONCE:
            _look_for_panic(wrapping)
        try:
            session = _do(wrapping, step)
        except PanicStop as stop:
            _force(wrapping, str(stop))
            session = _do(wrapping, step)
    publish(wrapping)
    return wrapping.session


def _do(wrapping: Wrapping, step: Step) -> Session:
    name, began = step.__name__, time.monotonic()
    with wrapping.control.transaction() if name in AT_ONCE else nullcontext():
        done = {**wrapping.session.journal.get("wrap", {}), name: step(wrapping)}
        session = sessions.update(wrapping.control, wrapping.name, journal={"wrap": done})
    took = round(time.monotonic() - began, 3)
    wrapping.log.write("wrap_step", session=wrapping.name, step=name, seconds=took, result=done[name])
    return session


def _look_for_panic(wrapping: Wrapping) -> None:
    """Once a wrap has begun only the panic rule applies: it goes on by the shortest way, and never kills itself."""
    why = None if wrapping.meter is None else wrapping.meter.panicking()
    if why is not None and wrapping.incomplete is None:
        _force(wrapping, why)


def _force(wrapping: Wrapping, why: str) -> None:
    session, control = wrapping.session, wrapping.control
    with control.transaction():
        sessions.update(control, session.name, journal={"ending": {**session.journal["ending"], "incomplete": why}})
        told = f"{session.name} was wrapped by force and is incomplete: {why}"
        flag(control, str(session.task), told, session=session.name, level="failure")


def _flag_overrun(wrapping: Wrapping, ending: Ending) -> None:
    """A session that went past a hard stop, or was stopped at one, is for a person to look at."""
    meter = wrapping.meter
    over = ending.why if ending.how == HARD_STOPPED else None
    if over is None and meter is not None and not meter.panicking():
        over = meter.overrun()
    if over is not None:
        flag(wrapping.control, str(wrapping.session.task), over, session=wrapping.name)
