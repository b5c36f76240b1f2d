"""`etl mapping`: which fields of files with unknown names are question and answer, said once for a sender and shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.console import state, table
from orchestration.cli.decisions import Note, Who

if TYPE_CHECKING:
    from etl.overrides import Outcome
    from etl.store import Store

app = typer.Typer(no_args_is_help=True, help="Fields of unknown names: list, accept, edit, withdraw.")

Which = Annotated[str, typer.Argument(help="A delivery: the start of its sha256, or its path.")]
Sender = Annotated[str | None, typer.Option(help="Remember it for this sender, '*' for all; unset: the delivery's.")]


@app.command("list")
def list_(context: typer.Context) -> None:
    """Files that wait for a mapping, and the mappings that people gave."""
    from etl import mappings

    console = state(context)
    with console.workspace.store() as store:
        found = mappings.listed(store)
    waiting = [row | {"delivery": row["delivery"][:12], "proposal": _said(row["proposal"])} for row in found["waiting"]]
    given = [row | {"mapping": _said(row["mapping"]), "fields": ", ".join(row["fields"])} for row in found["mappings"]]
    parts = []
    if waiting:
        parts.append("waiting\n" + table(waiting, "delivery", "path", "sender", "proposal"))
    if found["mappings"]:
        parts.append("given\n" + table(given, "id", "stands", "sender", "verdict", "mapping", "fields", "who"))
    console.emit(found, "\n\n".join(parts) or "no file waits for a mapping, and none was given")


@app.command()
def accept(context: typer.Context, which: Which, sender: Sender = None, who: Who = "user", note: Note = None) -> None:
    """Use the mapping that is proposed for a waiting file, for it and for later ones like it."""
    from etl import mappings

    _change(context, which, lambda store: mappings.accept(store, which, who=who, sender=sender, note=note))


@app.command()
def edit(
    context: typer.Context,
    which: Which,
    fields: Annotated[list[str], typer.Argument(help="question=FIELD answer=FIELD ...; context= takes one out.")],
    sender: Sender = None,
    who: Who = "user",
    note: Note = None,
) -> None:
    """Say which fields are what, for this file and for later ones like it; an accepted file is then read again."""
    from etl import mappings
    from orchestration.looking import pairs_of

    changes = pairs_of(fields)
    _change(context, which, lambda store: mappings.edit(store, which, changes, who=who, sender=sender, note=note))


@app.command()
def withdraw(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="The id from `etl mapping list`.")],
    who: Who = "user",
    note: Note = None,
) -> None:
    """Take a mapping back: what stood before stands again."""
    from etl import mappings
    from orchestration.runs import change

    result = change(state(context).workspace, lambda store: mappings.withdraw(store, number, who=who, note=note))
    state(context).emit(result.data, f"{result.text}\n'etl run' applies it")


def _said(mapping: dict[str, str]) -> str:
    return " ".join(f"{ours}={theirs}" for ours, theirs in mapping.items())


def _change(context: typer.Context, which: str, act: Callable[[Store], Outcome]) -> None:
    from orchestration.looking import not_settled
    from orchestration.runs import change

    workspace = state(context).workspace
    with workspace.store() as store:
        not_settled(store, which, workspace.settings.read.mappings)
    result = change(workspace, act)
    state(context).emit(result.data, f"{result.text}\n'etl run' applies it")
