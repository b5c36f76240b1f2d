"""Quotas: limits on anything countable, the calendar they reset by, admission of units, and the meter jobs spend by."""

from orchestration.quota.limit import ADVICE, BANDS, HARD_STOP, HEALTHY, PANIC, WARNING, WRAP, Limit, worst
from orchestration.quota.meter import PanicStop, QuotaMeter
from orchestration.quota.quota import Quota, Refusal, Standing

__all__ = [
    "ADVICE", "BANDS", "HARD_STOP", "HEALTHY", "PANIC", "WARNING", "WRAP", "Limit", "PanicStop", "Quota", "QuotaMeter",
    "Refusal", "Standing", "worst",
]  # fmt: skip
