"""What a job yields, what it may spend, and how a caller drains it.

A job is a generator: it commits one unit, then yields one `Progress`.
Stopping is not asking for the next one; resuming is calling the job again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Progress:
    """One committed unit.

    `done` and `total` count the job's own noun (files, pairs, texts); `counts` holds the figures of this unit.
    """

    job: str
    unit: str
    done: int
    total: int
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pending:
    """What a job would do if it were called now: how much of which noun, and why."""

    job: str
    amount: int
    noun: str
    why: str = ""

    def __bool__(self) -> bool:
        return self.amount > 0


class Meter(Protocol):
    """Where a job announces what it is about to spend; may raise `HardStop`."""

    def spend(self, resource: str, amount: float = 1) -> None: ...


class Tally:
    """A meter without limits that only counts: `Tally().spent["texts"]`."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()

    def spend(self, resource: str, amount: float = 1) -> None:
        self.spent[resource] += amount  # type: ignore[assignment]  # Counter is typed for int, amounts may be fractions


def drain(job: Iterable[Progress], *, on_progress: Callable[[Progress], None] | None = None) -> Counter[str]:
    """Run a job to its end and return the sums of its units' counts."""
    totals: Counter[str] = Counter()
    for step in job:
        totals.update(step.counts)
        if on_progress is not None:
            on_progress(step)
    return totals


def utc_now() -> datetime:
    """The system clock, as an aware UTC time; the default of every parameter named `now`."""
    return datetime.now(UTC)
