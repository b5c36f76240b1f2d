"""Links and pairs in, a frame with a row for two linked pairs out: those that are alike or ask the same, with texts.

A frame narrows the links down; only what is left has its texts taken apart.
"""

from __future__ import annotations

import polars as pl

from etl.resolve.rules import Rules

_LINKED = ("key", "question", "answer", "question_key", "answer_key", "context_key", "alternatives", "language")


def candidates(pairs: pl.DataFrame, links: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """One row two linked pairs that are alike or ask the same, with all texts, in the order of keys."""
    cosine, lexical = pl.col("method") == "cosine", pl.col("method") == "lexical"
    joined = (
        links.filter(pl.col("a") != pl.col("b"))
        .with_columns(a=pl.min_horizontal("a", "b"), b=pl.max_horizontal("a", "b"))
        .group_by("a", "b")
        .agg(
            qc=pl.col("question_similarity").filter(cosine).max(),
            ac=pl.col("answer_similarity").filter(cosine).max(),
            ql=pl.col("question_similarity").filter(lexical).max(),
            al=pl.col("answer_similarity").filter(lexical).max(),
            qo=pl.col("question_overlap").max(), ao=pl.col("answer_overlap").max(),
            truncated=(pl.col("truncated") & cosine).any(),
        )
        .join(pairs.select(pl.col(name).alias(f"{name}_a") for name in _LINKED), left_on="a", right_on="key_a")
        .join(pairs.select(pl.col(name).alias(f"{name}_b") for name in _LINKED), left_on="b", right_on="key_b")
        .filter(pl.col("context_key_a").eq_missing(pl.col("context_key_b")))
    )  # fmt: skip
    declared = pl.lit(value=True)
    if rules.languages is not None:
        declared = pl.col("language_a").is_in(rules.languages) & pl.col("language_b").is_in(rules.languages)
    by_words = (pl.col("qo") >= rules.review_lexical) & (pl.col("ao") >= rules.review_lexical)
    return (
        joined.with_columns(declared=declared)
        .with_columns(
            # a model says nothing about a language that it does not know: there the words must agree as well
            alike_cosine=(_both("c", _threshold(rules, "review_cosine")) & (pl.col("declared") | by_words)),
            alike_lexical=_both("l", _threshold(rules, "review_lexical")),
            merge_cosine=_both("c", _threshold(rules, "merge_cosine")),
            merge_lexical=_both("l", _threshold(rules, "merge_lexical")),
            equal_question=pl.col("question_key_a") == pl.col("question_key_b"),
            equal_answer=pl.col("answer_key_a") == pl.col("answer_key_b"),
        )
        .with_columns(
            alike=pl.col("alike_cosine") | pl.col("alike_lexical"),
            same=pl.col("equal_question")
            | (pl.col("declared") & (pl.col("qc") >= rules.same_question)).fill_null(value=False)
            | (pl.col("ql") >= rules.same_question).fill_null(value=False),
        )
        .filter(pl.col("alike") | pl.col("same"))
        .sort("a", "b")
    )


def _threshold(rules: Rules, name: str) -> pl.Expr:
    """A threshold, or what was calibrated for the language where both pairs are of one."""
    value = pl.lit(getattr(rules, name))
    for language, of, calibrated in rules.by_language:
        if of == name:
            both = (pl.col("language_a") == language) & (pl.col("language_b") == language)
            value = pl.when(both).then(pl.lit(calibrated)).otherwise(value)
    return value


def _both(method: str, least: pl.Expr) -> pl.Expr:
    return ((pl.col(f"q{method}") >= least) & (pl.col(f"a{method}") >= least)).fill_null(value=False)
