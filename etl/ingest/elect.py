"""Occurrences in; one pair for each key out, elected by votes that no order of arrival can change."""

from __future__ import annotations

import polars as pl

TEXTS = ("question", "answer", "context")
NAMES = ("indicator", "category")
KEYS = ("question_key", "answer_key", "context_key")
UNIONS = {"sources": "sources", "licences": "licence", "phrasings": "phrasings", "alternatives": "alternatives"}
ELECTED = ("key", *TEXTS, *KEYS, *NAMES, *UNIONS, "metadata", "occurrences")


def elect(occurrences: pl.DataFrame) -> pl.DataFrame:
    """The pairs of these occurrences, by key.

    `occurrences` has all occurrences of each key in it, with full texts, question_key, answer_key and context_key, and
    `live` (False where the delivery was retracted). Only live ones vote; where none is live all do, and the pair counts
    0 occurrences. Each text, indicator and category is the most frequent, then the bytewise smallest; lists are sorted
    unions; metadata is that of the first (delivery, position) that has any.
    """
    counts = occurrences.group_by("key").agg(pl.col("live").sum().cast(pl.Int32).alias("occurrences"))
    voters = occurrences.join(counts, on="key").filter(pl.col("live") | (pl.col("occurrences") == 0))
    voters = voters.with_columns(pl.len().over("key").alias("votes"))
    return pl.concat([alone(voters.filter(pl.col("votes") == 1)), _many(voters.filter(pl.col("votes") > 1))]).sort(
        "key"
    )


def alone(occurrences: pl.DataFrame) -> pl.DataFrame:
    """The pairs of occurrences that are the only ones of their keys: nothing to elect. In the given order; counts 1
    occurrence where there is no column `occurrences`."""
    frame = occurrences.with_columns(_sets(occurrences[source], name) for name, source in UNIONS.items())
    if "occurrences" not in frame.columns:
        frame = frame.with_columns(pl.lit(1, dtype=pl.Int32).alias("occurrences"))
    return frame.select(ELECTED)


def _sets(values: pl.Series, name: str) -> pl.Series:
    """Texts, or lists of texts, as sorted sets. Most lists have no or one member."""
    if values.null_count() == len(values):
        return pl.repeat([], len(values), dtype=pl.List(pl.String), eager=True).alias(name)
    if values.dtype == pl.String:
        return values.to_frame().select(pl.concat_list(values.name).list.drop_nulls().alias(name)).to_series()
    rows = (values.list.len() > 1).arg_true()
    if not len(rows):
        return values.alias(name)
    several = values.gather(rows).list.unique().list.sort()
    if len(rows) == len(values):
        return several.alias(name)
    place = pl.int_range(len(values), eager=True, dtype=pl.UInt32).scatter(
        rows, pl.int_range(len(values), len(values) + len(rows), eager=True, dtype=pl.UInt32)
    )
    return pl.concat([values, several]).gather(place).alias(name)


def _many(voters: pl.DataFrame) -> pl.DataFrame:
    elected = (
        voters.sort("key", "delivery", "position")
        .group_by("key", maintain_order=True)
        .agg(*(pl.col(name).first() for name in (*KEYS, "occurrences")), pl.col("metadata").drop_nulls().first())
    )
    for name in (*TEXTS, *NAMES):
        winners = (
            voters.select("key", name)
            .drop_nulls(name)
            .group_by("key", name)
            .len("votes")
            .sort("key", "votes", name, descending=[False, True, False])
            .unique("key", keep="first", maintain_order=True)
        )
        elected = elected.join(winners.select("key", name), on="key", how="left")
    for name, source in UNIONS.items():
        members = voters.select("key", pl.col(source).alias(name))
        members = members.explode(name) if members.schema[name] != pl.String else members
        union = members.drop_nulls(name).group_by("key").agg(pl.col(name).unique().sort())
        elected = elected.join(union, on="key", how="left").with_columns(pl.col(name).fill_null([]))
    return elected.select(ELECTED)
