"""A provider's calendar: in which span of time a use counts, and when it starts from zero again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` (inclusive) to `end` (exclusive), both UTC; None: open."""

    start: datetime | None = None
    end: datetime | None = None


# the newest of each calendar: the next look is nearly always within it
_FOUND: dict[tuple[str, time, str], Window] = {}


def window(per: str, reset: time, zone: str, now: datetime) -> Window:
    """The day or month that `now` lies in, from reset to reset on the clocks of `zone`; open for anything else.

    Days of daylight saving have 23 or 25 hours. A reset at an hour that a day skips comes when the clocks have
    moved, one at an hour that a day has twice comes the first time.
    """
    if per not in ("day", "month"):
        return Window()
    found = _FOUND.get((per, reset, zone))
    if found is None or found.start is None or found.end is None or not found.start <= now < found.end:
        found = _FOUND[per, reset, zone] = _window(per, reset, zone, now)
    return found


def _window(per: str, reset: time, zone: str, now: datetime) -> Window:
    local = now.astimezone(ZoneInfo(zone)).date()
    dates = _days(local) if per == "day" else _months(local)
    instants = sorted({_instant(day, reset, zone) for day in dates})
    start = max(instant for instant in instants if instant <= now)
    return Window(start, min(instant for instant in instants if instant > start))


def _days(local: date) -> list[date]:
    # two on either side: a zone may skip a whole day
    return [local + timedelta(days=n) for n in (-2, -1, 0, 1, 2)]


def _months(local: date) -> list[date]:
    first = local.replace(day=1)
    before = (first - timedelta(days=1)).replace(day=1)
    after = (first + timedelta(days=32)).replace(day=1)
    return [before, first, after]


def _instant(day: date, reset: time, zone: str) -> datetime:
    return datetime.combine(day, reset, ZoneInfo(zone)).astimezone(UTC)
