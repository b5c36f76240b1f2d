"""`QuotaMeter`: the meter that a job spends through. It books before each call and stops the unit at the hard stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from etl.errors import HardStop
from orchestration.control import books
from orchestration.control.books import For
from orchestration.quota.limit import BANDS, HARD_STOP, PANIC, Limit, worst

if TYPE_CHECKING:
    from orchestration.quota.quota import Quota, Refusal, Standing


class PanicStop(HardStop):
    """Raised when even the reserve of a wrap is nearly used up: save by force and flag what is open."""


class QuotaMeter:
    """An `etl.progress.Meter` under quotas, for one driver.

    `begin_unit` before asking a job for its next unit, `end_unit` after it was committed or rolled back.
    """

    def __init__(self, quota: Quota, about: For, declared: Mapping[str, float]) -> None:
        self.quota = quota
        self.about = about
        self.declared = declared
        self.wrapping = False
        self.spent: dict[str, float] = {}
        self._open: dict[str, int] = {}

    def begin_unit(self, unit: str = "") -> Refusal | None:
        """Admit one unit and hold what it will likely cost; a `Refusal` when it does not fit, and nothing is held."""
        self.end_unit()
        self.about = For(self.about.session, self.about.task, self.about.agent, self.about.kind, unit or None)
        admitted = self.quota.admit(self.about, self.declared)
        if not isinstance(admitted, dict):
            return admitted
        self._open = admitted
        return None

    def spend(self, resource: str, amount: float = 1) -> None:
        """Book what is about to be spent. Raises `HardStop`, with nothing booked, when that would reach a hard stop;
        once the wrap has begun only panic stops, with `PanicStop`."""
        control = self.quota.control
        with control.transaction():
            spending = self._open.get(resource)
            for limit in self.quota.binding(resource, self.about.agent):
                self._check(limit, amount, spending)
            if self._concurrent(resource):
                if spending is None:  # else the slot was taken when the unit was admitted
                    self._open[resource] = books.reserve(control, resource, amount, about=self.about, source="meter")
            else:
                self._open[resource] = books.observe(control, resource, amount, spending=spending, about=self.about)
        self.spent[resource] = self.spent.get(resource, 0.0) + amount

    def end_unit(self, totals: Mapping[str, float] | None = None) -> None:
        """Close the unit's books; `totals` are true costs where something better than the meter knows them."""
        if not self._open:
            return
        with self.quota.control.transaction():
            for resource, spending in self._open.items():
                total = (totals or {}).get(resource)
                if total is None and self._concurrent(resource):
                    total = books.occupied(self.quota.control, spending)
                books.reconcile(self.quota.control, spending, total)
        self._open = {}

    def begin_wrap(self) -> None:
        """From here on only the panic rule applies, so that a wrap never stops itself."""
        self.wrapping = True

    def band(self) -> str:
        """The worst band among the limits that this work touches: those it spends from, and those of the session."""
        return worst([standing.band for standing in self._touched()])

    def panicking(self) -> str | None:
        """In words which limit is at panic, the one thing that a wrap looks at; None where there is none."""
        found = [standing for standing in self._touched() if standing.band == PANIC]
        return _at(found[0].limit, found[0].used) if found else None

    def overrun(self) -> str | None:
        """In words which limit was passed beyond its hard stop."""
        found = [standing for standing in self._touched() if BANDS.index(standing.band) >= BANDS.index(HARD_STOP)]
        return _at(found[0].limit, found[0].used) if found else None

    def _touched(self) -> list[Standing]:
        touched = {*self.spent, *self.declared}
        return self.quota.standings(
            session=self.about.session,
            agent=self.about.agent,
            among=lambda limit: limit.resource in touched or limit.per == "session",
        )

    def _concurrent(self, resource: str) -> bool:
        return any(limit.concurrent for limit in self.quota.binding(resource, self.about.agent))

    def _check(self, limit: Limit, amount: float, spending: int | None) -> None:
        if limit.concurrent and spending is not None:
            return
        standing = self.quota.standing(limit, session=self.about.session, own=spending)
        after = standing.used + amount
        band = limit.band(after)
        if self.wrapping:
            if band == PANIC:
                raise PanicStop(_why(limit, after))
        elif band in (HARD_STOP, PANIC):
            raise HardStop(_why(limit, after))


def _at(limit: Limit, used: float) -> str:
    return f"{limit.name} is at {used / limit.amount:.1%} ({used:,.6g} of {limit.amount:,.6g} {limit.resource})"


def _why(limit: Limit, after: float) -> str:
    return f"{limit.name}: {after:,.6g} of {limit.amount:,.6g} {limit.resource} would be {after / limit.amount:.1%}"
