"""The pure core: a frame of pairs in, a frame of flags and a frame of grades out."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from quality.assess.grade import completeness, letter, score
from quality.assess.language import languages as languages_of
from quality.assess.language import sample
from quality.assess.prepare import prepared
from quality.assess.private import masked
from quality.assess.registry import RULES

# What a pair must bring; as in the table `pairs`.
COLUMNS = (
    "key", "question", "answer", "context", "question_key", "answer_key", "indicator", "category", "sources",
    "alternatives",
)  # fmt: skip


def assess_frame(pairs: pl.DataFrame, *, languages: Sequence[str] = ("en",)) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Judge each pair by itself.

    `pairs` has `COLUMNS` of the table `pairs`, one row a key. Returns `flags` (key, flag, evidence; any number of rows
    a key, in the order of `RULES`) and `grades` (key, score, grade, completeness, language, language_confidence;
    exactly one row a key, in the order given). An empty `languages` accepts every language.
    """
    full = prepared(pairs)
    spoken = languages_of(full.select(sample(context=True)).to_series())
    wanted = pl.col("language").is_in(list(languages)) if languages else pl.lit(value=True)
    full = full.hstack(spoken).with_columns(wanted.alias("language_wanted"))

    found = [rule.evidence(full) for rule in RULES]
    flags = pl.concat(
        [_rows(full["key"], rule.flag, evidence) for rule, evidence in zip(RULES, found, strict=True)],
        how="vertical",
    )
    weights = {rule.flag: rule.weight for rule in RULES}
    penalty = pl.sum_horizontal(
        [pl.Series(series.is_not_null().cast(pl.Float64) * weights[series.name]) for series in found]
    )
    grades = (
        full.with_columns(completeness().alias("completeness"), penalty.alias("penalty"))
        .with_columns(score(pl.col("penalty"), pl.col("completeness")).alias("score"))
        .select(
            "key", "score", letter(pl.col("score")).alias("grade"), "completeness", "language", "language_confidence"
        )
    )
    return _without_private_spans(flags), grades


def _rows(keys: pl.Series, flag: str, evidence: pl.Series) -> pl.DataFrame:
    frame = pl.DataFrame({"key": keys, "evidence": evidence}).filter(pl.col("evidence").is_not_null())
    return frame.select("key", pl.lit(flag).alias("flag"), "evidence")


def _without_private_spans(flags: pl.DataFrame) -> pl.DataFrame:
    """No rule may quote what the private rules found: the other evidence of these pairs is masked too."""
    private = flags.filter(pl.col("flag").is_in(["secret", "personal_data", "contact_details"]))["key"].unique()
    touched = pl.col("key").is_in(private.implode())
    return flags.with_columns(
        pl.when(touched)
        .then(pl.col("evidence").map_elements(masked, return_dtype=pl.String, skip_nulls=True))
        .otherwise("evidence")
        .alias("evidence")
        if private.len()
        else pl.col("evidence")
    )
