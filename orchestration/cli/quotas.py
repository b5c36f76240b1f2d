"""`etl quota` and `etl tokens`: how much is used, in which band that lies, and what to do."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Annotated, Any

import typer

from orchestration.cli.console import State, state
from orchestration.cli.tasks import opened

WRAP_NOW = 4


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(quota)
    app.command()(tokens)


def quota(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Follow until Ctrl-C.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 4 when any limit says wrap, hard stop or panic.")
    ] = False,
    agent: Annotated[str | None, typer.Option(envvar="ETL_AGENT", help="Whose limits and session.")] = None,
    session: Annotated[str | None, typer.Option(help="Of this session; unset: the agent's open one.")] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks with --watch.")] = 2.0,
) -> None:
    """Every limit: a bar, its band, what to do, and when it resets."""
    from orchestration.quota import BANDS, WRAP

    console = state(context)
    if watch:
        with suppress(KeyboardInterrupt):  # the way to end it
            while True:
                data, text = _looked(console, agent, session)
                _redraw(console, data, text)
                time.sleep(every)
        return
    data, text = _looked(console, agent, session)
    console.emit(data, text)
    if check and BANDS.index(data["band"]) >= BANDS.index(WRAP):
        raise typer.Exit(WRAP_NOW)


def tokens(
    context: typer.Context,
    used: Annotated[float, typer.Argument(min=0, help="Tokens that the session has used so far.")],
    check: Annotated[bool, typer.Option("--check", help="Exit 4 from the wrap threshold on.")] = False,
    agent: Annotated[str | None, typer.Option(envvar="ETL_AGENT", help="Whose limit.")] = None,
) -> None:
    """What a number of tokens means for a session; nothing is booked."""
    from etl.errors import SettingsError
    from orchestration.control import Control
    from orchestration.quota import ADVICE, BANDS, WRAP, Quota
    from orchestration.quota.display import line

    console = state(context)
    with Control.open(":memory:") as nothing:
        limits = Quota.from_settings(nothing, console.workspace.settings).binding("tokens", agent)
    if not limits:
        raise SettingsError("there is no limit on tokens; [quota.tokens] in etl.toml makes one")
    limit = min(limits, key=lambda limit: limit.amount)
    band = limit.band(used)
    data = {"tokens": used, "limit": limit.amount, "share": round(used / limit.amount, 4), "band": band}
    console.emit(
        data | {"advice": ADVICE[band], "left": max(0.0, limit.work - used)}, f"{line(limit, used)}: {ADVICE[band]}"
    )
    if check and BANDS.index(band) >= BANDS.index(WRAP):
        raise typer.Exit(WRAP_NOW)


def _looked(console: State, agent: str | None, session: str | None) -> tuple[dict[str, Any], str]:
    from orchestration.control import sessions
    from orchestration.quota import ADVICE, Quota, worst
    from orchestration.quota.display import spoken, standings

    with opened(console, look=True) as control:
        if session is None:
            current = sessions.current(control, agent=agent)
            session = current.name if current else None
        else:
            sessions.get(control, session)
        found = Quota.from_settings(control, console.workspace.settings).standings(session=session, agent=agent)
    band = worst([standing.band for standing in found])
    whose = f"{agent or 'nobody in particular'}, " + (f"session {session}" if session else "no open session")
    data = {"agent": agent, "session": session, "band": band, "quotas": [standing.to_dict() for standing in found]}
    return data, f"{whose}\n{standings(found)}\n{spoken(band)}: {ADVICE[band]}"


def _redraw(console: State, data: dict[str, Any], text: str) -> None:
    if sys.stdout.isatty() and not console.as_json:
        sys.stdout.write("\x1b[2J\x1b[H")  # clear and go home; Windows terminals know it too
    console.emit(data, text)
    sys.stdout.flush()
