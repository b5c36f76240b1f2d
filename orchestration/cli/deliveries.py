"""`etl delivery` and `etl rejects`: what came in, and taking it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.console import bars, fields, state, table

if TYPE_CHECKING:
    from orchestration.runs import Result

app = typer.Typer(no_args_is_help=True, help="Delivered files: list, show, retract, restore, replace.")
rejects = typer.Typer(no_args_is_help=True, help="Records that gave no pair, each with its reason.")
Which = Annotated[str, typer.Argument(help="The start of its sha256, or its path.")]


@app.command("list")
def list_(context: typer.Context) -> None:
    """Every delivered file with its state and figures."""
    from etl import ingest

    console = state(context)
    with console.workspace.store() as store:
        rows = ingest.deliveries(store).to_dicts()
    shown = [row | {"delivery": row["delivery"][:12]} for row in rows]
    columns = ("delivery", "path", "state", "shape", "new", "duplicates", "rejects", "reason")
    console.emit({"deliveries": rows}, table(shown, *columns) if rows else "no deliveries yet")


@app.command()
def show(context: typer.Context, which: Which) -> None:
    """One delivery: how it was read, what it gave, what was rejected."""
    from etl import ingest

    console = state(context)
    with console.workspace.store() as store:
        details = ingest.delivery(store, which)
    console.emit(details, fields(details))


@app.command()
def retract(
    context: typer.Context,
    which: Which,
    why: Annotated[str, typer.Option(help="The reason, kept with the delivery.")] = "retracted by hand",
) -> None:
    """Take a delivery back: pairs that only it brought leave the next release, survivors are elected anew."""
    from etl import ingest
    from orchestration.runs import change

    console = state(context)
    result = change(console.workspace, lambda store: ingest.retract(store, which, why=why))
    _say(context, result, "retracted")


@app.command()
def restore(context: typer.Context, which: Which) -> None:
    """Take a retraction back."""
    from etl import ingest
    from orchestration.runs import change

    result = change(state(context).workspace, lambda store: ingest.restore(store, which))
    _say(context, result, "restored")


@app.command()
def replace(
    context: typer.Context,
    former: Which,
    corrected: Annotated[Path, typer.Argument(help="The corrected file; it may lie at the same path.")],
) -> None:
    """Read a corrected file and retract the delivery that it stands for; 'delivery restore' takes that back."""
    from orchestration import mending

    console = state(context)
    with bars(console) as watcher:
        result = mending.replace(console.workspace, former, corrected, watcher=watcher)
    console.emit(result.data, result.text)


@rejects.command("list")
def rejected(
    context: typer.Context,
    delivery: Annotated[str | None, typer.Option(help="Only of this delivery.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only with this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 50,
) -> None:
    """Rejected records."""
    from etl import ingest

    console = state(context)
    with console.workspace.store() as store:
        rows = ingest.rejects(store, delivery=delivery, reason=reason).to_dicts()
    text = table(rows[:limit], "id", "path", "position", "reason", "evidence")
    more = f"\n{len(rows) - limit:,} more; --limit shows them" if len(rows) > limit else ""
    console.emit({"rejects": rows}, text + more if rows else "nothing was rejected")


@rejects.command("show")
def show_rejected(
    context: typer.Context,
    which: Annotated[str, typer.Argument(help="The start of its id ('etl rejects list'), or FILE:POSITION.")],
) -> None:
    """One rejected record: reason, place, raw text and bytes, the recipe it was read with, how to mend it."""
    from etl import ingest

    console = state(context)
    with console.workspace.store() as store:
        found = ingest.reject(store, which, root=console.workspace.root)
    console.emit(found, fields(found))


@rejects.command()
def retry(
    context: typer.Context,
    delivery: Annotated[str | None, typer.Option(help="Only of this delivery; a refused one as well.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only with this reason; of refused files as well.")] = None,
) -> None:
    """Read the deliveries of rejected records again, with the present code and settings."""
    from orchestration import mending

    console = state(context)
    with bars(console) as watcher:
        result = mending.retry(console.workspace, delivery=delivery, reason=reason, watcher=watcher)
    console.emit(result.data, result.text)


@rejects.command()
def export(context: typer.Context, target: Annotated[Path, typer.Argument(help="A .jsonl file to write.")]) -> None:
    """Write all rejected records to a JSON Lines file."""
    from etl import ingest

    console = state(context)
    with console.workspace.store() as store:
        frame = ingest.rejects(store)
    frame.write_ndjson(target)
    console.emit({"file": str(target), "rejects": frame.height}, f"{frame.height:,} rejects written to {target}")


def _say(context: typer.Context, result: Result, verb: str) -> None:
    state(context).emit(
        result.data, f"{verb}: {result.text}\n'etl run' brings decisions, splits and release up to date"
    )
