"""The loop: claim a task, drive its job unit by unit under quotas, wrap, and go on with the next session.

A session ends when its task is done, when a limit's wrap band is reached, when no further unit fits, or when a unit
fails; then it is wrapped. Stopping is not asking for the next unit, resuming is calling the job again.
"""

from __future__ import annotations

import glob
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from etl.errors import DiskFullError, FencedOffError, HardStop, MotherlodeError, StoreLockedError
from etl.progress import Progress
from orchestration import tasks
from orchestration.control import Claim, Control, holding, inputs, sessions
from orchestration.control.claims import LEASE_S
from orchestration.control.sessions import DIED
from orchestration.control.store import moment
from orchestration.control.task import COMPLETED, MANUAL, SKIPPED, Task, fetch
from orchestration.quota import BANDS, WRAP, Quota, QuotaMeter, Standing
from orchestration.session.recover import alive, book, had, recover, withdraw
from orchestration.session.start import DRIVEN, NothingReadyError, begin, claim_of
from orchestration.session.works import Works
from orchestration.session.wrap import DONE, FAILED, HARD_STOPPED, INTERRUPTED, THRESHOLD, Wrapping, wrap
from orchestration.workspace import Workspace

POLL_S = 60.0
LOOK_S = 30.0  # between two looks at the inbox


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
    ended: list[sessions.Session] = field(default_factory=list)
    _looked: datetime | None = None

    def mine(self, *, limit: int | None = None, forever: bool = False) -> list[sessions.Session]:
        """Sessions one after another: `limit` of them, until no task is ready, or for ever; returns those wrapped."""
        for name in recover(self.control, self.works, self._wrapping("")):
            self.say(f"{name} was cut short; its books were brought up to date from the ledger")
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
            if self.run(started.session, started.task).stop:
                break
        return self.ended

    def run(self, session: sessions.Session, task: Task) -> Ending:
        """One session on its task, from the first unit to the end of the wrap."""
        claim = claim_of(self.control, session)
        self.say(f"{session.name}: {task.name} ({task.kind})")
        with alive(self.control.root, session.name), self._beating(claim) as beat:
            try:
                ending = self.drive(session, task, claim, beat)
                self.works.close()
                how = {"how": ending.how, "why": ending.why, "reason": ending.reason, "wait_s": ending.wait_s}
                wrapped = wrap(self._wrapping(session.name), **how)  # type: ignore[arg-type]  # the fields of an ending
            except FencedOffError as error:  # somebody else has the task: nothing here is ours to wrap
                sessions.update(self.control, session.name, state=DIED, journal={"ending": {"why": str(error)}})
                self.say(str(error))
                return Ending(FAILED, str(error))
        self.ended.append(wrapped)
        self.say(f"{session.name}: {ending.why}; task {wrapped.journal['wrap']['queue']['task']}")
        if ending.how == INTERRUPTED and not ending.stop:
            raise KeyboardInterrupt
        return ending

    def drive(self, session: sessions.Session, task: Task, claim: Claim, beat: threading.Event) -> Ending:
        """Ask the task's job for one unit after another, until something says stop."""
        meter = self.quota.meter(
            session=session.name, task=task.name, agent=self.agent, kind=task.kind, declared=task.unit_estimate
        )
        worked = 0
        try:
            withdraw(self.control, self.works)
            task, at = fetch(self.control, task.name), self.works.mark()
            journal = {"seq": at, "digest": self.works.digests([at]).get(at, "")}
            sessions.update(self.control, session.name, journal=journal)
            units = self.works.units(task, claim, meter, had(self.control, task))
            while True:
                if beat.is_set():
                    holding.heartbeat(self.control, claim)  # says who took the task
                if worked and BANDS.index(meter.band()) >= BANDS.index(WRAP):
                    return Ending(THRESHOLD, f"a limit is at {meter.band().replace('_', ' ')}")
                refused = meter.begin_unit()
                if refused is not None:
                    return self._stopped(THRESHOLD, refused.why, worked, refused.until)
                progress = self._next(units, meter)
                if progress is None:
                    return self._done(claim)
                at = book(self.control, self.works, claim, progress, at)
                worked += 1
                self.say(f"  {progress.job}: {progress.unit}, {progress.done:,} of {progress.total:,}")
                self.look()
        except HardStop as stop:
            return self._stopped(
                HARD_STOPPED, f"stopped at a limit, the open unit was rolled back: {stop}", worked, None
            )
        except KeyboardInterrupt:
            return Ending(INTERRUPTED, "interrupted; the open unit was rolled back")
        except FencedOffError:
            raise
        except (StoreLockedError, DiskFullError) as error:  # not the task's fault: save and go
            return Ending(INTERRUPTED, str(error), stop=True)
        except Exception as error:  # noqa: BLE001 - whatever a unit dies of, it is rolled back, booked and tried again
            return self._failed(claim, error)

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
        from orchestration.secrets import without_secrets

        reason = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__.removesuffix("Error")).lower()
        # only our own messages are known to hold no text of a pair
        why = without_secrets(str(error)) if isinstance(error, MotherlodeError) else f"{type(error).__name__} in a unit"
        holding.unit_failed(self.control, claim, why)
        return Ending(FAILED, why, reason)

    def _stopped(self, how: str, why: str, worked: int, until: datetime | None) -> Ending:
        """At a limit. A session that could not do one unit waits for the limit to reset, so that it does not spin."""
        if worked:
            return Ending(how, why)
        resets = [at for at in (until, *(s.resets for s in self._full())) if at is not None]
        wait = max(0.0, (min(resets) - self.control.now()).total_seconds()) if resets else None
        return Ending(FAILED, why, "quota", wait)

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

    def _wrapping(self, name: str) -> Wrapping:
        return Wrapping(self.control, self.workspace, name, self.works.query, self.works.missing, self.sleep)

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
