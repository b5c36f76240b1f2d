"""Candidates as decoded in; repaired texts with their keys, the repairs and what stood there before out."""

from etl.normalise.frame import Normalised, normalise
from etl.normalise.names import Names
from etl.normalise.repair import repair_text

__all__ = ["Names", "Normalised", "normalise", "repair_text"]
