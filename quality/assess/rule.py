"""What a rule is: a frame of prepared pairs in, a series of evidence out, null where nothing was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

EVIDENCE_CHARS = 160

# An expression or a function over the columns that `prepared` adds; one string (the span that was found) or null a row.
Find = pl.Expr | Callable[[pl.DataFrame], pl.Series]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `weight` is what it takes from the score; `gate` says that releases leave its pairs out by default."""

    flag: str
    weight: float
    gate: bool
    means: str
    source: str
    find: Find

    def evidence(self, pairs: pl.DataFrame) -> pl.Series:
        """What this rule found in each prepared pair, shortened to `EVIDENCE_CHARS`; null where it does not apply."""
        found = pairs.select(self.find).to_series() if isinstance(self.find, pl.Expr) else self.find(pairs)
        return found.cast(pl.String).str.head(EVIDENCE_CHARS).rename(self.flag)


def span(column: str, pattern: str) -> pl.Expr:
    """The first match of a pattern in a column, null without one."""
    return pl.col(column).str.extract(f"({pattern})", 1)


def where(condition: pl.Expr, evidence: pl.Expr) -> pl.Expr:
    """The evidence where the condition holds, else null."""
    return pl.when(condition).then(evidence)
