"""Finishing a task: its input there, its check passed, its books closed, its grade and report written."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.errors import MotherlodeError, SettingsError
from orchestration import grades
from orchestration.control import holding, inputs
from orchestration.control.claims import Claim, lease_of
from orchestration.control.holding import ended_with
from orchestration.control.standing import Missing, end
from orchestration.control.store import Control
from orchestration.control.task import COMPLETED, MANUAL, RUNNING, SKIPPED, Task, fetch
from orchestration.tasks.queue import USER, details

REPORTS = "task_reports"
CHECK_TIMEOUT_S = 600.0
EARLIER = 50  # completed rounds of the same kind that a cost is compared with

Query = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished round: the task as it stands now, its grade, and where the report lies."""

    task: Task
    grade: grades.Grade
    report: Path
    checks: dict[str, bool]


class CheckFailedError(MotherlodeError):
    """A task's own check says that it is not done."""


def complete(
    control: Control,
    name: str,
    *,
    claim: Claim | None = None,
    query: Query | None = None,
    missing: Missing | None = None,
    actor: str = USER,
) -> Completion:
    """Complete a task: with its claim when it is being worked on, without one when nobody holds it.

    Its input must be there, something must have been done, and its check must pass (`query` runs a query check on the
    store and gives its first value). Then its dependants become ready, it is graded from the books, and
    `task_reports/<task>.md|json` are written. Raises `CheckFailedError`, `SettingsError`, `FencedOffError`.
    """
    task = fetch(control, name)
    _completable(control, task, claim, missing)
    checks = run_checks(task, control.root, query=query)  # outside any transaction: it may take its time
    if not all(checks.values()):
        failed = ", ".join(check for check, good in checks.items() if not good)
        raise CheckFailedError(f"task {name} is not done: its check does not pass ({failed})")
    with control.transaction() as con:
        task = fetch(control, name)
        _completable(control, task, claim, None)
        ended, before = ended_with(control, task), _last_round(control, name)
        found = grades.grade(books_of(control, task, checks, ended["cost"]))
        con.execute("UPDATE tasks SET grade = ? WHERE task = ?", (found.letter, name))
        round_ = details_of_round(task, ended)
        graded = {"grade": found.letter, "points": found.points}
        if claim is not None:
            holding.complete(control, claim, ended)
        else:
            control.event("completed", name, actor=actor, detail=ended)
            end(control, con, task, COMPLETED)
        control.event("graded", name, actor=actor, detail=graded | {"arithmetic": found.arithmetic})
        row = details(control, name, after=before) | round_ | {"status": COMPLETED, "grade": found.letter}
        row |= {"finished": control.stamp()}
    report = grades.write_report(control.root / REPORTS, row, found)
    return Completion(fetch(control, name), found, report, checks)


def run_checks(
    task: Task, root: Path, *, query: Query | None = None, timeout_s: float = CHECK_TIMEOUT_S
) -> dict[str, bool]:
    """Run a task's checks in the workspace; each by its text, and whether it passed. Empty where none is declared."""
    results: dict[str, bool] = {}
    if task.check_command:
        results[task.check_command] = _succeeds(task.check_command, root, timeout_s)
    if task.check_query:
        if query is None:
            raise SettingsError(f"task {task.name} has a check on the store, and no store was given to run it on")
        results[task.check_query] = bool(query(task.check_query))
    return results


def books_of(control: Control, task: Task, checks: dict[str, bool], cost: Mapping[str, float]) -> grades.Books:
    """What the control store knows of a task's present round, as the grade wants it. Work by hand is too various to be
    compared with earlier work by hand."""
    usual: dict[str, list[float]] = {}
    earlier = control.rows(
        """
        SELECT detail FROM task_events WHERE event = 'completed' AND json_extract(detail, '$.kind') = ?
        ORDER BY id DESC LIMIT ?
        """,
        (task.kind, EARLIER),
    )
    for past in () if task.kind == MANUAL else (json.loads(row["detail"]) for row in earlier):
        for resource, amount in past["cost"].items() if past["done"] else ():
            usual.setdefault(resource, []).append(amount / past["done"])
    return grades.Books(task.units, task.errors, task.done, task.total, checks, cost, dict(task.estimate), usual)


def details_of_round(task: Task, ended: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a round that recurrence would reset."""
    progress = {name: ended[name] for name in ("done", "total", "units", "errors")}
    return {"progress": progress, "cost": ended["cost"], "started": task.started and task.started.isoformat()}


def _last_round(control: Control, name: str) -> int:
    """The event with which the round before this one ended; its report tells of what came after."""
    return control.value("SELECT max(id) FROM task_events WHERE task = ? AND event = 'completed'", (name,)) or 0


def _completable(control: Control, task: Task, claim: Claim | None, missing: Missing | None) -> None:
    if claim is None and task.status == RUNNING:
        lease = lease_of(control, task.name)
        raise SettingsError(
            f"task {task.name} is being worked on by {lease.holder if lease else 'nobody'}; wrap that session first"
        )
    if task.status in (COMPLETED, SKIPPED):
        raise SettingsError(f"task {task.name} is {task.status} already")
    if task.unmet:
        raise SettingsError(f"task {task.name} still needs {', '.join(task.unmet)}")
    lacking = (missing or (lambda asked: inputs.missing(asked, control.root)))(task)
    if lacking is not None and not task.done:
        raise SettingsError(f"task {task.name} has nothing to be done on: {lacking}")
    if task.total and not task.done:
        raise SettingsError(
            f"nothing of task {task.name} was done (0 of {task.total:,}); say how far it is with "
            f"'etl task edit {task.name} --progress N/{task.total}', or 'etl task skip' it"
        )


def _succeeds(command: str, root: Path, timeout_s: float) -> bool:
    try:
        done = subprocess.run(  # noqa: S602 - a shell command that the user wrote for their own workspace
            command, shell=True, cwd=root, timeout=timeout_s, check=False, capture_output=True
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
