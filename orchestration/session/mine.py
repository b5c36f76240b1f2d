"""The loop: claim a task, drive its job unit by unit under quotas, wrap, and go on with the next session.

A session ends when its task is done, when a limit's wrap band is reached, when no further unit fits, or when a unit
fails; then it is wrapped. Stopping is not asking for the next unit, resuming is calling the job again.

Read from the top: `mine` takes session after session, `run` is one of them, `drive` one job until something says stop.
What stopped it is in `endings.py`, the wrap in `wrap.py`, what a kill leaves behind in `recover.py`.
"""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from filelock import Timeout

from etl.errors import FencedOffError, HardStop, MotherlodeError, StoreLockedError
from etl.progress import Progress
from orchestration.control import Claim, Control, holding, sessions
from orchestration.control.claims import LEASE_S
from orchestration.control.sessions import DIED, OPEN, Session
from orchestration.control.store import moment
from orchestration.control.task import MANUAL, Task, fetch
from orchestration.logs import NoLog, SessionLog
from orchestration.quota import BANDS, WRAP, Quota, QuotaMeter
from orchestration.session import commits, endings, troubles
from orchestration.session.booking import book, had
from orchestration.session.clock import ClockWatch, after_a_jump
from orchestration.session.endings import FAILED, HARD_STOPPED, INTERRUPTED, THRESHOLD, Ending, of_the_outside
from orchestration.session.heartbeat import beating
from orchestration.session.inbox import LOOK_S, Inbox
from orchestration.session.publishing import commit_between
from orchestration.session.recover import alive, recover
from orchestration.session.settling import settle, withdraw
from orchestration.session.start import DRIVEN, NothingReadyError, Started, begin, claim_of
from orchestration.session.works import Works
from orchestration.session.wrap import wrap
from orchestration.session.wrapping import Wrapping
from orchestration.workspace import Workspace

POLL_S = 60.0


@dataclass
class Miner:
    """One driver of sessions. The clock is the control store's, `sleep` is handed in: both may be virtual."""

    control: Control
    workspace: Workspace
    works: Works
    quota: Quota
    agent: str | None = None
    sleep: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = print
    beat_s: float | None = LEASE_S / 4  # None: no thread, under a virtual clock
    poll_s: float = POLL_S
    look_s: float = LOOK_S
    log: SessionLog = field(default_factory=NoLog)
    tell: Callable[[], object] = lambda: None  # sends what was noticed; called between sessions
    jitter: Callable[[], float] = random.random
    monotonic: Callable[[], float] | None = None  # beside the wall clock, to see it jump; None under a virtual one
    ended: list[Session] = field(default_factory=list)
    trouble: str | None = None  # why mining ended before its time

    def __post_init__(self) -> None:
        self.inbox = Inbox(self.control, self.works, self.look_s)

    def mine(self, *, limit: int | None = None, forever: bool = False) -> list[Session]:
        """Sessions one after another: `limit` of them, until no task is ready, or for ever; returns those wrapped."""
        for name in recover(self.control, self.works, self._wrapping("")):
            self.say(f"{name} was cut short; its books were brought up to date from the ledger")
        self.tell()
        while limit is None or len(self.ended) < limit:
            self.inbox.look()
            try:
                started = self._begin()
            except NothingReadyError as nothing:
                wait = self.poll_s if forever else self._until_retry()
                if wait is None:
                    self.say(str(nothing))
                    break
                self.sleep(min(wait, self.poll_s))
                continue
            ending = self.run(started.session, started.task)
            if ending.stop:
                self.trouble = ending.why
                troubles.tell(self.control, ending, started.task)
            self.tell()
            if ending.stop:
                break
        return self.ended

    def run(self, session: Session, task: Task) -> Ending:
        """One session on its task, from the first unit to the end of the wrap."""
        with ExitStack() as living:
            try:
                living.enter_context(alive(self.control.root, session.name))
            except Timeout:
                return self._taken_for_dead(session)
            if sessions.get(self.control, session.name).state != OPEN:
                return self._taken_for_dead(session)
            return self._run(session, task)

    def _run(self, session: Session, task: Task) -> Ending:
        claim = claim_of(self.control, session)
        meter = self.quota.meter(
            session=session.name, task=task.name, agent=self.agent, kind=task.kind, declared=task.unit_estimate
        )
        self.say(f"{session.name}: {task.name} ({task.kind})")
        with beating(self.control, claim, self.beat_s) as lost:
            try:
                ending = self.drive(session, task, claim, meter, lost)
                self.works.close()
                wrapped = wrap(self._wrapping(session.name, meter), ending)
                self.works.close()
            except FencedOffError as error:  # somebody else has the task: nothing here is ours to wrap
                sessions.update(self.control, session.name, state=DIED, journal={"ending": {"why": str(error)}})
                self.say(str(error))
                return Ending(FAILED, str(error))
            except (MotherlodeError, OSError) as error:  # no room for the books either: the next start wraps it
                if not (outside := of_the_outside(error)):
                    raise
                self.say(f"{session.name} could not be wrapped ({outside}); the next 'etl mine' does it")
                return Ending(INTERRUPTED, str(error), outside, stop=True)
        self.ended.append(wrapped)
        self.say(f"{session.name}: {ending.why}; task {wrapped.journal['wrap']['queue']['task']}")
        if ending.how == INTERRUPTED and not ending.stop:
            raise KeyboardInterrupt
        return ending

    def _taken_for_dead(self, session: Session) -> Ending:
        """Another process started at the moment between the claim and the first sign of life, and has mended it."""
        why = "another process took it for dead as it began; its task is free again"
        self.say(f"{session.name}: {why}")
        return Ending(FAILED, why)

    def drive(self, session: Session, task: Task, claim: Claim, meter: QuotaMeter, lost: threading.Event) -> Ending:
        """Ask the task's job for units until something says stop, and say what; a locked store is waited for."""
        if task.attempts > 1 and (changes := dict(self.works.adjusted(task))):
            self.say(f"  {troubles.book_adjusted(self.control, session, task, changes)}")
        try:
            for attempt in range(troubles.LOCK_TRIES):
                try:
                    return self._drain(session, task, claim, meter, lost)
                except StoreLockedError as error:
                    if attempt + 1 == troubles.LOCK_TRIES:
                        raise
                    self._wait_for_store(session, error, attempt)
        except HardStop as stop:
            why = f"stopped at a limit, the open unit was rolled back: {stop}"
            worked = fetch(self.control, task.name).units - task.units
            return endings.at_a_limit(self.quota, self.agent, HARD_STOPPED, why, worked, None)
        except KeyboardInterrupt:
            return Ending(INTERRUPTED, "interrupted; the open unit was rolled back")
        except FencedOffError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a unit dies of, it is rolled back, booked and tried again
            troubles.log_error(self.log, session, error)
            return endings.died_of(self.control, claim, error)
        raise AssertionError("the loop above returns or raises")

    def _drain(self, session: Session, task: Task, claim: Claim, meter: QuotaMeter, lost: threading.Event) -> Ending:
        """Unit after unit: admitted by the quotas, done by the job, booked."""
        withdraw(self.control, self.works)
        settle(self.control, self.works, task=task.name)
        before, task, at = task.units, fetch(self.control, task.name), self.works.mark()
        clock, worked = ClockWatch(self.control.now, self.monotonic), task.units - before
        units = self.works.units(task, claim, meter, had(self.control, task))
        while True:
            if lost.is_set():
                holding.heartbeat(self.control, claim)  # says who took the task
            if jumped := clock.jumped():
                return after_a_jump(self.control, session, claim, jumped)
            if worked and BANDS.index(band := meter.band()) >= BANDS.index(WRAP):
                return Ending(THRESHOLD, f"a limit is at {band.replace('_', ' ')}")
            if (refused := meter.begin_unit()) is not None:
                return endings.at_a_limit(self.quota, self.agent, THRESHOLD, refused.why, worked, refused)
            progress = _next(units, meter)
            if progress is None:
                # a former holder may have committed until our first unit fenced it off
                settle(self.control, self.works, task=task.name)
                return endings.done(self.control, claim, self.works.missing)
            at = book(self.control, self.works, claim, progress, at)
            worked += 1
            self.say(f"  {progress.job}: {progress.unit}, {progress.done:,} of {progress.total:,}")
            if "new" in progress.counts:
                self._commit_if_due(session)
            self.inbox.look()

    def _begin(self) -> Started:
        return begin(
            self.control, self.quota, mode=DRIVEN, holder=_holder(), agent=self.agent,
            missing=self.works.missing, turned_down=_by_hand,
        )  # fmt: skip

    def _commit_if_due(self, session: Session) -> None:
        """At its thresholds; a store that is busy is committed after the next unit."""
        settings = self.workspace.settings.git
        why = commits.due(self.control, settings, commits.Reached.of(self.works.query)) if settings.enabled else None
        if why is not None:
            self.works.close()
            commit_between(self._wrapping(session.name), why)

    def _wait_for_store(self, session: Session, error: Exception, attempt: int) -> None:
        wait = troubles.lock_wait_s(attempt, self.jitter())
        troubles.book_lock(self.control, session, error, attempt, wait)
        self.say(f"  {error} Trying again in {wait:.0f} s")
        self.sleep(wait)

    def _until_retry(self) -> float | None:
        soonest = self.control.value(
            """
            SELECT min(not_before) FROM tasks
            WHERE status = 'waiting' AND reason = 'retry' AND kind <> ? AND (agent IS NULL OR agent = ?)
            """,
            (MANUAL, self.agent),
        )
        return None if soonest is None else max(0.1, (moment(soonest) - self.control.now()).total_seconds())

    def _wrapping(self, name: str, meter: QuotaMeter | None = None) -> Wrapping:
        return Wrapping(
            self.control, self.workspace, name, self.works.query, self.works.missing, self.sleep, meter, self.log
        )


def _next(units: Iterator[Progress], meter: QuotaMeter) -> Progress | None:
    """The next unit with its books closed, whether it was committed or rolled back."""
    try:
        return next(units, None)
    finally:
        meter.end_unit()


def _by_hand(task: Task) -> str | None:
    return "it is done by hand ('etl session start')" if task.kind == MANUAL else None


def _holder() -> str:
    return f"etl mine, process {os.getpid()} on {socket.gethostname()}"
