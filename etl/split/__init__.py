"""Kept pairs and what ties them together in; train, validation and test out: stratified, leak-free, stable."""

from etl.split.assign import BRIDGES, RATIOS, SPLITS, assign
from etl.split.graph import components
from etl.split.job import pending, recipe, split
from etl.split.oversized import links_of, oversized

__all__ = ["BRIDGES", "RATIOS", "SPLITS", "assign", "components", "links_of", "oversized", "pending", "recipe", "split"]
