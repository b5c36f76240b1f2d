"""Standings as a calm text: a bar with its bounds, the band, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.quota.limit import HEALTHY, Limit
from orchestration.quota.quota import Standing

WIDTH = 20


def bar(limit: Limit, used: float, *, width: int = WIDTH) -> str:
    """`[###########------|--|-|-]`: what is used, and where wrap, hard stop and panic begin. Plain characters only."""
    filled = min(width, round(width * used / limit.amount))
    cells = ["#"] * filled + ["-"] * (width - filled)
    for bound in (limit.wrap, limit.hard_stop, limit.panic):
        at = min(width - 1, round(width * bound))
        if cells[at] == "-":
            cells[at] = "|"
    return f"[{''.join(cells)}]"


def line(limit: Limit, used: float) -> str:
    """One limit in one line of under 72 characters, its name not included: bar, share, figures, band."""
    figures = f"{round(used, 4):,.6g} of {limit.amount:,.6g} {limit.resource}"
    return f"{bar(limit, used)} {used / limit.amount:6.1%}  {figures:<28} {spoken(limit.band(used))}"


def spoken(band: str) -> str:
    """A band as it is read: `hard stop`."""
    return band.replace("_", " ")


def standings(found: Sequence[Standing]) -> str:
    """All limits, one below the other, each with what is held and when it resets."""
    width = max((len(standing.limit.name) for standing in found), default=0)
    lines = []
    for standing in found:
        lines.append(f"{standing.limit.name:<{width}} {line(standing.limit, standing.used)}")
        notes = [] if standing.band == HEALTHY else [standing.advice]
        notes += [f"{standing.held:,.6g} of it held by open units"] if standing.held else []
        if standing.resets is not None and standing.used:
            notes.append(f"resets {standing.resets:%Y-%m-%d %H:%M} UTC")
        if notes:
            lines.append(f"{'':<{width}}   {'; '.join(notes)}")
    return "\n".join(lines)
