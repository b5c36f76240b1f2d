"""Two clocks in, one that tells the time and one that only counts; jumps of the first and what follows, out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from orchestration.control import Claim, Control, holding, sessions
from orchestration.control.sessions import Session
from orchestration.control.standing import notice, shift_retries
from orchestration.control.store import moment
from orchestration.session.endings import THRESHOLD, Ending

JUMP_S = 300.0  # a clock that is set right by a time server moves by less


class ClockWatch:
    """Sees the wall clock go another way than the time that passes."""

    def __init__(self, now: Callable[[], datetime], monotonic: Callable[[], float] | None) -> None:
        self._now, self._monotonic = now, monotonic
        self._last = None if monotonic is None else (now(), monotonic())

    def jumped(self) -> float:
        """By how many seconds the clock was put since the last look; 0 for less than five minutes."""
        if self._monotonic is None or self._last is None:
            return 0.0
        at, passed = self._now(), self._monotonic()
        drift = (at - self._last[0]).total_seconds() - (passed - self._last[1])
        self._last = (at, passed)
        return drift if abs(drift) >= JUMP_S else 0.0


def after_a_jump(control: Control, session: Session, claim: Claim, by_s: float) -> Ending:
    """The clock was put: nobody worked for that long, retries keep their wait, and a fresh session begins."""
    holding.heartbeat(control, claim)
    said = f"the clock jumped by {by_s / 3600:+.1f} h"
    with control.transaction():
        before = sessions.get(control, session.name).journal.get("clock_s", 0.0)
        sessions.update(control, session.name, journal={"clock_s": before + by_s})
        if not _others_saw(control, by_s):
            shift_retries(control, by_s)
        control.event("clock_jumped", session.task, session=session.name, detail={"by_s": round(by_s)})
        notice(control, f"{said}; days of quotas follow the clock as it is now", task=session.task)
    return Ending(THRESHOLD, f"{said}; the session ends, the next goes by the new time")


def _others_saw(control: Control, by_s: float) -> bool:
    """Whether another driver has set the retries right after the same jump."""
    now = control.now()
    return any(
        abs(event["detail"]["by_s"] - by_s) < JUMP_S and abs((now - moment(event["at"])).total_seconds()) < 3600
        for event in control.events(event="clock_jumped", newest=8)
    )
