"""`etl join`: a file of questions and a file of answers as one delivery."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.console import state


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(join)


def join(
    context: typer.Context,
    questions: Annotated[Path, typer.Argument(help="The file of questions.")],
    answers: Annotated[Path, typer.Argument(help="The file of answers.")],
    on: Annotated[
        str | None, typer.Option(help="The field of the ids: FIELD, or FIELD=FIELD where it has two names.")
    ] = None,
    question: Annotated[str | None, typer.Option(help="The field that asks; unset: by its name or content.")] = None,
    answer: Annotated[str | None, typer.Option(help="The field that answers; unset: by its name or content.")] = None,
    sender: Annotated[str | None, typer.Option(help="Who delivered: the folder in the inbox.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would give; write nothing.")] = False,
) -> None:
    """Join a file of questions and a file of answers by their ids: one delivery in the inbox, read by the next run."""
    from orchestration import joining

    console = state(context)
    result = joining.join(
        console.workspace, questions, answers, on=on, question=question, answer=answer, sender=sender, dry_run=dry_run
    )
    console.emit(result.data, result.text)
