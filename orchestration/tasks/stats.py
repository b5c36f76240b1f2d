"""The queue in figures: how many stand where, how fast they are done, what they cost against what was estimated."""

from __future__ import annotations

from collections import Counter
from typing import Any

from orchestration.control.standing import refresh
from orchestration.control.store import Control, moment
from orchestration.control.task import COMPLETED, SKIPPED, STATUSES, listed


def stats(control: Control, *, agent: str | None = None) -> dict[str, Any]:
    """Counts a status, completion rate, rounds a day, estimated against used a resource, and the grades given.

    `used` is what the books hold for the tasks of the queue; rounds of recurring tasks count each.
    """
    refresh(control)
    tasks = listed(control, agent=agent)
    names = {task.name for task in tasks}
    counts = Counter(task.status for task in tasks)
    ended = [event for event in control.events(event="completed") if agent is None or event["task"] in names]
    graded = [event for event in control.events(event="graded") if agent is None or event["task"] in names]
    return {
        "tasks": len(tasks),
        "by_status": {status: counts[status] for status in STATUSES},
        "completion_rate": _ratio(counts[COMPLETED], len(tasks) - counts[SKIPPED]),
        "rounds_completed": len(ended),
        "rounds_a_day": _rate(control, [event["at"] for event in ended]),
        "hours_a_round": _mean([event["detail"].get("hours") for event in ended]),
        "resources": _resources(control, names, tasks),
        "grades": dict(sorted(Counter(event["detail"]["grade"] or "none" for event in graded).items())),
        "agents": dict(sorted(Counter(task.agent or "anyone" for task in tasks).items())),
    }


def _resources(control: Control, names: set[str], tasks: list[Any]) -> dict[str, dict[str, float]]:
    estimated: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for task in tasks:
        estimated.update(task.estimate)
    for row in control.rows(
        "SELECT task, resource, sum(amount) AS amount FROM usage WHERE stage <> 'reserved' GROUP BY task, resource"
    ):
        if row["task"] in names:
            used[row["resource"]] += row["amount"]
    return {
        name: {"estimated": float(estimated[name]), "used": float(used[name])} for name in sorted({*estimated, *used})
    }


def _rate(control: Control, times: list[str]) -> float | None:
    if not times:
        return None
    days = (control.now() - moment(min(times))).total_seconds() / 86_400
    return round(len(times) / max(days, 1.0), 2)  # within the first day: so many that day


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None
