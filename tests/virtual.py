"""A virtual clock and work of its own making, for the loop in tests: months pass in seconds."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from etl.progress import Meter, Progress
from orchestration import tasks
from orchestration.control import Claim, Control, sessions
from orchestration.control.task import Task
from orchestration.quota import Limit, Quota
from orchestration.session.mine import Miner
from orchestration.session.works import Row
from orchestration.tasks import Spec
from orchestration.workspace import Workspace


class Clock:
    """A clock that only sleeping and working move."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Fake:
    """Work that commits numbered units to a list that stands for the ledger; each takes ten minutes and `cost`."""

    def __init__(self, clock: Clock, sizes: Mapping[str, int], *, cost: float = 100, resource: str = "calls") -> None:
        self.clock, self.sizes, self.cost, self.resource = clock, dict(sizes), cost, resource
        self.ledger: list[tuple[str, Row]] = []
        self.failing: dict[str, int] = {}
        self.costs: list[float] = []  # of the first units, where they differ
        self.takes: list[float] = []  # seconds, the same
        self.raising: list[Exception] = []

    def missing(self, task: Task) -> str | None:
        return None

    def units(self, task: Task, claim: Claim, meter: Meter, had: Mapping[str, Mapping[str, int]]) -> Iterator[Progress]:
        while (done := sum(name == task.name for name, _ in self.ledger)) < self.sizes[task.name]:
            meter.spend(self.resource, self.costs.pop(0) if self.costs else self.cost)
            self.clock.sleep(self.takes.pop(0) if self.takes else 600)
            if self.raising:
                raise self.raising.pop()
            if self.failing.get(task.name, 0):
                self.failing[task.name] -= 1
                raise ValueError("text of a pair")
            self.ledger.append(
                (task.name, Row(len(self.ledger) + 1, "work", f"unit {done}", {"n": 1}, "", task.name, claim.token))
            )
            yield Progress("work", f"unit {done}", done + 1, self.sizes[task.name], {"n": 1})

    def mark(self) -> int:
        return len(self.ledger)

    def rows(self, task: Task, after: int) -> list[Row]:
        return [row for name, row in self.ledger if name == task.name and row.seq > after]

    def owned(self, after: int) -> list[Row]:
        return [row for _, row in self.ledger if row.seq > after]

    def digests(self, seqs: Sequence[int]) -> Mapping[int, str]:
        return {seq: "" for seq in seqs if 0 < seq <= len(self.ledger)}

    def tokens(self) -> Mapping[str, int]:
        return {}

    def query(self, sql: str) -> object:
        return None

    def adjusted(self, task: Task) -> Mapping[str, Any]:
        return {"batch_size": 8 >> task.attempts}

    def arrived(self) -> list[str]:
        return []

    def close(self) -> None:
        pass


def miner(control: Control, works: Fake, clock: Clock, *limits: Limit) -> Miner:
    quota = Quota(control, limits)
    return Miner(
        control,
        Workspace.at(control.root),
        works,
        quota,
        sleep=clock.sleep,
        say=lambda _: None,
        beat_s=None,
        poll_s=3600,
    )


def queued(control: Control, clock: Clock, *names: str, **more: Any) -> None:
    for name in names:
        tasks.add(control, Spec(name, kind="command", parameters={"command": "true"}, **more))
        clock.sleep(1)


def ends(ended: list[sessions.Session]) -> list[tuple[str | None, str]]:
    return [(session.task, session.journal["ending"]["how"]) for session in ended]
