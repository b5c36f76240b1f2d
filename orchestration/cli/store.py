"""`etl status`, `etl inbox`, `etl search`, `etl doctor`: looking at a workspace without changing it."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import suppress
from typing import Annotated

import typer

from orchestration.cli.console import MENDABLE, State, state, table


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(status)
    app.command()(inbox)
    app.command()(search)
    app.command()(doctor)


def status(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Store, queue, quotas and sessions, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks with --watch.")] = 2.0,
    agent: Annotated[str | None, typer.Option(envvar="ETL_AGENT", help="Whose limits, with --watch.")] = None,
) -> None:
    """What is in the store, in figures that add up; with --watch the live view."""
    from etl.errors import SettingsError
    from orchestration import runs

    console = state(context)
    if watch and console.as_json:
        raise SettingsError("--watch is for people; --json gives one object")
    if watch:
        _watch(console, every, agent)
        return
    result = runs.status(console.workspace)
    console.emit(result.data, result.text)


def _watch(console: State, every: float, agent: str | None) -> None:
    """On a terminal the page is drawn over until Ctrl-C; elsewhere it is printed once."""
    from orchestration.cli.tasks import opened
    from orchestration.watching import Watch

    with opened(console, look=True) as control:
        view = Watch(console.workspace, control, agent)
        if not sys.stdout.isatty():
            typer.echo(view.page(width=shutil.get_terminal_size((100, 40)).columns))
            return
        sys.stdout.write("\x1b[?1049h\x1b[?25l")  # a screen of its own, without the cursor
        try:
            with suppress(KeyboardInterrupt):  # the way to end it
                while True:
                    size = shutil.get_terminal_size()
                    page = view.page(width=size.columns, height=size.lines - 1)
                    # drawn over line by line: clearing first would flicker
                    lines = "".join(f"{line}\x1b[K\n" for line in [*page.split("\n")])
                    sys.stdout.write(f"\x1b[H{lines}\x1b[J")
                    sys.stdout.flush()
                    time.sleep(every)
        finally:
            sys.stdout.write("\x1b[?25h\x1b[?1049l")
            sys.stdout.flush()


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
