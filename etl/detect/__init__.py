"""The bytes of one delivery in, a decision out: container, encoding, shape and field mapping, each with evidence."""

from etl.detect.format import MAPPING_CONFIDENCE, Format, Refusal
from etl.detect.view import Report, compact, report, reports, show

__all__ = ["MAPPING_CONFIDENCE", "Format", "Refusal", "Report", "compact", "report", "reports", "show"]
