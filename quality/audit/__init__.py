"""The resolved corpus in; flags that only the whole corpus can show, and every figure of report and status out."""

from quality.audit.corpus import CORPUS_RULES, CorpusRule, audit_frame
from quality.audit.figures import figures
from quality.audit.job import audit, pending, recipe

__all__ = ["CORPUS_RULES", "CorpusRule", "audit", "audit_frame", "figures", "pending", "recipe"]
