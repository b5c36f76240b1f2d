"""What `etl task add` and `etl task edit` take, and the fields and options of a task made of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Name = Annotated[str, typer.Argument(help="The task's name.")]
Agent = Annotated[str | None, typer.Option(envvar="ETL_AGENT", help="Only this agent's tasks and nobody's.")]
Description = Annotated[str | None, typer.Option(help="What it is about.")]
Priority = Annotated[int | None, typer.Option(help="1 goes first.")]
Kind = Annotated[str | None, typer.Option(help="manual, command, or stages joined by '+': embed, link+resolve.")]
Command = Annotated[str | None, typer.Option("--command", help="A shell command; makes the kind command.")]
Input = Annotated[list[str] | None, typer.Option("--input", help="Files it works on, a glob; it waits for them.")]
Sessions = Annotated[str | None, typer.Option(help="The sender's sessions it works on: 101-140.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many pairs or texts.")]
Option = Annotated[list[str] | None, typer.Option("--option", help="Another option of the kind: sender=droid.")]
After = Annotated[list[str] | None, typer.Option("--after", help="A task that comes first; may be repeated.")]
Estimate = Annotated[list[str] | None, typer.Option("--estimate", help="Cost of the whole task: tokens=100000.")]
Tokens = Annotated[float | None, typer.Option("--estimated-tokens", min=0, help="Short for --estimate tokens=N.")]
Assign = Annotated[str | None, typer.Option("--agent", help="Who is to do it; unset: anyone.")]
Total = Annotated[int | None, typer.Option(min=1, help="How many items it has.")]
Check = Annotated[str | None, typer.Option("--check", help="A command that succeeds when it is really done.")]
CheckQuery = Annotated[str | None, typer.Option("--check-query", help="SQL on the store, true when it is done.")]
Every = Annotated[str | None, typer.Option("--every", help="Recurs: 12h, 1d, 1w.")]


_CLEARED: dict[str, tuple[str, Any]] = {
    "agent": ("agent", None), "after": ("needs", ()), "check": ("check_command", None), "total": ("total", None),
    "check-query": ("check_query", None), "every": ("every", None), "estimate": ("estimate", {}),
    "options": ("parameters", {}), "description": ("description", ""),
}  # fmt: skip


def cleared(names: list[str] | None) -> dict[str, Any]:
    """The fields that --clear empties."""
    from etl.errors import SettingsError

    unknown = [name for name in names or () if name not in _CLEARED]
    if unknown:
        raise SettingsError(f"{', '.join(unknown)} cannot be cleared; what can: {', '.join(_CLEARED)}")
    return dict(_CLEARED[name] for name in names or ())


def given(
    description: str | None,
    priority: int | None,
    kind: str | None,
    command: str | None,
    agent: str | None,
    total: int | None,
    check: str | None,
    check_query: str | None,
    every: str | None,
) -> dict[str, Any]:
    """The fields of a `Spec` that were named."""
    from orchestration.tasks.amounts import span

    found = {
        "description": description,
        "priority": priority,
        "kind": "command" if command is not None and kind is None else kind,
        "agent": agent,
        "total": total,
        "check_command": check,
        "check_query": check_query,
        "every": None if every is None else span(every),
    }
    return {name: value for name, value in found.items() if value is not None}


def parameters_of(
    command: str | None,
    input_: list[str] | None,
    sessions: str | None,
    limit: int | None,
    options: list[str] | None,
) -> dict[str, Any]:
    """The options of the task's kind that were named."""
    from etl.errors import SettingsError

    found: dict[str, Any] = {"command": command, "input": input_ or None, "sessions": sessions, "limit": limit}
    for option in options or ():
        name, equals, value = option.partition("=")
        if not equals:
            raise SettingsError(f"{option!r} is no option; write NAME=VALUE")
        found[name] = int(value) if value.isdecimal() else value
    return {name: value for name, value in found.items() if value is not None}


def estimate_of(texts: list[str] | None, tokens: float | None) -> dict[str, float]:
    """The estimate, from --estimate and --estimated-tokens."""
    from orchestration.tasks.amounts import amounts

    return ({} if tokens is None else {"tokens": tokens}) | amounts(texts or ())
