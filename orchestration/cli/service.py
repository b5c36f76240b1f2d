"""`etl service`: mining that starts with the machine."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.console import state

app = typer.Typer(no_args_is_help=True, help="Mining as a service of the system, that survives a reboot.")


@app.command("print")
def print_(
    context: typer.Context,
    kind: Annotated[
        str | None, typer.Option(help="systemd, systemd-user or windows; unset: that of this machine.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="A folder to write the file to; unset: the screen.")] = None,
    user: Annotated[str | None, typer.Option(help="Who it runs as; unset: you.")] = None,
    python: Annotated[str | None, typer.Option(help="The interpreter; unset: this one.")] = None,
    agent: Annotated[str | None, typer.Option(envvar="ETL_AGENT", help="Who works, whose limits count.")] = None,
) -> None:
    """A systemd unit or a Windows scheduled task for `etl mine --forever`, and how it is installed."""
    from etl.errors import SettingsError
    from orchestration.service import KINDS, SYSTEMD, WINDOWS, Service, encoded, path_for

    console = state(context)
    kind = kind or (WINDOWS if os.name == "nt" else SYSTEMD)
    if kind not in KINDS:
        raise SettingsError(f"there is no kind of service {kind!r}; it is one of {', '.join(KINDS)}")
    root = str(console.workspace.root)
    service = Service(path_for(kind, root), path_for(kind, python or sys.executable), user or getpass.getuser(), agent)
    text, steps = service.text(kind), service.steps(kind)
    file = None
    if to is not None:
        if to.exists() and not to.is_dir():
            raise SettingsError(f"{to} is a file; --to takes a folder")
        file = to / service.file_name(kind)
        to.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(kind, text))
    data = {"kind": kind, "name": service.name, "file": file and str(file), "text": text, "install": steps}
    console.emit(data, text.rstrip("\n") if file is None else f"written to {file}")
    for step in steps:
        console.say(f"  {step}")
