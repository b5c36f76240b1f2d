"""The command `etl`: parses, calls, prints. Everything worth testing lives below it and can be called from Python.

Only light modules are imported here; a command imports what it needs when it runs.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.exceptions import Exit, TyperException

from etl.errors import MotherlodeError
from orchestration.cli import (
    calibration,
    decisions,
    deliveries,
    detect,
    joining,
    mapping,
    migrating,
    notify,
    path,
    quotas,
    review,
    service,
    sessions,
    snapshots,
    store,
    tasks,
)
from orchestration.cli.console import DONE, INTERRUPTED, MENDABLE, State

app = typer.Typer(
    name="etl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turns messy question-and-answer deliveries into datasets you can trust.",
)

_FLAGS = {"--json": "--json", "--quiet": "--quiet", "-q": "--quiet"}
_VALUED = {"--workspace", "-w"}


@app.callback()
def options(
    context: typer.Context,
    workspace: Annotated[
        Path, typer.Option("--workspace", "-w", envvar="ETL_WORKSPACE", help="Folder with store, inbox and releases.")
    ] = Path(),
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, all else on stderr.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no remarks.")] = False,
) -> None:
    """Global options; they may also stand after the command."""
    context.obj = State(workspace, json, quiet)


for module in (path, migrating, detect, joining, store, decisions, quotas, sessions, calibration):
    module.register(app)
app.add_typer(deliveries.app, name="delivery")
app.add_typer(mapping.app, name="mapping")
app.add_typer(snapshots.app, name="snapshot")
app.add_typer(decisions.conflict, name="conflict")
app.add_typer(decisions.override, name="override")
app.add_typer(deliveries.rejects, name="rejects")
app.add_typer(review.app, name="review")
app.add_typer(tasks.app, name="task")
app.add_typer(sessions.app, name="session")
app.add_typer(notify.app, name="notify")
app.add_typer(service.app, name="service")


def hoist(arguments: Sequence[str]) -> list[str]:
    """Move the global options to the front, wherever they stand before a `--`."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            rest += [argument, *waiting]
        elif argument in _FLAGS:
            front.append(_FLAGS[argument])
        elif argument in _VALUED:
            front += [argument, *([value] if (value := next(waiting, None)) is not None else [])]
        elif argument.startswith("--workspace="):
            front.append(argument)
        else:
            rest.append(argument)
    return front + rest


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code. Ordinary mistakes print one line and no traceback."""
    try:
        result = app(args=hoist(arguments), prog_name="etl", standalone_mode=False)
        code = result if isinstance(result, int) else DONE  # typer gives the code of an Exit, Ctrl-C's 130 among them
        return _interrupted() if code == INTERRUPTED else code
    except Exit as stop:
        return stop.exit_code
    except TyperException as error:
        told = error.format_message()  # a group without a command gives its help here
        if told:
            typer.echo(told if "Usage:" in told else f"etl: {told} ('etl COMMAND --help' shows usage)", err=True)
        return error.exit_code
    except MotherlodeError as error:
        typer.echo(f"etl: {error}", err=True)
        return MENDABLE
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EROFS) and not isinstance(
            error, FileNotFoundError | PermissionError | IsADirectoryError
        ):
            raise
        why = {errno.ENOSPC: "the disk is full: ", errno.EROFS: "this cannot be written to: "}.get(error.errno or 0, "")
        typer.echo(f"etl: {why}{error}. Mend that, then run the same command again", err=True)
        return MENDABLE
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()


def _interrupted() -> int:
    told = "stopped; what was committed stays, the open unit was rolled back. Resume: the same command"
    typer.echo(f"\netl: {told}", err=True)
    return INTERRUPTED


def main() -> NoReturn:
    """Entry point: characters that the terminal cannot show are replaced, never fatal."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))
