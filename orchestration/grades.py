"""What the books say of a finished task, in; a grade with its arithmetic, out.

Success 0.3, speed 0.2, quality 0.3, efficiency 0.2 (the user's weights). A part that the books say nothing about is
left out and the weights of the others are scaled up; completeness is a cap, so that an unfinished task is no A.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

WEIGHTS = {"success": 0.3, "speed": 0.2, "quality": 0.3, "efficiency": 0.2}
LETTERS = ((0.9, "A"), (0.8, "B"), (0.7, "C"), (0.6, "D"), (0.0, "F"))
UNFINISHED = 0.89  # the most that a task with anything left can reach: just below an A


@dataclass(frozen=True, slots=True)
class Books:
    """What is known of one finished round. `usual` is what one item of this kind has cost before, a list a resource."""

    units: int
    errors: int
    done: int
    total: int | None
    checks: Mapping[str, bool] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    estimate: Mapping[str, float] = field(default_factory=dict)
    usual: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the grade: `value` from 0 to 1, None when the books say nothing; `why` is its arithmetic."""

    name: str
    weight: float
    value: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Grade:
    """`points` from 0 to 1 after the cap; `letter` is None where nothing was done, which is not graded."""

    letter: str | None
    points: float
    parts: tuple[Part, ...]
    completeness: float
    arithmetic: str


def grade(books: Books) -> Grade:
    """Grade a round by its books alone."""
    parts = (_success(books), _speed(books), _quality(books), _efficiency(books))
    completeness = 1.0 if not books.total else min(1.0, books.done / books.total)
    known = [part for part in parts if part.value is not None]
    if not known or (books.done == 0 and books.units == 0):
        return Grade(None, 0.0, parts, completeness, "nothing was done, so nothing is graded")
    weights = sum(part.weight for part in known)
    points = sum(part.weight * (part.value or 0) for part in known) / weights
    said = " + ".join(f"{part.weight:.1f}*{part.value:.2f} {part.name}" for part in known)
    said = f"({said}) / {weights:.1f} = {points:.3f}"
    if completeness < 1:
        cap = min(completeness, UNFINISHED)
        said += f", capped at {cap:.2f}: {books.done:,} of {books.total or 0:,} done"
        points = min(points, cap)
    points = round(points, 4)
    letter = next(letter for least, letter in LETTERS if points >= least)
    return Grade(letter, points, parts, completeness, f"{said}: {letter}")


def _success(books: Books) -> Part:
    tried = books.units + books.errors
    value = books.units / tried if tried else None
    return _part(
        "success", value, f"{books.units:,} units good, {books.errors:,} failed" if tried else "no units booked"
    )


def _speed(books: Books) -> Part:
    ratios, said = [], []
    for resource, past in sorted(books.usual.items()):
        cost = books.cost.get(resource, 0.0)
        if not books.done or cost <= 0 or not past or median(past) <= 0:  # what was free is no measure
            continue
        usual = median(past)
        ratios.append(min(1.0, usual * books.done / cost))
        said.append(f"{cost / books.done:.4g} {resource} an item, usual {usual:.4g}")
    return _part("speed", _mean(ratios), "; ".join(said) or "no earlier task of this kind to compare with")


def _quality(books: Books) -> Part:
    passed = [name for name, good in books.checks.items() if good]
    failed = sorted(set(books.checks) - set(passed))
    value = len(passed) / len(books.checks) if books.checks else None
    why = f"{len(passed)} of {len(books.checks)} checks passed" + (f", not {', '.join(failed)}" if failed else "")
    return _part("quality", value, why if books.checks else "no check was declared")


def _efficiency(books: Books) -> Part:
    ratios, said = [], []
    for resource, estimate in sorted(books.estimate.items()):
        cost = books.cost.get(resource)
        if cost is None or estimate <= 0:
            continue
        ratios.append(1.0 if cost <= estimate else estimate / cost)
        said.append(f"{cost:,.6g} of {estimate:,.6g} {resource} estimated")
    return _part("efficiency", _mean(ratios), "; ".join(said) or "no estimate to compare with")


def _part(name: str, value: float | None, why: str) -> Part:
    return Part(name, WEIGHTS[name], value, why)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def report(task: Mapping[str, Any], found: Grade) -> str:
    """The completion report of a task as Markdown; `task` is a row as `etl task show --json` gives it."""
    progress = task["progress"]
    total = "" if progress["total"] is None else f" of {progress['total']:,}"
    lines = [
        f"# {task['task']}: {found.letter or 'not graded'}",
        "",
        *([task["description"], ""] if task["description"] else []),
        f"- kind: {task['kind']}",
        f"- done: {progress['done']:,}{total}, in {progress['units']:,} units, {progress['errors']:,} failed",
        f"- started: {task['started'] or '-'}, finished: {task['finished'] or '-'}",
        *(f"- {name}: {_used(task, name)}" for name in sorted({*task["cost"], *task["estimate"]})),
        "",
        "| part | weight | value | from the books |",
        "|---|---|---|---|",
        *(
            f"| {p.name} | {p.weight:.1f} | {'-' if p.value is None else f'{p.value:.2f}'} | {p.why} |"
            for p in found.parts
        ),
        "",
        found.arithmetic,
        "",
    ]
    checkpoints = [event for event in task.get("history", ()) if event["event"] == "checkpoint"]
    if checkpoints:
        lines += [
            "## Checkpoints",
            "",
            *(f"- {e['at']}: {e['detail'].get('description', '')}" for e in checkpoints),
            "",
        ]
    return "\n".join(lines)


def write_report(folder: Path, task: Mapping[str, Any], found: Grade) -> Path:
    """Write `<task>.md` and `<task>.json` below `folder`, each replaced as a whole; returns the first."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {"task": dict(task), "grade": asdict(found)}
    plain = msgspec.json.format(msgspec.json.encode(data, enc_hook=str), indent=1).decode()
    texts = {".json": plain, ".md": report(task, found)}
    for suffix, text in texts.items():
        target = folder / f"{task['task']}{suffix}"
        temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    return folder / f"{task['task']}.md"


def _used(task: Mapping[str, Any], resource: str) -> str:
    used, estimate = task["cost"].get(resource), task["estimate"].get(resource)
    said = "none booked" if used is None else f"{used:,.6g} used"
    return said if estimate is None else f"{said}, {estimate:,.6g} estimated"
