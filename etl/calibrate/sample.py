"""The store's links in, pairs to ask a person about out: some of every band of similarity, in a fixed order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import polars as pl

from etl.resolve import Rules
from etl.resolve.judge import judge
from etl.store import Store

FLOORS = {"cosine": 0.80, "lexical": 0.50}
BANDS = 5
LOOKED_AT = 300  # pairs a band that are judged to learn how many of it could merge
MERGEABLE_SHARE = 0.8  # of the questions; the rest asks about pairs that wait for review whatever their similarity

_SIMILAR = """
    SELECT l.a, l.b, least(l.question_similarity, l.answer_similarity) AS similarity,
           l.question_similarity, l.answer_similarity, l.question_overlap, l.answer_overlap, l.truncated, l.method
    FROM links l
    JOIN grades ga ON ga.key = l.a AND ga.language = $language
    JOIN grades gb ON gb.key = l.b AND gb.language = $language
    WHERE l.method = $method AND least(l.question_similarity, l.answer_similarity) >= $floor
"""
_LOOKED_AT = f"""
    WITH alike AS ({_SIMILAR}),
    banded AS (SELECT *, least(floor((similarity - $floor) / $width + 1e-9)::INTEGER, {BANDS - 1}) AS band FROM alike)
    SELECT *, count(*) OVER (PARTITION BY band) AS in_band FROM banded
    QUALIFY row_number() OVER (PARTITION BY band ORDER BY md5(a || b), a, b) <= {LOOKED_AT}
    ORDER BY band, md5(a || b), a, b
"""
_TEXTS = """
    SELECT p.key, p.question, p.answer, p.question_key, p.answer_key, p.context_key, p.alternatives,
           coalesce(g.language, 'und') AS language
    FROM pairs p LEFT JOIN grades g USING (key)
    WHERE p.occurrences > 0 AND p.key IN (SELECT a FROM looked UNION SELECT b FROM looked)
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A pair of pairs to ask about. `mergeable`: every condition of a merge but the similarity holds."""

    a: str
    b: str
    similarity: float
    band: int
    mergeable: bool


def bands(method: str, floor: float | None = None) -> list[tuple[float, float]]:
    """The bands that questions are spread over: (from, to)."""
    low = FLOORS[method] if floor is None else floor
    width = (1 - low) / BANDS
    return [(round(low + n * width, 4), round(low + (n + 1) * width, 4)) for n in range(BANDS)]


def strata(store: Store, rules: Rules, *, method: str, language: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(the pairs looked at: a, b, similarity, band, mergeable; the strata: band, mergeable, population).

    Populations are those of the whole store, estimated from at most 300 pairs a band.
    """
    floor = FLOORS[method]
    width = (1 - floor) / BANDS
    looked = store.query(
        _LOOKED_AT, {"language": language, "method": method, "floor": floor, "width": width}
    )  # fmt: skip
    texts = store.query(_TEXTS, looked=looked)
    found = mergeable(texts, looked, rules, method=method)
    looked = looked.join(found, on=["a", "b"], how="left").with_columns(pl.col("mergeable").fill_null(value=False))
    populations = (
        looked.group_by("band", "mergeable")
        .agg(n=pl.len(), in_band=pl.col("in_band").first())
        .with_columns(population=pl.col("in_band") * pl.col("n") / pl.col("n").sum().over("band"))
        .select("band", "mergeable", "population")
        .sort("band", "mergeable")
    )
    return looked.select("a", "b", "similarity", "band", "mergeable"), populations


def mergeable(texts: pl.DataFrame, links: pl.DataFrame, rules: Rules, *, method: str) -> pl.DataFrame:
    """Frame(a, b, mergeable): which linked pairs `judge` would merge if their similarity by this method sufficed."""
    # the other method is put out of reach; this one merges from as far down as pairs are known
    cosine, lexical = (FLOORS[name] if name == method else 1.0 for name in ("cosine", "lexical"))
    lowered = Rules(
        languages=rules.languages, same_question=rules.same_question, answer_words=rules.answer_words,
        merge_cosine=cosine, review_cosine=cosine, merge_lexical=lexical, review_lexical=lexical,
    )  # fmt: skip
    judged = judge(texts, links, lowered)
    merged = (pl.col("verdict") == "merge") & (pl.col("reason") == f"merged_{method}")
    return judged.select("a", "b", mergeable=merged)


def questions(looked: pl.DataFrame, *, count: int, known: Sequence[tuple[str, str]] = ()) -> list[Asked]:
    """At most `count` pairs to ask about, alternating between the bands so that stopping early leaves a fair sample.

    `known` pairs were answered before; they count towards `count` and are not asked again.
    """
    done = {frozenset(two) for two in known}
    count -= sum(frozenset((a, b)) in done for a, b in looked.select("a", "b").iter_rows())
    rows = [Asked(*row) for row in looked.iter_rows() if frozenset(row[:2]) not in done]
    first = _alternating([row for row in rows if row.mergeable])
    second = _alternating([row for row in rows if not row.mergeable])
    wanted = min(len(second), max(round(count * (1 - MERGEABLE_SHARE)), count - len(first), 0))
    first, second = first[: max(0, count - wanted)], second[:wanted]
    every = max(1, len(first) // len(second)) if second else 1
    groups = [first[n : n + every] for n in range(0, len(first), every)]
    mixed = chain.from_iterable(
        [*(group or []), *([one] if one else [])] for group, one in zip_longest(groups, second)
    )  # fmt: skip
    return list(mixed)[: max(0, count)]


def _alternating(rows: list[Asked]) -> list[Asked]:
    by_band = [[row for row in rows if row.band == band] for band in reversed(range(BANDS))]
    return [row for turn in zip_longest(*by_band) for row in turn if row is not None]
