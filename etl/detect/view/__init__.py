"""Paths in, what detection decides about each file out, for a person; the only part of this room that knows paths."""

from etl.detect.view.reporting import Report, report, reports
from etl.detect.view.show import compact, show

__all__ = ["Report", "compact", "report", "reports", "show"]
