"""The pure core: kept pairs and boilerplate groups in, corpus-wide flags out."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from quality.assess.prepare import words

BOILERPLATE_FLOOR = 5
INDICATOR_FLOOR = 3
CATEGORY_FLOOR = 10
NEAR_EMPTY = 3
FENCE = 3.0
OUTLIER_MINIMUM = 30


@dataclass(frozen=True, slots=True)
class CorpusRule:
    """A flag that depends on the other pairs; it takes nothing from a score."""

    flag: str
    means: str
    source: str


CORPUS_RULES = (
    CorpusRule(
        "overrepresented_answer",
        f"The same answer stands under at least {BOILERPLATE_FLOOR} different questions.",
        "boilerplate groups of resolve; the floor is a setting",
    ),
    CorpusRule(
        "near_empty_category",
        f"The category has fewer than {NEAR_EMPTY} pairs: it cannot be in train, validation and test.",
        "three splits need three pairs",
    ),
    CorpusRule(
        "thin_category",
        f"The category has fewer than {CATEGORY_FLOOR} pairs.",
        "an 80/10/10 split gives one validation and one test row from ten pairs on",
    ),
    CorpusRule(
        "thin_indicator",
        f"The indicator has fewer than {INDICATOR_FLOOR} pairs.",
        "as near_empty_category, one level finer",
    ),
    CorpusRule(
        "outlier_length",
        "The answer is far longer or shorter than those of its category.",
        f"outer fences of Tukey (1977), {FENCE:g} interquartile ranges, over the logarithm of the words, from "
        f"{OUTLIER_MINIMUM} pairs on",
    ),
)


def audit_frame(
    pairs: pl.DataFrame,
    boilerplate: pl.DataFrame,
    *,
    boilerplate_floor: int = BOILERPLATE_FLOOR,
    indicator_floor: int = INDICATOR_FLOOR,
    category_floor: int = CATEGORY_FLOOR,
) -> pl.DataFrame:
    """Flags (key, flag, evidence) of the kept pairs (key, answer, indicator, category), sorted.

    `boilerplate` has one row a member: (group_id, key), merged rows included; only kept ones count and are flagged.
    """
    kept = pairs.select("key", "answer", "indicator", "category")
    found = [
        _overrepresented(kept, boilerplate, boilerplate_floor),
        _thin(kept, "category", "near_empty_category", 1, NEAR_EMPTY),
        _thin(kept, "category", "thin_category", NEAR_EMPTY, category_floor),
        _thin(kept, "indicator", "thin_indicator", 1, indicator_floor),
        _outliers(kept),
    ]
    return pl.concat(found, how="vertical").sort("key", "flag")


def _flag(frame: pl.DataFrame, flag: str, evidence: pl.Expr) -> pl.DataFrame:
    return frame.select("key", pl.lit(flag).alias("flag"), evidence.cast(pl.String).alias("evidence"))


def _overrepresented(kept: pl.DataFrame, boilerplate: pl.DataFrame, floor: int) -> pl.DataFrame:
    members = boilerplate.select("group_id", "key").unique().join(kept.select("key"), on="key", how="semi")
    members = members.with_columns(pl.len().over("group_id").alias("size")).filter(pl.col("size") >= floor)
    members = members.sort("size", "group_id", descending=[True, False]).unique(
        "key", keep="first", maintain_order=True
    )
    return _flag(members, "overrepresented_answer", pl.format("one of {} questions with this answer", "size"))


def _thin(kept: pl.DataFrame, column: str, flag: str, least: int, floor: int) -> pl.DataFrame:
    given = kept.filter(pl.col(column).str.strip_chars().str.len_chars() > 0)
    sized = given.with_columns(pl.len().over(column).alias("size"))
    thin = sized.filter((pl.col("size") >= least) & (pl.col("size") < floor))
    noun = pl.when(pl.col("size") == 1).then(pl.lit("pair")).otherwise(pl.lit("pairs"))
    return _flag(thin, flag, pl.format("{} {} in {} {}", "size", noun, pl.lit(column), pl.col(column).str.head(80)))


def _outliers(kept: pl.DataFrame) -> pl.DataFrame:
    """Outside the outer fences of its category, and four times or a fourth of its median.

    The second condition spares categories in which nearly all answers have the same length.
    """
    sized = kept.with_columns(words("answer").alias("words")).with_columns(pl.col("words").log1p().alias("log"))
    low, high, median = (pl.col("log").quantile(q, "linear").over("category") for q in (0.25, 0.75, 0.5))
    fenced = sized.with_columns(low=low, high=high, median=median, size=pl.len().over("category")).filter(
        pl.col("size") >= OUTLIER_MINIMUM
    )
    spread = FENCE * (pl.col("high") - pl.col("low"))
    outside = (pl.col("log") > pl.col("high") + spread) | (pl.col("log") < pl.col("low") - spread)
    far = (pl.col("log") - pl.col("median")).abs() > 1.3863  # ln 4
    middle = pl.col("median").exp().sub(1).round(0).cast(pl.Int64)
    return _flag(
        fenced.filter(outside & far), "outlier_length", pl.format("{} words, the median is {}", "words", middle)
    )
