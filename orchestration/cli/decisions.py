"""`etl explain`, `links`, `undo`, `conflict`, `override`: why a row stands where it stands, and changing it."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.cli.console import state, table

conflict = typer.Typer(no_args_is_help=True, help="The contradiction ledger.")
override = typer.Typer(no_args_is_help=True, help="Decisions by people; append-only, each can be taken back.")

Key = Annotated[str, typer.Argument(help="A key, or its first six digits or more.")]
Who = Annotated[str, typer.Option(help="Who decides; kept with the decision.")]
Note = Annotated[str | None, typer.Option(help="Why; kept with the decision.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(explain)
    app.command()(links)
    app.command()(undo)


def explain(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="A key, FILE:LINE, or the text of a question.")],
) -> None:
    """Why a row is, or is not, in the dataset: provenance, flags, links, decision and evidence."""
    from etl import explain as explaining

    console = state(context)
    with console.workspace.store() as store:
        found = explaining.explain(store, what)
    console.emit(found.to_dict(), explaining.render(found))


def links(context: typer.Context, key: Key) -> None:
    """All links of a pair: similarities by each method, verdict, the veto that fired, and what became of the other."""
    from etl import explain as explaining

    console = state(context)
    with console.workspace.store() as store:
        found = explaining.links(store, key)
    console.emit(found, explaining.render_links(found))


def undo(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="A key, or its first six digits or more; or the id of a decision.")],
    who: Who = "user",
    note: Note = None,
) -> None:
    """Take back a merge and keep it so, or a person's decision; `etl calibrate --undo` takes thresholds back."""
    from etl import overrides
    from orchestration.runs import change

    result = change(state(context).workspace, lambda store: overrides.undo(store, key, who=who, note=note))
    state(context).emit(result.data, f"{result.text}\n'etl run' applies it")


@conflict.command("list")
def conflicts(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 30,
    settled: Annotated[bool, typer.Option("--settled", help="Also those that were settled.")] = False,
) -> None:
    """Pairs that answer the same question differently."""
    from etl import overrides

    console = state(context)
    with console.workspace.store() as store:
        rows = overrides.conflicts(store, settled=settled).to_dicts()
    shown = [row | {"a": row["a"][:10], "b": row["b"][:10]} for row in rows[:limit]]
    text = table(shown, "a", "b", "kind", "question", "answer_a", "answer_b", "settled")
    more = f"\n{len(rows) - limit:,} more; --limit shows them" if len(rows) > limit else ""
    console.emit({"conflicts": rows}, text + more if rows else "no open conflicts")


@conflict.command()
def settle(
    context: typer.Context,
    a: Key,
    b: Key,
    right: Annotated[str, typer.Option(help="The key of the right answer, or 'both'.")],
    who: Who = "user",
    note: Note = None,
) -> None:
    """Say which of two contradicting pairs is right."""
    from etl import overrides
    from orchestration.runs import change

    result = change(
        state(context).workspace, lambda store: overrides.settle(store, a, b, right=right, who=who, note=note)
    )
    state(context).emit(result.data, f"{result.text}\n'etl run' applies it")


@override.command("list")
def overrides_(context: typer.Context) -> None:
    """All decisions by people, oldest first."""
    from etl import overrides

    console = state(context)
    with console.workspace.store() as store:
        rows = overrides.listed(store).to_dicts()
    shown = [row | {"key": row["key"][:10], "other": row["other"][:10]} for row in rows]
    text = table(shown, "id", "key", "other", "verdict", "who", "decided_at", "note")
    console.emit({"overrides": rows}, text if rows else "no overrides")


@override.command()
def add(
    context: typer.Context,
    key: Key,
    other: Key,
    verdict: Annotated[str, typer.Option(help="merge, keep_both, conflict or survivor (KEY goes first).")],
    who: Who = "user",
    note: Note = None,
) -> None:
    """Decide about two pairs."""
    from etl import overrides
    from orchestration.runs import change

    result = change(
        state(context).workspace, lambda store: overrides.add(store, key, other, verdict, who=who, note=note)
    )
    state(context).emit(result.data, f"{result.text}\n'etl run' applies it")


@override.command()
def withdraw(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="The id from `etl override list`.")],
    who: Who = "user",
) -> None:
    """Take a decision back: what stood before stands again, exactly."""
    from etl import overrides
    from orchestration.runs import change

    result = change(state(context).workspace, lambda store: overrides.withdraw(store, number, who=who))
    state(context).emit(result.data, f"{result.text}\n'etl run' applies it")
