"""`Limit`: how much of a resource there is, per what, and in which band a use of it lies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from etl.errors import SettingsError
from orchestration.quota.calendar import Window, window

if TYPE_CHECKING:
    from orchestration.settings import Quota as Setting

HEALTHY, WARNING, WRAP, HARD_STOP, PANIC = "healthy", "warning", "wrap", "hard_stop", "panic"
BANDS = (HEALTHY, WARNING, WRAP, HARD_STOP, PANIC)
ADVICE = {
    HEALTHY: "keep working",
    WARNING: "look for a good point to wrap",
    WRAP: "finish the open unit, then wrap",
    HARD_STOP: "stop now: roll back what is open, then wrap",
    PANIC: "save at once; what is open is flagged incomplete",
}
EPSILON = 1e-9  # sums of 0.001 are not exact


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit. The four bounds are shares of `amount`; from each on, its band begins.

    75, 85, 90 and 95 per cent are the user's own; 85 of 100 is work, 10 the wrap's, 5 a buffer.
    """

    name: str
    resource: str
    amount: float
    per: str = "session"
    reset: time = time(0, 0)
    zone: str = "UTC"
    agent: str | None = None
    warning: float = 0.75
    wrap: float = 0.85
    hard_stop: float = 0.90
    panic: float = 0.95

    @classmethod
    def from_setting(cls, name: str, setting: Setting) -> Limit:
        """A `[quota.NAME]` of etl.toml; raises `SettingsError` for bounds out of order and unknown zones."""
        bounds = (setting.warning, setting.wrap, setting.hard_stop, setting.panic)
        if list(bounds) != sorted(bounds):
            raise SettingsError(
                f"[quota.{name}]: warning, wrap, hard_stop and panic must rise, not {', '.join(map(str, bounds))}"
            )
        try:
            ZoneInfo(setting.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise SettingsError(
                f"[quota.{name}]: no time zone {setting.zone!r} is known here; write one like America/Los_Angeles "
                "(on Windows the package tzdata brings them)"
            ) from None
        return cls(
            name, setting.resource or name, setting.limit, setting.per, time.fromisoformat(setting.reset), setting.zone,
            setting.agent or None, *bounds,
        )  # fmt: skip

    @property
    def concurrent(self) -> bool:
        """Whether it counts what runs at the same time, and not what was used up."""
        return self.per == "concurrent"

    @property
    def work(self) -> float:
        """What may be used before the wrap begins; the rest is kept for it."""
        return self.amount * self.wrap

    def band(self, used: float) -> str:
        """The band in which a use lies."""
        share = used / self.amount + EPSILON
        bounds = ((self.panic, PANIC), (self.hard_stop, HARD_STOP), (self.wrap, WRAP), (self.warning, WARNING))
        return next((band for bound, band in bounds if share >= bound), HEALTHY)

    def window(self, now: datetime) -> Window:
        """The span in which use counts now; open at both ends where it is not a matter of time."""
        return window(self.per, self.reset, self.zone, now)


def worst(bands: list[str]) -> str:
    """The most severe of some bands; healthy without any."""
    return max(bands, key=BANDS.index, default=HEALTHY)
