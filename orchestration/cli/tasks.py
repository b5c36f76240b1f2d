"""`etl task`: the queue, looked at and changed by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.console import State, state, table
from orchestration.cli.task_options import (
    After,
    Agent,
    Assign,
    Check,
    CheckQuery,
    Command,
    Description,
    Estimate,
    Every,
    Input,
    Kind,
    Limit,
    Name,
    Option,
    Priority,
    Sessions,
    Tokens,
    Total,
    cleared,
    estimate_of,
    given,
    parameters_of,
)

if TYPE_CHECKING:
    from orchestration.control import Control, Task

app = typer.Typer(no_args_is_help=True, help="The queue: add, list, show, explain, block, retry, complete ...")


@contextmanager
def opened(console: State, *, look: bool = False) -> Iterator[Control]:
    """The workspace's control store; to `look` at one that is not there yet makes none."""
    from orchestration.control import Control
    from orchestration.control.store import FILE
    from orchestration.notices import deliver
    from orchestration.outside import Outside

    workspace = console.workspace
    there = (workspace.root / FILE).exists()
    place = workspace.root if there or not look else ":memory:"
    outside = Outside.of(workspace, os.environ, say=console.say)
    with Control.open(
        place, wait_s=workspace.settings.store.wait_s, root=workspace.root, redactor=outside.redactor,
        heard=outside.heard,
    ) as control:  # fmt: skip
        try:
            yield control
        finally:
            if not look:
                deliver(control, outside.notifier, title=outside.title)


@app.command()
def add(
    context: typer.Context,
    name: Name,
    description: Description = None,
    priority: Priority = None,
    kind: Kind = None,
    command: Command = None,
    input_: Input = None,
    sessions: Sessions = None,
    limit: Limit = None,
    option: Option = None,
    after: After = None,
    estimate: Estimate = None,
    estimated_tokens: Tokens = None,
    agent: Assign = None,
    total: Total = None,
    check: Check = None,
    check_query: CheckQuery = None,
    every: Every = None,
) -> None:
    """Queue a task."""
    from orchestration import tasks

    fields = given(description, priority, kind, command, agent, total, check, check_query, every)
    fields["estimate"] = estimate_of(estimate, estimated_tokens)
    fields["parameters"] = parameters_of(command, input_, sessions, limit, option)
    with opened(state(context)) as control:
        task = tasks.add(control, tasks.Spec(name, needs=tuple(after or ()), **fields))
        _show_one(context, control, task)


@app.command("list")
def list_(
    context: typer.Context,
    status: Annotated[str | None, typer.Option(help="Only of this status.")] = None,
    agent: Agent = None,
) -> None:
    """The queue, in the order in which tasks are taken."""
    from etl.errors import SettingsError
    from orchestration import tasks
    from orchestration.control.standing import refresh
    from orchestration.control.task import STATUSES

    if status is not None and status not in STATUSES:
        raise SettingsError(f"there is no status {status!r}; a task is one of {', '.join(STATUSES)}")
    with opened(state(context), look=True) as control:
        refresh(control)
        rows = tasks.as_rows(control, tasks.listed(control, status=status, agent=agent))
    text = table([row | _short(row) for row in rows], "priority", "task", "status", "progress", "agent", "grade", "why")
    state(context).emit({"tasks": rows}, text if rows else "no tasks; 'etl task add' queues one")


@app.command()
def show(context: typer.Context, name: Name) -> None:
    """One task: options, costs, checkpoints, history."""
    from orchestration import tasks

    with opened(state(context), look=True) as control:
        data = tasks.details(control, name)
    plain = {key: value for key, value in data.items() if key != "history" and value not in (None, "", [], {})}
    lines = [f"{key:<12} {_said(value)}" for key, value in plain.items()]
    lines += [
        f"  {e['at'][:19]}  {e['event']:<14} {e['actor'] or '-':<10} {_said(e['detail'])}" for e in data["history"]
    ]
    state(context).emit(data, "\n".join(lines))


@app.command()
def edit(
    context: typer.Context,
    name: Name,
    description: Description = None,
    priority: Priority = None,
    kind: Kind = None,
    command: Command = None,
    input_: Input = None,
    sessions: Sessions = None,
    limit: Limit = None,
    option: Option = None,
    after: After = None,
    estimate: Estimate = None,
    estimated_tokens: Tokens = None,
    agent: Assign = None,
    total: Total = None,
    check: Check = None,
    check_query: CheckQuery = None,
    every: Every = None,
    progress: Annotated[str | None, typer.Option(help="How far it has come: 10/40.")] = None,
    clear: Annotated[
        list[str] | None, typer.Option("--clear", help="Empty this: agent, after, check, every, total ...")
    ] = None,
) -> None:
    """Change a task; what is not named stays."""
    from orchestration import tasks
    from orchestration.tasks.amounts import fraction

    changes = given(description, priority, kind, command, agent, total, check, check_query, every) | cleared(clear)
    if estimate or estimated_tokens is not None:
        changes["estimate"] = estimate_of(estimate, estimated_tokens)
    parameters = parameters_of(command, input_, sessions, limit, option)
    with opened(state(context)) as control, control.transaction():
        task = tasks.fetch(control, name)
        if parameters:
            base = {} if changes.get("kind", task.kind) != task.kind else task.parameters
            changes.setdefault("parameters", {**base, **parameters})
        needs = changes.pop("needs", after)
        if progress is not None:
            done, of = fraction(progress)
            task = tasks.report_progress(control, name, done=done, total=of)
        if changes or needs is not None:
            task = tasks.edit(control, name, needs=needs, **changes)
        _show_one(context, control, task)


@app.command()
def explain(context: typer.Context, name: Name, agent: Agent = None) -> None:
    """Which dependency, lease, input, clock or quota holds a task, and its earliest start."""
    from orchestration import tasks
    from orchestration.control import sessions
    from orchestration.quota import Quota

    console = state(context)
    with opened(console, look=True) as control:
        quota = Quota.from_settings(control, console.workspace.settings)
        open_ = sessions.current(control, agent=agent)
        found = tasks.explain(
            control, name, agent=agent,
            quotas=lambda task: quota.holds(task, session=open_.name if open_ else None, agent=agent),
        )  # fmt: skip
    console.emit(found.to_dict(), found.text())


@app.command()
def stats(context: typer.Context, agent: Agent = None) -> None:
    """The queue in figures: status, rates, estimated against used, grades."""
    from orchestration import tasks

    with opened(state(context), look=True) as control:
        data = tasks.stats(control, agent=agent)
    lines = [f"{data['tasks']:,} tasks: " + (_said({k: v for k, v in data["by_status"].items() if v}) or "none")]
    lines.append(f"completed {data['completion_rate']:.0%}, {data['rounds_completed']:,} rounds in all")
    if data["rounds_a_day"] is not None:
        lines.append(f"{data['rounds_a_day']:,} rounds a day, {data['hours_a_round'] or 0:.2f} h each")
    for name, amounts in data["resources"].items():
        estimated = f" of {amounts['estimated']:,.6g} estimated" if amounts["estimated"] else ", no estimate"
        lines.append(f"{name}: {amounts['used']:,.6g} used{estimated}")
    lines.append(f"grades: {_said(data['grades']) or 'none yet'}")
    state(context).emit(data, "\n".join(lines))


@app.command()
def block(context: typer.Context, name: Name, why: Annotated[str, typer.Option(help="The reason.")]) -> None:
    """Hold a task back until it is unblocked."""
    from orchestration import tasks

    with opened(state(context)) as control:
        _show_one(context, control, tasks.block(control, name, why))


@app.command()
def unblock(context: typer.Context, name: Name) -> None:
    """Let a blocked task go on."""
    from orchestration import tasks

    with opened(state(context)) as control:
        _show_one(context, control, tasks.unblock(control, name))


@app.command()
def retry(context: typer.Context, name: Name) -> None:
    """Give a parked, failed, skipped or waiting task three new attempts."""
    from orchestration import tasks

    with opened(state(context)) as control:
        _show_one(context, control, tasks.retry(control, name))


@app.command()
def review(context: typer.Context, name: Name, note: Annotated[str, typer.Option(help="What was found.")] = "") -> None:
    """Say that a person has looked at a task that was marked as needing it."""
    from orchestration import tasks

    with opened(state(context)) as control:
        _show_one(context, control, tasks.review(control, name, note=note))


@app.command()
def complete(context: typer.Context, name: Name) -> None:
    """Complete a task by hand: runs its check, grades it, writes task_reports/NAME.md, readies what waits for it."""
    from orchestration import tasks

    console = state(context)

    def query(sql: str) -> object:
        with console.workspace.store() as store:
            rows = store.query(sql).rows()
        return rows[0][0] if rows else None

    with opened(console) as control:
        done = tasks.complete(control, name, query=query)
        data = tasks.as_row(control, done.task)
    data |= {"grade": done.grade.letter, "arithmetic": done.grade.arithmetic, "report": str(done.report)}
    console.emit(data, f"{name} completed, {done.grade.arithmetic}\nreport {done.report}")


@app.command()
def skip(
    context: typer.Context, name: Name, why: Annotated[str, typer.Option(help="The reason.")] = "skipped by hand"
) -> None:
    """Do without a task; those that need it go on."""
    from orchestration import tasks

    with opened(state(context)) as control:
        _show_one(context, control, tasks.skip(control, name, why))


@app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Take a task out of the queue; its history and costs stay."""
    from orchestration import tasks

    with opened(state(context)) as control:
        tasks.remove(control, name)
    state(context).emit({"removed": name}, f"{name} removed")


@app.command("import")
def import_(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="task_stack.json, queue files of agents, or an export.")],
) -> None:
    """Read old queues; tasks that are there already stay as they are."""
    from orchestration import tasks

    with opened(state(context)) as control, control.transaction():
        found = {str(file): tasks.import_file(control, file) for file in files}
    data = {file: {"added": i.added, "known": i.known, "notes": i.notes} for file, i in found.items()}
    lines = [f"{file}: {len(i.added):,} added, {len(i.known):,} known already" for file, i in found.items()]
    lines += [f"  {note}" for i in found.values() for note in i.notes]
    state(context).emit({"files": data, "added": sum(len(i.added) for i in found.values())}, "\n".join(lines))


@app.command()
def export(
    context: typer.Context,
    target: Annotated[Path | None, typer.Argument(help="A file to write; unset: the screen.")] = None,
) -> None:
    """The whole queue as JSON, for `etl task import`."""
    from orchestration import tasks

    with opened(state(context), look=True) as control:
        data = tasks.export(control)
    text = json.dumps(data, ensure_ascii=False, indent=1)
    if target is None:
        state(context).emit(data, text)
        return
    target.write_text(text + "\n", encoding="utf-8")
    state(context).emit({"file": str(target), "tasks": len(data["tasks"])}, f"{len(data['tasks']):,} tasks in {target}")


def _show_one(context: typer.Context, control: Control, task: Task) -> None:
    from orchestration import tasks

    row = tasks.as_row(control, task)
    why = f" ({task.detail or task.reason})" if task.reason else ""
    state(context).emit(row, f"{task.name}: {task.status}{why}, priority {task.priority}, kind {task.kind}")


def _short(row: dict[str, Any]) -> dict[str, Any]:
    done, total = row["progress"]["done"], row["progress"]["total"]
    progress = f"{done:,}/{total:,}" if total else (f"{done:,}" if done else "-")
    return {"progress": progress, "why": row["detail"] or row["reason"] or _looked_for(row["needs_review"])}


def _looked_for(why: str | None) -> str | None:
    return None if why is None else f"needs review: {why}"


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(each)}" for key, each in value.items() if each not in (None, "", [], {}))
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return f"{value:,.6g}" if isinstance(value, float) else f"{value}"
