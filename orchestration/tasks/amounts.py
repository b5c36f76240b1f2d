"""What people write for spans and amounts, in; numbers out: `1d`, `30 minutes`, `tokens=100000`, `10/40`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta

from etl.errors import SettingsError

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|second|m|min|minute|h|hour|d|day|w|week)s?$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def span(text: str) -> timedelta:
    """`90s`, `30 minutes`, `12h`, `1d`, `2w`; raises `SettingsError`."""
    found = _SPAN.match(text.strip().lower())
    if not found or float(found[1]) == 0:
        raise SettingsError(f"{text!r} is no span of time; write 30m, 12h, 1d or 1w")
    return timedelta(seconds=float(found[1]) * _SECONDS[found[2][0]])


def spoken(seconds: float) -> str:
    """A span for a person: `45 s`, `30 min`, `2.5 h`, `3 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"


def amounts(texts: Iterable[str]) -> dict[str, float]:
    """`tokens=100000` and `dollars=0.5`, each a resource and how much; raises `SettingsError`."""
    found = {}
    for text in texts:
        name, equals, figure = text.partition("=")
        try:
            found[name.strip()] = float(figure.replace(",", "").replace("_", ""))
        except ValueError:
            found[name.strip()] = -1.0
        if not equals or not name.strip() or not 0 <= found[name.strip()] < float("inf"):
            raise SettingsError(f"{text!r} is no amount of a resource; write tokens=100000")
    return found


def fraction(text: str) -> tuple[int, int | None]:
    """`10/40` or `10`; raises `SettingsError`."""
    found = re.match(r"(\d+)(?:\s*/\s*(\d+))?$", text.strip())
    if not found or (found[2] and int(found[1]) > int(found[2])):
        raise SettingsError(f"{text!r} is no progress; write 10/40")
    return int(found[1]), int(found[2]) if found[2] else None
