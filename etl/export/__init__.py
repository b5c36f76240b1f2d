"""Kept pairs, splits and vectors in; a versioned, checksummed release out."""

from etl.export.job import export, pending
from etl.export.release import Index, Release, releases, verify
from etl.export.terms import FORMATS, GRADES, LEAVE_OUT, recipe

__all__ = [
    "FORMATS",
    "GRADES",
    "LEAVE_OUT",
    "Index",
    "Release",
    "export",
    "pending",
    "recipe",
    "releases",
    "verify",
]
