"""Pairs in, each by itself; flags with evidence, a score, a grade, a completeness and a language out.

Nothing is deleted here: a flag lowers the score, and the gates of a release decide what it leaves out.
"""

from quality.assess.frame import assess_frame
from quality.assess.job import assess, pending, recipe
from quality.assess.private import masked
from quality.assess.registry import GATES, RULES, rules_table
from quality.assess.rule import Rule

__all__ = ["GATES", "RULES", "Rule", "assess", "assess_frame", "masked", "pending", "recipe", "rules_table"]
