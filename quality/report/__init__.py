"""The store in; one self-contained page for a person and the same figures as JSON out."""

from quality.report.job import HTML, JSON, pending, recipe, report
from quality.report.observations import observations
from quality.report.page import page

__all__ = ["HTML", "JSON", "observations", "page", "pending", "recipe", "report"]
