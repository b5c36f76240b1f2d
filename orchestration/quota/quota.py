"""`Quota`: limits over the books. What is used now, whether a unit may start, and what holds a task back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestration.control import books, sessions
from orchestration.control.books import For
from orchestration.control.store import Control, stamp
from orchestration.control.task import Task
from orchestration.quota.limit import ADVICE, EPSILON, Limit
from orchestration.quota.meter import QuotaMeter

if TYPE_CHECKING:
    from orchestration.settings import Settings
    from orchestration.tasks.explaining import Hold

HOURS = "hours"
ENOUGH = 5  # closed units of a kind from which on their history is trusted alone
PERCENTILE = 0.95


@dataclass(frozen=True, slots=True)
class Standing:
    """How one limit stands now. `used` is spent and held together: what others may not count on."""

    limit: Limit
    spent: float
    held: float
    resets: datetime | None

    @property
    def used(self) -> float:
        return self.spent + self.held

    @property
    def share(self) -> float:
        return self.used / self.limit.amount

    @property
    def band(self) -> str:
        return self.limit.band(self.used)

    @property
    def advice(self) -> str:
        return ADVICE[self.band]

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "quota": self.limit.name,
            "resource": self.limit.resource,
            "per": self.limit.per,
            "agent": self.limit.agent,
            "limit": self.limit.amount,
            "spent": self.spent,
            "held": self.held,
            "used": self.used,
            "share": round(self.share, 4),
            "band": self.band,
            "advice": self.advice,
            "resets": None if self.resets is None else stamp(self.resets),
        }


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a unit may not start. `until`: when the limit starts anew; None where the clock alone does not free it.
    `never`: it needs more than there ever is."""

    limit: Limit
    why: str
    until: datetime | None
    never: bool = False


class Quota:
    """The limits of a workspace over its control store. `Quota.from_settings(control, workspace.settings)`."""

    def __init__(self, control: Control, limits: Iterable[Limit]) -> None:
        self.control = control
        self.limits = tuple(limits)
        self._ranks: dict[tuple[str, str], tuple[int, float | None]] = {}  # as they stood at an entry of the ledger
        self._ranked_at = -1

    @classmethod
    def from_settings(cls, control: Control, settings: Settings) -> Quota:
        """The limits of etl.toml."""
        return cls(control, [Limit.from_setting(name, setting) for name, setting in settings.quota.items()])

    def binding(self, resource: str, agent: str | None) -> list[Limit]:
        """The limits on a resource for an agent: its own where it has any, else those for all others."""
        found = [limit for limit in self.limits if limit.resource == resource]
        own = [limit for limit in found if limit.agent is not None and limit.agent == agent]
        return own or [limit for limit in found if limit.agent is None]

    def standing(self, limit: Limit, *, session: str | None = None, own: int | None = None) -> Standing:
        """How a limit stands. `own` is a spending whose holding is left out, because it is asked for by its owner."""
        window = limit.window(self.control.now())
        others = tuple(
            sorted(x.agent for x in self.limits if x.resource == limit.resource and x.agent is not None)
            if limit.agent is None
            else ()
        )
        whose: dict[str, Any] = {"agent": limit.agent, "not_agents": others}
        if limit.per == "session":
            whose["session"] = session or ""
        held = books.held(self.control, limit.resource, occupied=limit.concurrent, **whose)
        if own is not None:
            held -= books.still_held(self.control, own)
        spent = 0.0
        if not limit.concurrent:
            # no upper bound: what is stamped later than now was spent before the clock was put back, and counts
            spent = books.spent(self.control, limit.resource, since=window.start, **whose)
        if limit.resource == HOURS and limit.per == "session" and session:
            spent = max(spent, self._elapsed(session))
        return Standing(limit, spent, max(0.0, held), window.end)

    def standings(
        self, *, session: str | None = None, agent: str | None = None, among: Callable[[Limit], bool] = lambda _: True
    ) -> list[Standing]:
        """How every limit that binds an agent stands, or those `among` them that are asked for."""
        resources = dict.fromkeys(limit.resource for limit in self.limits)
        binding = [limit for name in resources for limit in self.binding(name, agent)]
        return [self.standing(limit, session=session) for limit in binding if among(limit)]

    def unit_cost(
        self, kind: str | None, resource: str, declared: float | None = None, *, at: int | None = None
    ) -> float | None:
        """What one unit of a kind will cost at most, 19 times of 20: 95th percentile (nearest rank) of the last 200.

        With fewer than five closed units the declared estimate counts too, whichever is larger; None when nothing is
        known. `at` is the ledger's newest entry, where it was looked up already.
        """
        closed, rank = self._rank(kind, resource, at) if kind else (0, None)
        if closed >= ENOUGH or declared is None:
            return rank
        return declared if rank is None else max(declared, rank)

    def _rank(self, kind: str, resource: str, at: int | None) -> tuple[int, float | None]:
        """How many closed units there are, and their percentile; looked up once for as long as nothing is spent."""
        at = books.newest_entry(self.control) if at is None else at
        if at != self._ranked_at:
            self._ranks, self._ranked_at = {}, at
        if (kind, resource) not in self._ranks:
            history = sorted(books.unit_costs(self.control, kind, resource))
            rank = history[math.ceil(PERCENTILE * len(history)) - 1] if history else None
            self._ranks[kind, resource] = len(history), rank
        return self._ranks[kind, resource]

    def unit_costs(self, kind: str | None, declared: Mapping[str, float]) -> dict[str, float]:
        """`unit_cost` of every resource that has a limit."""
        at, costs = books.newest_entry(self.control), {}
        for resource in dict.fromkeys(limit.resource for limit in self.limits):
            cost = self.unit_cost(kind, resource, declared.get(resource), at=at)
            if cost is not None:
                costs[resource] = cost
        return costs

    def refusal(self, about: For, declared: Mapping[str, float]) -> Refusal | None:
        """Whether a unit may start now, without holding anything."""
        return self._refusal(about, self.unit_costs(about.kind, declared))

    def _refusal(self, about: For, costs: Mapping[str, float]) -> Refusal | None:
        for resource, cost in costs.items():
            if cost <= 0:
                continue
            for limit in self.binding(resource, about.agent):
                standing = self.standing(limit, session=about.session)
                if standing.used + cost > limit.work * (1 + EPSILON):
                    return _refusal(standing, cost)
        return None

    def admit(self, about: For, declared: Mapping[str, float]) -> dict[str, int] | Refusal:
        """Hold what a unit will likely cost, all of it or nothing; the spendings' numbers a resource."""
        with self.control.transaction():
            costs = self.unit_costs(about.kind, declared)
            refused = self._refusal(about, costs)
            if refused is not None:
                return refused
            return {
                resource: books.reserve(
                    self.control, resource, cost, about=about, source="declared" if resource in declared else "history"
                )
                for resource, cost in costs.items()
                if cost > 0
            }

    def meter(
        self,
        *,
        session: str | None = None,
        task: str | None = None,
        agent: str | None = None,
        kind: str | None = None,
        declared: Mapping[str, float] | None = None,
    ) -> QuotaMeter:
        """A meter for a job; `declared` is what one unit is estimated to cost (`Task.unit_estimate`)."""
        return QuotaMeter(self, For(session, task, agent, kind), declared or {})

    def refuse(self, task: Task, *, session: str | None = None, agent: str | None = None) -> str | None:
        """For `claim(refuse=…)`: why no unit of a task may start now, None when one may."""
        about = For(session, task.name, agent or task.agent, task.kind)
        refused = self.refusal(about, task.unit_estimate)
        return None if refused is None else refused.why

    def holds(self, task: Task, *, session: str | None = None, agent: str | None = None) -> Sequence[Hold]:
        """For `explain(quotas=…)`: the limits without room for one unit of a task."""
        from orchestration.tasks.explaining import Hold

        about = For(session, task.name, agent or task.agent, task.kind)
        refused = self.refusal(about, task.unit_estimate)
        return [] if refused is None else [Hold("quota", refused.why, refused.until)]

    def _elapsed(self, session: str) -> float:
        found = sessions.get(self.control, session)
        jumped: float = found.journal.get(
            "clock_s", 0.0
        )  # by which the clock was put while it ran: nobody worked that long
        return (((found.ended or self.control.now()) - found.started).total_seconds() - jumped) / 3600


def _refusal(standing: Standing, cost: float) -> Refusal:
    limit = standing.limit
    room = max(0.0, limit.work - standing.used)
    why = (
        f"{limit.name}: a unit needs {cost:,.6g} {limit.resource}, "
        f"{room:,.6g} are left of the {limit.work:,.6g} for work"
    )
    if cost > limit.work * (1 + EPSILON):
        return Refusal(limit, f"{why}; it never fits: raise the limit or make the units smaller", None, never=True)
    if limit.concurrent:
        return Refusal(limit, f"{why}; free when something that runs ends", None)
    if limit.per == "session":
        return Refusal(limit, f"{why}; a new session starts from zero", None)
    return Refusal(limit, why, standing.resets)
