"""`etl migrate`: a project of the first version becomes a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.console import bars, state


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command()(migrate)


def migrate(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The old project's folder; it is never written to.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would bring; write nothing.")] = False,
) -> None:
    """Take over a first-version project: base, inbox, queue and handoffs, with a balance sheet."""
    from orchestration import migration

    console = state(context)
    with bars(console) as watcher:
        result = migration.migrate(console.workspace, folder, dry_run=dry_run, watcher=watcher)
    console.emit(result.data, result.text)
