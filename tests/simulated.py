"""Months of the real loop in seconds: several drivers, providers with calendars and moods, kills, a locked store.

The loop is the product's own (Miner, Quota, Control); only the clock, the work and the providers are simulated. Each
driver is a thread, of which one runs at a time: it hands on when it sleeps, and whoever wakes first goes next, so that
a seed always gives the same months. A kill ends a driver's control store: nothing that it does afterwards has any
effect, and a new process with new objects takes its place. The providers keep books of their own, with calendars worked
out in another way than the product's, and every rule is checked against these where it could be broken.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from etl.errors import FencedOffError, RateLimitedError, StoreLockedError
from etl.progress import Meter, Progress
from orchestration import tasks
from orchestration.control import Claim, Control, holding
from orchestration.control.task import SELECT, Task
from orchestration.quota import Limit, Quota
from orchestration.session.mine import Miner
from orchestration.session.works import Row
from orchestration.settings import Git, Settings
from orchestration.tasks import Spec
from orchestration.workspace import Workspace

PACIFIC = "America/Los_Angeles"
# weeks from each cross a change of the clocks on the Pacific coast (8 March and 1 November 2026)
STARTS = (datetime(2026, 2, 25, 15, tzinfo=UTC), datetime(2026, 10, 20, 3, tzinfo=UTC))
AGENTS = (None, "alpha", "beta")
LIMITS = (
    Limit("requests a day", "requests", 40, per="day"),
    Limit("texts a day", "texts", 2_500, per="day", zone=PACIFIC),
    Limit("texts of beta", "texts", 1_500, per="day", zone=PACIFIC, agent="beta"),
    Limit("tokens a month", "tokens", 300_000, per="month", zone=PACIFIC),
    Limit("slots", "slots", 2.5, per="concurrent"),
    Limit("hours", "hours", 6, per="session"),
)
A_DAY = {"requests": 30.0, "texts": 1_000.0, "tokens": 8_000.0}  # what the limits surely let through
KINDS = ("assess", "embed", "link")
POLL_S = 6 * 3600.0
WRAP_COST = 2.0  # requests that the check at the end of some tasks takes


Given = ParamSpec("Given")
Found = TypeVar("Found")


def own(method: Callable[Concatenate[World, Given], Found]) -> Callable[Concatenate[World, Given], Found]:
    """The simulation's own work, whose processor time is told apart from the loop's; none calls another."""

    @functools.wraps(method)
    def timed(world: World, *given: Given.args, **named: Given.kwargs) -> Found:
        began = time.thread_time()
        try:
            return method(world, *given, **named)
        finally:
            world.own_s += time.thread_time() - began

    return timed


class Killed(BaseException):
    """The process is gone: no handler of the product sees it, and nothing it does has effect any more."""


class Over(BaseException):
    """The simulation has ended."""


class BrokenError(AssertionError):
    """A rule was broken."""


@dataclass
class Work:
    """What one task is, and what the store has of it: `done` are its items in the order they were committed."""

    name: str
    born: datetime
    items: int
    cost: Mapping[str, float]
    minutes: float
    every: timedelta | None = None
    done: list[int] = field(default_factory=list)

    def there(self, now: datetime) -> int:
        """How many items there are by now: a recurring task gets as many again each time."""
        return self.items if self.every is None else self.items * (1 + (now - self.born) // self.every)


class Mortal(Control):
    """A control store that dies with its process, at a transaction chosen in advance."""

    driver: Driver

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self.driver.live()
        with super()._transaction() as con:
            yield con
            self.driver.live()
        self.driver.live()

    def rows(self, sql: str, parameters: Any = ()) -> list[sqlite3.Row]:
        if self.driver.dead:
            raise Killed
        return super().rows(sql, parameters)


def baton() -> threading.Lock:
    """Handed on by `release`, waited for by `acquire`; a plain lock is several times as quick as a semaphore."""
    lock = threading.Lock()
    lock.acquire()
    return lock


class Driver:
    """One place where `etl mine --forever` runs, again and again."""

    def __init__(self, world: World, agent: str | None) -> None:
        self.world, self.agent = world, agent
        self.baton = baton()
        self.dead = False
        self.fuse = 0  # transactions left to live; 0: no end in sight
        self.claim: Claim | None = None
        self.stalled = False
        self.beat_at = world.at
        self.idle = False
        self.turn = 0
        self.thread = threading.Thread(target=self._live_long, daemon=True)

    def live(self) -> None:
        """One more step of the process, which may be its last."""
        if self.dead:
            raise Killed
        if self.fuse:
            self.fuse -= 1
            if not self.fuse:
                self.die()

    def die(self) -> None:
        self.dead = True
        self.world.count["kills"] += 1
        raise Killed

    def sleep(self, seconds: float) -> None:
        """The process sleeps or works, others run."""
        if self.dead:
            raise Killed
        self.world.pause(self, seconds)

    def nap(self, seconds: float) -> None:
        """Handed to the loop: it sleeps when it has nothing to do, or waits for a store."""
        self.idle = True
        self.world.check_idle(self, seconds)
        try:
            self.sleep(seconds)
        finally:
            self.idle = False

    def _live_long(self) -> None:
        world = self.world
        self.baton.acquire()
        try:
            while True:
                with suppress(Killed, StoreLockedError):
                    self._mine()
                self.dead, self.claim, self.fuse, self.stalled = False, None, 0, False
                world.pause(self, world.random.choice((5, 30, 90, 600)))
        except Over:
            pass
        except BaseException as error:  # noqa: BLE001 - told in the thread of the test
            world.failure = world.failure or error
        world.gone(self)

    def _mine(self) -> None:
        world = self.world
        control = Mortal.open(world.root, now=world.now)
        control.driver = self
        self.control = control
        if world.troubled and world.random.random() < 0.3:
            self.fuse = world.random.randrange(1, 1500)
        try:
            Miner(
                control, world.workspace, Place(world, self), Quota(control, LIMITS), agent=self.agent, sleep=self.nap,
                say=lambda _: None, beat_s=None, poll_s=POLL_S, jitter=world.random.random,
            ).mine(forever=True)  # fmt: skip
        finally:
            control.close()


class Place:
    """The works as one process sees them: what is committed goes to the world."""

    def __init__(self, world: World, driver: Driver) -> None:
        self.world, self.driver = world, driver
        self.meter: Meter | None = None

    def missing(self, task: Task) -> str | None:
        work = self.world.works[task.name]
        if task.units or task.done or len(work.done) < work.there(self.world.at):
            return None
        return "nothing is pending"

    def units(self, task: Task, claim: Claim, meter: Meter, had: Mapping[str, Mapping[str, int]]) -> Iterator[Progress]:
        world, driver, work = self.world, self.driver, self.world.works[task.name]
        driver.claim, self.meter = claim, meter
        world.check_claim(driver, task)
        while len(work.done) < work.there(world.at):
            item = len(work.done)
            for resource, amount in work.cost.items():
                amount = world.varied(resource, amount)
                meter.spend(resource, amount)
                driver.live()
                world.provide(resource, amount, self.driver.agent)
            world.mood(driver)
            driver.sleep(work.minutes * 60 * world.random.uniform(0.5, 1.5))
            driver.live()
            world.locked()
            if len(work.done) > item:  # somebody else did it: what is pending is looked at again inside
                continue
            world.commit(work, item, claim)
            driver.live()
            yield Progress("work", f"{task.name} {item}", len(work.done), work.there(world.at), {"n": 1})

    def mark(self) -> int:
        return len(self.world.ledger)

    def rows(self, task: Task, after: int) -> list[Row]:
        self.world.locked()
        return [row for row in self.world.ledger[after:] if row.task == task.name]

    def owned(self, after: int) -> list[Row]:
        self.world.locked()
        return self.world.ledger[after:]

    def digests(self, seqs: Sequence[int]) -> Mapping[int, str]:
        return {seq: self.world.ledger[seq - 1].digest for seq in seqs if 0 < seq <= len(self.world.ledger)}

    def tokens(self) -> Mapping[str, int]:
        return self.world.tokens

    def query(self, sql: str) -> object:
        """Asked in a wrap: where a check is declared it costs something at a provider."""
        if sql == "check" and self.meter is not None:
            self.driver.sleep(60)
            self.meter.spend("requests", WRAP_COST)
            self.driver.live()
            self.world.provide("requests", WRAP_COST, self.driver.agent, wrap=True)
        return 1

    def adjusted(self, task: Task) -> Mapping[str, Any]:
        return {}

    def arrived(self) -> list[str]:
        return []

    def close(self) -> None:
        pass


class World:
    """The clock, the store, the providers, and the user who adds tasks and retries what was parked."""

    def __init__(self, seed: int, root: Path, *, days: int) -> None:
        self.seed, self.root, self.random = seed, root, random.Random(seed)
        self.at = STARTS[seed % len(STARTS)]
        self.end = self.at + timedelta(days=days)
        self.works: dict[str, Work] = {}
        self.ledger: list[Row] = []
        self.tokens: dict[str, int] = {}
        self.used: Counter[tuple[str, str | None, str]] = Counter()  # (limit, agent, its day or month)
        self.count: Counter[str] = Counter()
        self.own_s = 0.0
        self.failure: BaseException | None = None
        self.troubled = True
        self.workspace = Workspace(root, Settings(git=Git(enabled=False)))
        self.control = Control.open(root, now=self.now)
        self.quota = Quota(self.control, LIMITS)
        self.drivers = [Driver(self, agent) for agent in AGENTS]
        self.queue: list[tuple[datetime, int, Driver | None]] = []
        self.order = itertools.count()
        self.main = baton()
        self.living = list(self.drivers)
        self.over = False
        self.locked_until = self.at
        self.left: float | None = None  # days that what is not done takes when the last task has come

    def now(self) -> datetime:
        return self.at

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> Counter[str]:
        """From the first day until all is done; raises what broke."""
        self._wake(None, self.at)
        for driver in self.drivers:
            driver.thread.start()
            self._wake(driver, self.at)
        self._next()
        self.main.acquire()
        for driver in self.drivers:
            driver.thread.join()
        self.control.close()
        if self.failure is not None:
            raise self.failure
        return self.count

    def pause(self, driver: Driver, seconds: float) -> None:
        self._wake(driver, self.at + timedelta(seconds=seconds))
        self._next()
        driver.baton.acquire()
        if self.failure is not None or self.over:
            raise Over

    def gone(self, driver: Driver) -> None:
        """The last thing that a driver's thread does."""
        self.living.remove(driver)
        self.over = True
        (self.living[0].baton if self.living else self.main).release()

    def _wake(self, driver: Driver | None, at: datetime) -> None:
        number = next(self.order)
        if driver is not None:
            driver.turn = number  # a later one takes the place of an earlier
        heapq.heappush(self.queue, (at, number, driver))

    def _next(self) -> None:
        """Hand the baton to whoever wakes first; the user's turn is taken here."""
        while not self.over:
            at, number, driver = heapq.heappop(self.queue)
            if driver is not None and driver.turn != number:
                continue  # was woken before
            self.at = max(self.at, at)
            if driver is not None:
                self._beat()
                driver.baton.release()
                return
            try:
                self._user()
            except BaseException as error:  # noqa: BLE001 - told in the thread of the test
                self.failure = self.failure or error
                self.over = True
        self.living[0].baton.release()

    def _beat(self) -> None:
        """What the heartbeat threads would have done by now."""
        for driver in self.drivers:
            claim = driver.claim
            if claim is None or driver.dead or driver.stalled or self.at - driver.beat_at < timedelta(seconds=15):
                continue
            driver.beat_at = self.at
            try:
                holding.heartbeat(self.control, claim)
            except FencedOffError:  # given back or taken over: its thread ends
                driver.claim = None

    def poke(self) -> None:
        """Something changed: who idles looks now, as a poll a minute would."""
        for driver in self.drivers:
            if driver.idle:
                self._wake(driver, self.at)

    # ── the user ─────────────────────────────────────────────────────────────────────────────────────────────

    def _user(self) -> None:
        """A few times a day: adds tasks while there are days left, retries what was parked."""
        for task in tasks.listed(self.control, status="parked"):
            self.count[f"parked: {task.reason}"] += 1
            if task.attempts < 3 and task.reason != "holder_died":
                raise BrokenError(f"{task.name} was parked after {task.attempts} attempts: {task.detail}")
            tasks.retry(self.control, task.name)
        if self.at < self.end:
            self._arrivals()
        else:
            self.troubled = False
            open_ = [t for t in tasks.listed(self.control) if t.status != "completed" and t.every is None]
            if not open_ and self.at > self.end + timedelta(days=1):
                self.check_books()
                self.over = True
                return
            if self.at > self.end + timedelta(days=self.patience):
                told = [(t.name, t.status, t.agent, t.detail, self.quota.refuse(t, agent=t.agent)) for t in open_]
                raise BrokenError(f"starved: {told}")
        self.check_day()
        self.poke()
        self._wake(None, min(self.at + timedelta(hours=10), *(self._resets())))

    @property
    def patience(self) -> float:
        """Days after the last arrival in which all must be done: 40, and three times what the quotas need for what is
        left, because costs vary, recurring tasks take their part, and one agent's quota is less."""
        if self.left is None:
            open_ = [one for one in self.works.values() if one.every is None]
            self.left = max(
                sum(one.cost.get(resource, 0.0) * (one.items - len(one.done)) for one in open_) / a_day
                for resource, a_day in A_DAY.items()
            )
        return 40 + 3 * self.left

    def _arrivals(self) -> None:
        for _ in range(self.random.choice((0, 0, 0, 0, 1, 1, 2))):
            self._add()

    def _resets(self) -> Iterator[datetime]:
        """Just after the next midnights of the providers."""
        for zone in (ZoneInfo("UTC"), ZoneInfo(PACIFIC)):
            day = self.at.astimezone(zone).date() + timedelta(days=1)
            yield datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) + timedelta(seconds=1)

    def _add(self) -> None:
        rnd, name = self.random, f"t{len(self.works):04}"
        every = timedelta(days=rnd.choice((1, 7))) if len(self.works) < 3 else None
        items = rnd.choice((1, 2) if every else (1, 2, 3, 5, 8))
        cost = self._cost()
        needs = rnd.sample(sorted(self.works)[-6:], k=min(len(self.works), rnd.choice((0, 0, 1, 2))))
        needs = [] if every else [need for need in needs if self.works[need].every is None]
        self.works[name] = Work(name, self.at, items, cost, rnd.choice((2.0, 10.0, 40.0)), every)
        estimate = {resource: amount * items for resource, amount in cost.items()} if rnd.random() < 0.8 else {}
        estimate["slots"] = items
        tasks.add(
            self.control,
            Spec(
                name, kind=rnd.choice(KINDS), priority=9 if every else rnd.choice((1, 5, 5, 9)), needs=needs,
                estimate=estimate, total=items, every=every, agent=rnd.choice((None, None, None, "alpha", "beta")),
                check_query="check" if rnd.random() < 0.3 else None,
            ),
        )  # fmt: skip
        self.count["tasks"] += 1

    def _cost(self) -> dict[str, float]:
        """What one item takes."""
        rnd = self.random
        cost = {"requests": float(rnd.choice((1, 1, 3)))}
        if rnd.random() < 0.6:
            cost["texts"] = float(rnd.choice((50, 200, 400)))
        if rnd.random() < 0.5:
            cost["tokens"] = float(rnd.choice((200, 1_000, 2_000)))
        return cost | {"slots": 1.0}

    # ── troubles ─────────────────────────────────────────────────────────────────────────────────────────────

    def varied(self, resource: str, amount: float) -> float:
        """A unit costs about what was thought, now and then much more."""
        if resource == "slots" or self.random.random() < 0.7:
            return amount
        return round(amount * self.random.choice((0.5, 0.9, 1.2, 1.5)))

    def mood(self, driver: Driver) -> None:
        """What a unit may die of."""
        if not self.troubled:
            return
        dice = self.random.random()
        if dice < 0.01:
            driver.die()
        elif dice < 0.03:
            self.count["429s"] += 1
            raise RateLimitedError("429: too many requests", retry_after_s=self.random.choice((20, 120, 1800)))
        elif dice < 0.04:
            raise ValueError("text of a pair")
        elif dice < 0.045:  # a laptop that is closed: no signs of life, others take over
            driver.stalled = True
            driver.sleep(self.random.choice((70, 400, 4000)))
            driver.stalled = False

    def locked(self) -> None:
        if self.troubled and self.random.random() < 0.004:
            self.count["locked"] += 1
            self.locked_until = self.at + timedelta(seconds=self.random.choice((1, 8, 120)))
        if self.at < self.locked_until:
            raise StoreLockedError("the store is held by somebody else")

    # ── the store and the providers, and what must never be ──────────────────────────────────────────────────

    @own
    def commit(self, work: Work, item: int, claim: Claim) -> None:
        """One unit with its row of the ledger; fenced."""
        if self.tokens.get(work.name, 0) > claim.token:
            raise FencedOffError(f"task {work.name} was taken over")
        self.tokens[work.name] = claim.token
        if item in work.done:
            raise BrokenError(f"{work.name} did item {item} twice")
        unmet = self.control.value(
            "SELECT count(*) FROM task_dependencies WHERE task = ? AND met IS NULL", (work.name,)
        )
        if unmet:
            raise BrokenError(f"{work.name} was worked on before what it needs")
        work.done.append(item)
        seq = len(self.ledger) + 1
        row = Row(seq, "work", f"{work.name} {item}", {"n": 1}, f"digest {seq}", work.name, claim.token)
        self.ledger.append(row)
        self.count["units"] += 1

    @own
    def provide(self, resource: str, amount: float, agent: str | None, *, wrap: bool = False) -> None:
        """A call reaches its provider, who counts by his own calendar."""
        own = [limit for limit in LIMITS if limit.resource == resource and limit.agent and limit.agent == agent]
        for limit in own or [limit for limit in LIMITS if limit.resource == resource and limit.agent is None]:
            if limit.per not in ("day", "month"):
                continue
            local = self.at.astimezone(ZoneInfo(limit.zone))
            key = (limit.name, limit.agent, local.strftime("%Y-%m-%d" if limit.per == "day" else "%Y-%m"))
            self.used[key] += amount
            bound = limit.panic if wrap else limit.hard_stop
            if self.used[key] >= limit.amount * bound + 1e-6:
                raise BrokenError(f"{limit.name}: {self.used[key]} of {limit.amount} in {key[2]}, wrap: {wrap}")

    def _room(self, driver: Driver, task: Task) -> bool:
        """Whether a unit of a task fits now, by the raw books and a calendar of our own."""
        costs = self.quota.unit_costs(task.kind, task.unit_estimate)
        for limit in LIMITS:
            cost = costs.get(limit.resource, 0.0)
            mine = limit.agent is None or limit.agent == driver.agent
            if not cost or not mine or (limit.agent is None and limit.resource == "texts" and driver.agent == "beta"):
                continue
            whose = {"texts": "agent IS NOT 'beta'" if limit.agent is None else "agent = 'beta'"}.get(
                limit.resource, "true"
            )
            held = "max(reserved, observed)" if limit.concurrent else "max(0, reserved - observed)"
            used = self.control.value(
                f"SELECT coalesce(sum({held}), 0) FROM holds WHERE resource = ? AND {whose}", (limit.resource,)
            )
            if limit.per in ("day", "month"):
                day = self.at.astimezone(ZoneInfo(limit.zone)).replace(hour=0, minute=0, second=0, microsecond=0)
                day = day.replace(day=1) if limit.per == "month" else day
                used += self.control.value(
                    f"""
                    SELECT coalesce(sum(amount), 0) FROM usage
                    WHERE stage <> 'reserved' AND resource = ? AND spent_at >= ? AND {whose}
                    """,
                    (limit.resource, day.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
                )
            if used + cost > limit.amount * limit.wrap * (1 + 1e-9):
                return False
        return True

    def _workable(self, driver: Driver, task: Task) -> bool:
        if task.agent not in (None, driver.agent) or task.unmet or task.status not in ("ready", "waiting"):
            return False
        if task.not_before is not None and task.not_before > self.at:
            return False
        work = self.works[task.name]
        if not task.units and len(work.done) >= work.there(self.at):
            return False
        return self._room(driver, task)

    def _open(self) -> list[Task]:
        """What nobody works on and no dependency holds back."""
        found = self.control.rows(
            f"""
            {SELECT} WHERE t.status IN ('ready', 'waiting')
            AND NOT EXISTS (SELECT 1 FROM task_dependencies d WHERE d.task = t.task AND d.met IS NULL)
            """
        )
        return [Task.from_row(row) for row in found]

    @own
    def check_idle(self, driver: Driver, seconds: float) -> None:
        """The loop sleeps only when no task that it may have can do its next unit."""
        self.count["naps"] += 1
        if seconds < POLL_S - 1:
            return  # waits for a locked store
        for task in self._open():
            if self._workable(driver, task):
                raise BrokenError(f"{driver.agent} idles at {self.at} though {task.name} ({task.status}) could go on")

    @own
    def check_claim(self, driver: Driver, claimed: Task) -> None:
        """No task that was ready and had room was passed over for one that comes after it."""
        self.count["sessions"] += 1
        rank = self._rank(claimed, claims=1)
        for task in self._open():
            if task.status == "ready" and self._rank(task) < rank and self._workable(driver, task):
                raise BrokenError(f"{claimed.name} was taken before {task.name}")

    def _rank(self, task: Task, *, claims: int = 0) -> tuple[int, datetime, str]:
        """Where a task stood in the queue before the last so many claims of it: what recurs goes behind, once taken."""
        if task.every is None:
            return task.priority, task.due, task.name
        taken = self.control.events(task.name, event="claimed", newest=claims + 1)
        before = [datetime.fromisoformat(event["at"]) for event in taken[: len(taken) - claims]]
        return task.priority, max([task.due, *before]), task.name

    @own
    def check_day(self) -> None:
        """The loop's books against the providers': whatever was called was booked before."""
        for (name, _, day), used in self.used.items():
            limit = next(one for one in LIMITS if one.name == name)
            local = self.at.astimezone(ZoneInfo(limit.zone)).strftime("%Y-%m-%d" if limit.per == "day" else "%Y-%m")
            if day == local:
                booked = self.quota.standing(limit).used
                if booked + 1e-6 < used:
                    raise BrokenError(f"{name}: the books say {booked}, the provider {used}")

    @own
    def check_books(self) -> None:
        """At the end each unit is booked once, by the session that did it, and nothing is held."""
        events = self.control.events(event="unit")
        seqs = sorted(event["detail"]["seq"] or 0 for event in events)
        if seqs != list(range(1, len(self.ledger) + 1)):
            lost = sorted(set(range(1, len(self.ledger) + 1)) - set(seqs))
            raise BrokenError(f"booked {len(seqs)} of {len(self.ledger)} units, lost {lost[:5]}")
        whose = {row["session"]: (row["task"], row["token"]) for row in self.control.rows("SELECT * FROM sessions")}
        for event in events:
            row = self.ledger[event["detail"]["seq"] - 1]
            if whose[event["session"]] != (row.task, row.token):
                raise BrokenError(f"unit {row.seq} was booked to {event['session']}")
        for work in self.works.values():
            if work.done != list(range(len(work.done))) or (work.every is None and len(work.done) != work.items):
                raise BrokenError(f"{work.name} has {work.done} of {work.items}")
        for row in self.control.rows("SELECT task, grade, done, units FROM tasks WHERE every_s IS NULL"):
            if (row["done"], row["units"]) != (self.works[row["task"]].items,) * 2 or row["grade"] is None:
                raise BrokenError(f"the books of {row['task']} say {tuple(row)}")
        for session, resource, amount in self._wraps():
            if amount > 0.1 * next(one.amount for one in LIMITS if one.resource == resource):
                raise BrokenError(f"the wrap of {session} took {amount} {resource}")

    def _wraps(self) -> list[tuple[str, str, float]]:
        """What sessions spent after their wrap had begun."""
        found = self.control.rows(
            """
            SELECT u.session, u.resource, sum(u.amount) FROM usage u
            JOIN task_events e ON e.session = u.session AND e.event = 'session_wrapping'
            WHERE u.stage = 'observed' AND u.at > e.at GROUP BY u.session, u.resource
            """
        )
        return [tuple(row) for row in found]


def simulated(seed: int, root: Path, *, days: int = 90) -> Counter[str]:
    """One seed's months; what happened, counted. Raises `BrokenError` for a rule that did not hold."""
    return World(seed, root, days=days).run()


def timed(seed: int, root: Path, *, days: int = 90) -> tuple[Counter[str], float]:
    """The same, and the processor seconds that went into the simulation's own books, providers and checks."""
    world = World(seed, root, days=days)
    return world.run(), world.own_s


__all__ = ["BrokenError", "World", "simulated", "timed"]
