"""`etl detect`: what would be made of files, before anything is read into a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.console import INCOMPLETE, state


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(detect)


def detect(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files, folders, archives, or archive.zip!/member.")],
    maps: Annotated[
        list[str] | None, typer.Option("--map", help="Try a mapping: question=FIELD, answer=FIELD; may be repeated.")
    ] = None,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Of broken JSON show what stands before the break.")
    ] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Look at all of a large text, not at its beginning.")] = False,
    model: Annotated[str | None, typer.Option(help="Let this model say which unknown columns belong together.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 when anything would not be taken in.")] = False,
) -> None:
    """How files would be read, and why: container, encoding, shape, mapping, sample pairs, rejects. Keeps nothing."""
    from etl import detect as detecting
    from orchestration.looking import fields_of, similarity_of, summed

    console = state(context)
    found = detecting.reports(
        paths,
        mapping=fields_of(maps or ()),
        salvage=salvage,
        whole=whole,
        similarity=similarity_of(console.root, model),
    )
    listed = list(found)
    full = len(listed) == 1 and not paths[0].is_dir()
    text = detecting.show(listed[0]) if full else f"{detecting.compact(listed)}\n{summed(listed)['text']}"
    files = {"files": [one.to_dict() for one in listed]}
    console.emit(files | summed(listed)["figures"], text)
    if strict and not all(one.taken for one in listed):
        raise typer.Exit(INCOMPLETE)
