"""The simulated months near capacity: as much is queued as the quotas let through, and nothing waits for ever.

What a task may wait is worked out from the providers' calendars and the queue alone: the days that everything takes
which goes before it, at the rate that the daily limits allow, and a margin. Work that is under way is not interrupted,
so it goes before too. A task that is for one agent may get no more than that agent's share.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from simulated import AGENTS, LIMITS, BrokenError, Driver, Work, World

from orchestration.control.store import moment
from orchestration.control.task import Task

LOAD = 0.9  # of what the limit on requests lets through
MARGIN, DAYS = 1.5, 2.0  # costs vary, calls fail, drivers die; and the day that is running is spent
REQUESTS = next(limit for limit in LIMITS if limit.resource == "requests")
A_DAY = REQUESTS.amount * REQUESTS.wrap - 4  # the last unit of a day has to fit at its 95th percentile


@dataclass
class Turn:
    """When a task came, began and ended, and its place in the queue."""

    rank: tuple[int, datetime, str]
    work: Work
    began: datetime | None = None


class BusyWorld(World):
    """Arrivals that keep up with the quotas, and a bound on every wait."""

    def __init__(self, seed: int, root: Path, *, days: int) -> None:
        super().__init__(seed, root, days=days)
        self.began_at, self.queued = self.at, 0.0
        self.turns: dict[str, Turn] = {}
        self.ended: dict[str, datetime] = {}

    @property
    def patience(self) -> float:
        """Days in which what is queued at the end must be done."""
        return DAYS + MARGIN * len(AGENTS) * self._before(None, self.end, self.at) / A_DAY + 7

    def _cost(self) -> dict[str, float]:
        return {name: amount for name, amount in super()._cost().items() if name != "tokens"}

    def _arrivals(self) -> None:
        if self.random.random() < 0.5:
            return  # so that what comes, comes in heaps
        wanted = LOAD * A_DAY * (self.at - self.began_at) / timedelta(days=1)
        while self.queued < wanted:
            self._add()
            work = list(self.works.values())[-1]
            if work.every is None:
                self.queued += work.items * work.cost["requests"]
            else:  # takes its part every day
                wanted -= work.items * work.cost["requests"] * (self.at - work.born) / work.every

    def commit(self, work: Work, item: int, claim: object) -> None:
        super().commit(work, item, claim)  # type: ignore[arg-type]  # a claim there
        if work.every is None and len(work.done) == work.items:
            self.ended[work.name] = self.at

    def check_claim(self, driver: Driver, claimed: Task) -> None:
        super().check_claim(driver, claimed)
        work = self.works[claimed.name]
        turn = self.turns.setdefault(claimed.name, Turn((claimed.priority, work.born, claimed.name), work))
        if turn.began is not None or work.every is not None:
            turn.began = turn.began or self.at
            return
        turn.began = self.at
        met = self.control.value("SELECT max(met) FROM task_dependencies WHERE task = ?", (claimed.name,))
        ready = max(work.born, work.born if met is None else moment(met))
        share = 1 if claimed.agent is None else len(AGENTS)
        before = self._before(turn.rank, ready, self.at)
        waited, allowed = (self.at - ready) / timedelta(days=1), DAYS + MARGIN * share * before / A_DAY
        self.count["waited more than a day"] += waited > 1
        self.count["longest wait in hours"] = max(self.count["longest wait in hours"], round(24 * waited))
        self.count["nearest to its bound, per cent"] = max(
            self.count["nearest to its bound, per cent"], round(100 * waited / allowed)
        )
        if waited > allowed:
            raise BrokenError(
                f"{claimed.name} (priority {claimed.priority}, agent {claimed.agent}) waited {waited:.1f} days; what "
                f"went before it are {before:.0f} requests, so {allowed:.1f} days are its bound"
            )

    def _before(self, rank: tuple[int, datetime, str] | None, since: datetime, until: datetime) -> float:
        """Requests of everything that goes before a place in the queue (None: of everything) in a span of time."""
        total = 0.0
        rows = self.control.rows("SELECT task, priority FROM tasks")
        priorities = {row["task"]: row["priority"] for row in rows}
        for name, work in self.works.items():
            if work.every is None and self.ended.get(name, until) < since:
                continue
            turn = self.turns.get(name)
            under_way = turn is not None and turn.began is not None and turn.began <= since
            first = rank is None or (priorities[name], work.born, name) < rank
            if under_way or first:
                rounds = 1.0 if work.every is None else 1 + (until - since) / work.every
                total += work.items * work.cost["requests"] * rounds
        return total


def busy(seed: int, root: Path, *, days: int = 90) -> Counter[str]:
    """One seed's months near capacity; what happened, counted. Raises `BrokenError` for a rule that did not hold."""
    return BusyWorld(seed, root, days=days).run()


__all__ = ["BusyWorld", "busy"]
