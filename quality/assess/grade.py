"""Flags and columns in, completeness, score and letter out.

    completeness = 0.30 sources + 0.30 answer length + 0.15 category + 0.15 indicator + 0.10 context or alternatives
    answer length = ln(1 + words) / ln(1 + 40), at most 1
    score = 1 - sum of the weights of its flags - 0.25 (1 - completeness), between 0 and 1, four decimals
    A from 0.90, B from 0.80, C from 0.70, D from 0.45, F below

So a bare pair without a flag is worth at least 0.75, a C; a right answer of one word ('Paris', nothing else given)
loses 0.10 for `too_short` and about 0.24 for what is missing: 0.66, a D and never an F; with source, category and
indicator it is a B.
"""

from __future__ import annotations

import math

import polars as pl

FULL_ANSWER_WORDS = 40
MISSING_WEIGHT = 0.25
LETTERS = (("A", 0.90), ("B", 0.80), ("C", 0.70), ("D", 0.45))
LOWEST = "F"
COMPLETENESS = {
    "sources": 0.30,
    "answer_length": 0.30,
    "category": 0.15,
    "indicator": 0.15,
    "context_or_alternatives": 0.10,
}


def completeness() -> pl.Expr:
    """How much of what makes a pair useful is there, 0 to 1, four decimals."""
    parts = {
        "sources": pl.col("sources").list.len() > 0,
        "answer_length": ((pl.col("answer_words") + 1).log() / math.log(1 + FULL_ANSWER_WORDS)).clip(0, 1),
        "category": _given("category"),
        "indicator": _given("indicator"),
        "context_or_alternatives": _given("context") | (pl.col("alternatives").list.len() > 0),
    }
    shares = [part.cast(pl.Float64).fill_null(0.0) * COMPLETENESS[name] for name, part in parts.items()]
    return pl.sum_horizontal(shares).round(4)


def score(penalty: pl.Expr, complete: pl.Expr) -> pl.Expr:
    """The score from the summed weights and the completeness, 0 to 1, four decimals."""
    return (1 - penalty - MISSING_WEIGHT * (1 - complete)).clip(0, 1).round(4)


def letter(scores: pl.Expr) -> pl.Expr:
    """A, B, C, D or F."""
    found: pl.Expr = pl.lit(LOWEST)
    for name, threshold in reversed(LETTERS):
        found = pl.when(scores >= threshold).then(pl.lit(name)).otherwise(found)
    return found


def _given(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().str.len_chars() > 0
