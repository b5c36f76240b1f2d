"""`etl status`, `etl inbox`, `etl search`, `etl doctor`: looking at a workspace without changing it."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.cli.console import MENDABLE, state, table


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(status)
    app.command()(inbox)
    app.command()(search)
    app.command()(doctor)


def status(context: typer.Context) -> None:
    """What is in the store, in figures that add up."""
    from orchestration import runs

    console = state(context)
    result = runs.status(console.workspace)
    console.emit(result.data, result.text)


def inbox(context: typer.Context) -> None:
    """Each file that waits in the inbox, and its state."""
    from orchestration import runs

    console = state(context)
    rows = runs.inbox(console.workspace)
    text = table(rows, "path", "state", "reason", "pairs") if rows else "the inbox is empty"
    console.emit({"inbox": rows}, text)


def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="A question, or some words.")],
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many to show.")] = 10,
    words: Annotated[bool, typer.Option("--words", help="By words only, without loading the model.")] = False,
) -> None:
    """The kept pairs nearest to a text."""
    from orchestration import runs

    console = state(context)
    rows = runs.search(console.workspace, text, top=top, words=words)
    shown = [row | {"key": row["key"][:10]} for row in rows]
    console.emit(
        {"results": rows}, table(shown, "key", "similarity", "question", "answer") if rows else "nothing found"
    )


def doctor(context: typer.Context) -> None:
    """Check store, books, releases and environment."""
    from orchestration import checks

    console = state(context)
    found = checks.doctor(console.workspace)
    rows = [{"check": c.name, "state": "ok" if c.ok else "WRONG", "finding": c.finding} for c in found]
    console.emit({"checks": rows, "ok": all(c.ok for c in found)}, table(rows, "check", "state", "finding"))
    if not all(c.ok for c in found):
        raise typer.Exit(MENDABLE)
