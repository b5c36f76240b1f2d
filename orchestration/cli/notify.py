"""`etl notify`: the addresses that are told what a person should see."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from orchestration.cli.console import MENDABLE, state, table

app = typer.Typer(no_args_is_help=True, help="Notices by mail, chat and the rest, through apprise.")


@app.command("test")
def try_(
    context: typer.Context,
    text: Annotated[str, typer.Option(help="What the message says.")] = "This is a test of the notices of Motherlode.",
) -> None:
    """Send a test message to every address, and say what came of each."""
    from etl.errors import SettingsError
    from orchestration.outside import Outside

    console = state(context)
    outside = Outside.of(console.workspace, os.environ, say=console.say)
    if not outside.notifier.addresses:
        variables = " or ".join(console.workspace.settings.notify.variables) or "none is named"
        raise SettingsError(
            f"no address is given: put apprise addresses (mailto://…, slack://…) into the variable {variables}, "
            "or into [notify] urls of etl.toml"
        )
    sent = outside.notifier.send(outside.title, outside.redactor.clean(text))
    rows = [{"address": each.service, "sent": each.ok, "problem": each.problem or None} for each in sent]
    console.emit({"addresses": rows, "ok": all(e.ok for e in sent)}, table(rows, "address", "sent", "problem"))
    if not all(each.ok for each in sent):
        raise typer.Exit(MENDABLE)
