"""Why a task does not run now: which dependency, lease, clock, input or quota holds it, and its earliest start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from orchestration.control.claims import lease_of
from orchestration.control.standing import INPUT_MISSING, refresh
from orchestration.control.store import Control, moment, stamp
from orchestration.control.task import BLOCKED, COMPLETED, FAILED, PARKED, RUNNING, SKIPPED, Task, fetch


@dataclass(frozen=True, slots=True)
class Hold:
    """One thing that holds a task; `until` None: nobody can say."""

    what: str
    why: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What holds a task; with no holds it may start now. `earliest` None with holds: it depends on what they say."""

    task: Task
    holds: tuple[Hold, ...]
    earliest: datetime | None

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "task": self.task.name,
            "status": self.task.status,
            "holds": [
                {"what": h.what, "why": h.why, "until": None if h.until is None else stamp(h.until)} for h in self.holds
            ],
            "earliest": None if self.earliest is None else stamp(self.earliest),
        }

    def text(self) -> str:
        """For a person."""
        lines = [f"{self.task.name} is {self.task.status}"]
        lines += [f"  {hold.what}: {hold.why}" for hold in self.holds]
        if self.task.status in (COMPLETED, SKIPPED):
            return "\n".join(lines)
        if not self.holds:
            return "\n".join([*lines, "  nothing holds it: 'etl session start' can take it now"])
        when = "when that is settled" if self.earliest is None else f"{self.earliest:%Y-%m-%d %H:%M:%S} UTC"
        return "\n".join([*lines, f"earliest start: {when}"])


Quotas = Callable[[Task], Sequence[Hold]]


def explain(control: Control, name: str, *, agent: str | None = None, quotas: Quotas | None = None) -> Explanation:
    """What holds a task. `quotas` gives those without room for one unit of it (`Quota.holds`)."""
    refresh(control)
    task = fetch(control, name)
    if task.status in (COMPLETED, SKIPPED):
        return Explanation(task, (), None)
    holds = [*_own(control, task), *_needs(control, task)]
    if task.agent not in (None, agent):
        holds.append(Hold("agent", f"assigned to {task.agent}", control.now()))
    if quotas is not None:
        holds += quotas(task)
    known = [hold.until for hold in holds if hold.until is not None]
    earliest = control.now() if not holds else max(known) if len(known) == len(holds) else None
    return Explanation(task, tuple(holds), earliest)


def _own(control: Control, task: Task) -> list[Hold]:
    found = []
    if task.status in (BLOCKED, PARKED, FAILED):
        mend = "unblock" if task.status == BLOCKED else "retry"
        found.append(Hold(task.status, f"{task.detail or task.reason or '-'}; 'etl task {mend} {task.name}'"))
    if task.reason == INPUT_MISSING:
        found.append(Hold("input", task.detail or "missing"))
    if task.not_before is not None and task.not_before > control.now():
        found.append(Hold("clock", f"not before {task.not_before:%Y-%m-%d %H:%M:%S} UTC", task.not_before))
    lease = lease_of(control, task.name) if task.status == RUNNING else None
    if lease is not None and lease.lease_s is None:
        found.append(Hold("lease", f"held by {lease.holder} by hand, until wrapped or abandoned"))
    elif lease is not None and not lease.dead(control):
        ends = moment(lease.heartbeat) + timedelta(seconds=lease.lease_s or 0)
        found.append(
            Hold("lease", f"held by {lease.holder}, token {lease.token}; if it dies, free at the time below", ends)
        )
    return found


def _needs(control: Control, task: Task) -> list[Hold]:
    needed = [fetch(control, name) for name in task.unmet]
    return [
        Hold(
            "dependency",
            f"needs {other.name}, which is {other.status}" + (f" ({other.reason})" if other.reason else ""),
        )
        for other in needed
    ]
