"""Pairs in; the same pairs with the columns that several rules look at: word counts, head, tail, code or not."""

from __future__ import annotations

import polars as pl

# As in `etl.words`: a character of a script without word spaces is a word, elsewhere a run of letters and digits is.
SPACELESS = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = rf"[{SPACELESS}]|[\p{{L}}\p{{M}}\p{{N}}--[{SPACELESS}]]+(?:[.,'’-][\p{{L}}\p{{N}}--[{SPACELESS}]]+)*"

_CODE = (
    r"```|(?m)^\s*(?:def |class \w+[:({]|import \w|from \w+ import |#include|#!|public |private |function\b.*\(|"
    r"const \w+ =|let \w+ =|var \w+ =|SELECT |INSERT |<\?php|<!DOCTYPE|<html|@\w+\s*$)|[;{}]\s*(?:\n|$)|=> ?[{(]|"
    r"\b(?:print|console\.log|printf|echo|return)\s?\(|</[a-zA-Z][\w-]*>\s*$|\\(?:frac|begin|sum|int|mathrm|text)\b"
)
HEAD_CHARS = 400
TAIL_CHARS = 400


def words(column: str) -> pl.Expr:
    """Number of words of a text column."""
    return pl.col(column).str.count_matches(WORD)


def prepared(pairs: pl.DataFrame) -> pl.DataFrame:
    """`question`, `answer` and `context` with `question_words`, `answer_words`, `head`, `tail` and `has_code` added."""
    trimmed = pl.col("answer").str.strip_chars()
    return pairs.with_columns(
        words("question").alias("question_words"),
        words("answer").alias("answer_words"),
        trimmed.str.head(HEAD_CHARS).alias("head"),
        trimmed.str.tail(TAIL_CHARS).alias("tail"),
        pl.col("answer").str.contains(_CODE).alias("has_code"),
    )
