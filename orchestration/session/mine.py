"""The loop: claim a task, drive its job unit by unit under quotas, wrap, and go on with the next session.

A session ends when its task is done, when a limit's wrap band is reached, when no further unit fits, or when a unit
fails; then it is wrapped. Stopping is not asking for the next unit, resuming is calling the job again.
"""

from __future__ import annotations

import errno
import glob
import os
import random
import re
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from etl.errors import (
    DiskFullError,
    FencedOffError,
    HardStop,
    MotherlodeError,
    RateLimitedError,
    StoreError,
    StoreLockedError,
)
from etl.progress import Progress
from orchestration import tasks
from orchestration.control import Claim, Control, holding, inputs, sessions
from orchestration.control.claims import LEASE_S
from orchestration.control.holding import QUOTA_FULL, RATE_LIMITED
from orchestration.control.sessions import DIED
from orchestration.control.standing import NOTICE, notice, shift_retries
from orchestration.control.store import moment
from orchestration.control.task import COMPLETED, MANUAL, SKIPPED, Task, fetch
from orchestration.logs import NoLog, SessionLog
from orchestration.quota import BANDS, WRAP, Quota, QuotaMeter, Refusal, Standing
from orchestration.session import commits
from orchestration.session.recover import alive, book, had, recover, settle, withdraw
from orchestration.session.start import DRIVEN, NothingReadyError, begin, claim_of
from orchestration.session.works import Works
from orchestration.session.wrap import (
    DONE,
    FAILED,
    HARD_STOPPED,
    INTERRUPTED,
    THRESHOLD,
    Wrapping,
    commit_between,
    wrap,
)
from orchestration.workspace import Workspace

POLL_S = 60.0
LOOK_S = 30.0  # between two looks at the inbox
LOCK_TRIES = 3  # each waits for [store] wait_s, then as long again with jitter
LOCK_WAIT_S = 5.0
JUMP_S = 300.0  # a clock that is set right by a time server moves by less


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session's work ended; `reason` and `wait_s` for one that failed. `stop`: mining ends with it."""

    how: str
    why: str
    reason: str = ""
    wait_s: float | None = None
    stop: bool = False


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
    ended: list[sessions.Session] = field(default_factory=list)
    trouble: str | None = None  # why mining ended before its time
    _looked: datetime | None = None

    def mine(self, *, limit: int | None = None, forever: bool = False) -> list[sessions.Session]:
        """Sessions one after another: `limit` of them, until no task is ready, or for ever; returns those wrapped."""
        for name in recover(self.control, self.works, self._wrapping("")):
            self.say(f"{name} was cut short; its books were brought up to date from the ledger")
        self.tell()
        while limit is None or len(self.ended) < limit:
            self.look()
            try:
                started = begin(
                    self.control, self.quota, mode=DRIVEN, holder=_holder(), agent=self.agent,
                    missing=self.works.missing, turned_down=_by_hand,
                )  # fmt: skip
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
                self._tell_of_trouble(ending, started.task)
            self.tell()
            if ending.stop:
                break
        return self.ended

    def run(self, session: sessions.Session, task: Task) -> Ending:
        """One session on its task, from the first unit to the end of the wrap."""
        claim = claim_of(self.control, session)
        meter = self.quota.meter(
            session=session.name, task=task.name, agent=self.agent, kind=task.kind, declared=task.unit_estimate
        )
        self.say(f"{session.name}: {task.name} ({task.kind})")
        with alive(self.control.root, session.name), self._beating(claim) as beat:
            try:
                ending = self.drive(session, task, claim, meter, beat)
                self.works.close()
                how = {"how": ending.how, "why": ending.why, "reason": ending.reason, "wait_s": ending.wait_s}
                wrapped = wrap(self._wrapping(session.name, meter), **how)  # type: ignore[arg-type]  # of an ending
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

    def drive(
        self, session: sessions.Session, task: Task, claim: Claim, meter: QuotaMeter, beat: threading.Event
    ) -> Ending:
        """Ask the task's job for one unit after another, until something says stop."""
        self._say_what_is_adjusted(session, task)
        before = task.units
        try:
            for attempt in range(LOCK_TRIES):
                try:
                    return self._drain(session, task, claim, meter, beat)
                except StoreLockedError as error:
                    if attempt + 1 == LOCK_TRIES:
                        raise
                    self._wait_for_store(session, error, attempt)
        except HardStop as stop:
            worked = fetch(self.control, task.name).units - before
            return self._stopped(
                HARD_STOPPED, f"stopped at a limit, the open unit was rolled back: {stop}", worked, None
            )
        except KeyboardInterrupt:
            return Ending(INTERRUPTED, "interrupted; the open unit was rolled back")
        except FencedOffError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a unit dies of, it is rolled back, booked and tried again
            if outside := of_the_outside(error):  # not the task's fault: save and go
                self._log_error(session, error)
                return Ending(INTERRUPTED, f"{outside.replace('_', ' ')}: {error}", outside, stop=True)
            self._log_error(session, error)
            if isinstance(error, RateLimitedError):
                return Ending(FAILED, self.control.redactor.clean(str(error)), RATE_LIMITED, error.retry_after_s)
            return self._failed(claim, error)
        raise AssertionError("the loop above returns or raises")

    def _drain(
        self, session: sessions.Session, task: Task, claim: Claim, meter: QuotaMeter, beat: threading.Event
    ) -> Ending:
        withdraw(self.control, self.works)
        settle(self.control, self.works, task=task.name)
        before, task, at = task.units, fetch(self.control, task.name), self.works.mark()
        clock, worked = ClockWatch(self.control.now, self.monotonic), task.units - before
        units = self.works.units(task, claim, meter, had(self.control, task))
        while True:
            if beat.is_set():
                holding.heartbeat(self.control, claim)  # says who took the task
            if jumped := clock.jumped():
                return self._after_a_jump(session, claim, jumped)
            if worked and BANDS.index(meter.band()) >= BANDS.index(WRAP):
                return Ending(THRESHOLD, f"a limit is at {meter.band().replace('_', ' ')}")
            refused = meter.begin_unit()
            if refused is not None:
                return self._stopped(THRESHOLD, refused.why, worked, refused)
            progress = self._next(units, meter)
            if progress is None:
                return self._done(claim)
            at = book(self.control, self.works, claim, progress, at)
            worked += 1
            self.say(f"  {progress.job}: {progress.unit}, {progress.done:,} of {progress.total:,}")
            if "new" in progress.counts:
                self._commit_if_due(session)
            self.look()

    def _tell_of_trouble(self, ending: Ending, task: Task) -> None:
        """Once in six hours: a service comes again every few minutes as long as it lasts."""
        told, now = f"mining stopped: {ending.reason.replace('_', ' ')}", self.control.now()
        with suppress(MotherlodeError):  # no room for a notice either: the terminal has it
            before = [e for e in self.control.events(event=NOTICE) if e["detail"]["text"] == told]
            if not before or abs(now - moment(before[-1]["at"])) > timedelta(hours=6):
                notice(self.control, told, task=task.name, level="failure")

    def _commit_if_due(self, session: sessions.Session) -> None:
        """At its thresholds; a store that is busy is committed after the next unit."""
        settings = self.workspace.settings.git
        why = commits.due(self.control, settings, commits.Reached.of(self.works.query)) if settings.enabled else None
        if why is not None:
            self.works.close()
            commit_between(self._wrapping(session.name), why)

    def _wait_for_store(self, session: sessions.Session, error: Exception, attempt: int) -> None:
        wait = LOCK_WAIT_S * 2**attempt * (0.5 + self.jitter())
        self.control.event(
            "store_locked", session.task, session=session.name,
            detail={"attempt": attempt + 1, "wait_s": round(wait, 1), "error": str(error)},
        )  # fmt: skip
        self.say(f"  {error} Trying again in {wait:.0f} s")
        self.sleep(wait)

    def _say_what_is_adjusted(self, session: sessions.Session, task: Task) -> None:
        if task.attempts > 1 and (changes := dict(self.works.adjusted(task))):
            detail = {"attempt": task.attempts, **changes}
            self.control.event("adjusted", task.name, session=session.name, detail=detail)
            said = ", ".join(f"{name.replace('_', ' ')} {value:,g}" for name, value in changes.items())
            self.say(f"  attempt {task.attempts}, with {said}")

    def _after_a_jump(self, session: sessions.Session, claim: Claim, by_s: float) -> Ending:
        """The clock was put: nobody worked for that long, retries keep their wait, and a fresh session begins."""
        holding.heartbeat(self.control, claim)
        said = f"the clock jumped by {by_s / 3600:+.1f} h"
        with self.control.transaction():
            before = sessions.get(self.control, session.name).journal.get("clock_s", 0.0)
            sessions.update(self.control, session.name, journal={"clock_s": before + by_s})
            if not self._others_saw(by_s):
                shift_retries(self.control, by_s)
            self.control.event("clock_jumped", session.task, session=session.name, detail={"by_s": round(by_s)})
            notice(self.control, f"{said}; days of quotas follow the clock as it is now", task=session.task)
        return Ending(THRESHOLD, f"{said}; the session ends, the next goes by the new time")

    def _others_saw(self, by_s: float) -> bool:
        """Whether another driver has set the retries right after the same jump."""
        now = self.control.now()
        return any(
            abs(event["detail"]["by_s"] - by_s) < JUMP_S and abs((now - moment(event["at"])).total_seconds()) < 3600
            for event in self.control.events(event="clock_jumped")[-8:]
        )

    def _log_error(self, session: sessions.Session, error: Exception) -> None:
        """Where it happened; the message only where it is our own, because others may quote a pair."""
        own = str(error) if isinstance(error, MotherlodeError) else None
        frames = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
        self.log.write("error", session=session.name, error=type(error).__name__, message=own, frames=frames[-12:])

    def look(self) -> None:
        """Queue what came into the inbox and no unfinished task names."""
        now = self.control.now()
        if self._looked is not None and abs((now - self._looked).total_seconds()) < self.look_s:
            return
        self._looked = now
        with suppress(StoreLockedError):
            files = self.works.arrived()
            if files:
                queue_arrived(self.control, files)

    def _next(self, units: Iterator[Progress], meter: QuotaMeter) -> Progress | None:
        """The next unit with its books closed, whether it was committed or rolled back."""
        try:
            return next(units, None)
        finally:
            meter.end_unit()

    def _done(self, claim: Claim) -> Ending:
        task = fetch(self.control, claim.task)
        if not task.units:  # such as a file that is still being written
            return Ending(FAILED, "nothing could be done yet", "nothing_done")
        if task.done:
            holding.progress(self.control, claim, done=task.done, total=task.done, units=0)
        return Ending(DONE, "the task is done")

    def _failed(self, claim: Claim, error: Exception) -> Ending:
        reason = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__.removesuffix("Error")).lower()
        # only our own messages are known to hold no text of a pair
        why = (
            self.control.redactor.clean(str(error))
            if isinstance(error, MotherlodeError)
            else f"{type(error).__name__} in a unit"
        )
        holding.unit_failed(self.control, claim, why)
        return Ending(FAILED, why, reason)

    def _stopped(self, how: str, why: str, worked: int, refused: Refusal | None) -> Ending:
        """At a limit. A session that could not do one unit waits for the limit to reset, so that it does not spin."""
        if worked:
            return Ending(how, why)
        until = None if refused is None else refused.until
        resets = [at for at in (until, *(s.resets for s in self._full())) if at is not None]
        wait = max(0.0, (min(resets) - self.control.now()).total_seconds()) if resets else None
        return Ending(FAILED, why, "quota" if refused is None or refused.never else QUOTA_FULL, wait)

    def _full(self) -> list[Standing]:
        found = self.quota.standings(agent=self.agent)
        return [standing for standing in found if BANDS.index(standing.band) >= BANDS.index(WRAP)]

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

    @contextmanager
    def _beating(self, claim: Claim) -> Iterator[threading.Event]:
        """Signs of life from a thread, so that a long unit keeps its lease; the event is set when the task is lost."""
        lost, over = threading.Event(), threading.Event()

        def beat() -> None:
            while not over.wait(self.beat_s):
                try:
                    holding.heartbeat(self.control, claim)
                except FencedOffError:
                    lost.set()
                    return
                except MotherlodeError:  # locked for a moment: the next beat comes
                    continue

        if self.beat_s is None:
            yield lost
            return
        thread = threading.Thread(target=beat, daemon=True, name="heartbeat")
        thread.start()
        try:
            yield lost
        finally:
            over.set()
            thread.join()


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


def of_the_outside(error: BaseException) -> str | None:
    """The name of a trouble that no task is to blame for: store_locked, disk_full, read_only; None for all others."""
    if isinstance(error, StoreLockedError):
        return "store_locked"
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, DiskFullError) or number in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return "disk_full"
    if number == errno.EROFS or (isinstance(error, StoreError) and "read-only" in str(error).lower()):
        return "read_only"
    return None


def queue_arrived(control: Control, files: list[str]) -> str | None:
    """Queue the ingest of files in the inbox that no unfinished task is to read; returns the task's name."""
    with control.transaction():  # of several drivers that look at the same time one queues them
        named = {glob.escape(name) for task in tasks.listed(control) for name in _reads(control, task)}
        fresh = [name for name in files if name not in named]
        task_name = f"inbox_{control.now():%Y%m%dT%H%M%SZ}"
        if not fresh or control.value("SELECT 1 FROM tasks WHERE task = ?", (task_name,)):
            return None
        about = f"Read {len(fresh):,} files that came into the inbox"
        tasks.add(control, tasks.Spec(task_name, about, 2, "ingest", {"input": fresh}), actor="etl mine")
    return task_name


def _reads(control: Control, task: Task) -> Iterator[str]:
    if "ingest" not in task.stages or task.status in (COMPLETED, SKIPPED):
        return
    given = task.parameters.get("input") or [inputs.INBOX]
    patterns = [given] if isinstance(given, str) else given
    for path in inputs.matching(patterns, control.root, sessions=task.parameters.get("sessions")):
        if path.is_relative_to(control.root):
            yield path.relative_to(control.root).as_posix()


def _by_hand(task: Task) -> str | None:
    return "it is done by hand ('etl session start')" if task.kind == MANUAL else None


def _holder() -> str:
    return f"etl mine, process {os.getpid()} on {socket.gethostname()}"
