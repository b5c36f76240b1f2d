"""`etl calibrate`: thresholds for merging and reviewing, borne out by a person's answers or by a labelled file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.console import state

if TYPE_CHECKING:
    from orchestration.cli.console import State


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command()(calibrate)


def calibrate(
    context: typer.Context,
    labels: Annotated[
        list[Path] | None,
        typer.Option(help="A JSON Lines file of labelled pairs, in place of questions; can be given again."),
    ] = None,
    precision: Annotated[float, typer.Option(min=0.5, max=0.999, help="The wanted precision of merges.")] = 0.9,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="How sure it must be.")] = 0.95,
    questions: Annotated[int, typer.Option(min=1, help="How many are asked in all, earlier answers included.")] = 40,
    method: Annotated[str, typer.Option(help="cosine (meaning) or lexical (words).")] = "cosine",
    language: Annotated[str | None, typer.Option(help="Of the pairs; the one with the most links otherwise.")] = None,
    model: Annotated[str | None, typer.Option(help="The model of a labelled file's similarities.")] = None,
    who: Annotated[str, typer.Option(help="Who answers; kept with each answer.")] = "user",
    show: Annotated[bool, typer.Option("--show", help="Only say which thresholds stand, and why.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the newest calibration back.")] = False,
) -> None:
    """Ask yes-or-no questions about pairs of every similarity and fit the thresholds to the answers."""
    from orchestration import calibrating, reviewing

    console = state(context)
    calibrating.check_method(method)
    with reviewing.existing(console.workspace, look=show) as store, calibrating.published(store):
        pipeline = calibrating.pipeline_of(console.workspace, store, model=model)
        if show:
            rows = calibrating.shown(console.workspace, store, pipeline)
            lines = (
                f"{row['threshold']} {row['value']:g}, language {row['language']}\n  {row['from']}" for row in rows
            )
            console.emit({"thresholds": rows}, "\n".join(lines))
        elif undo:
            from etl.calibrate import take_back

            row = take_back(store, who=who)
            told = f"calibration {row['id']} ({row['language']}, {row['method']}) is taken back\n'etl run' applies it"
            console.emit({"withdrew": row["id"]}, told)
        else:
            if labels:
                made = calibrating.from_files(
                    pipeline, labels, who=who, wanted=precision, confidence=confidence, language=language
                )
            else:
                sitting = calibrating.Sitting.begin(
                    pipeline, who=who, method=method, language=language, count=questions
                )
                _ask(console, sitting)
                made = [sitting.fit(wanted=precision, confidence=confidence)]
            stored = any(found.id is not None for found in made)
            text = "\n".join(found.text() for found in made) + ("\n'etl run' decides again" if stored else "")
            console.emit({"calibrations": [found.to_dict() for found in made]}, text)


def _ask(console: State, sitting: object) -> None:
    from orchestration import calibrating, reviewing

    colour = sys.stderr.isatty() and sys.stdin.isatty()
    calibrating.ask(
        sitting, reviewing.keys_of(sys.stdin), lambda text: typer.echo(text, err=True), colour=colour  # type: ignore[arg-type]  # a Sitting, not imported for the type alone
    )  # fmt: skip
