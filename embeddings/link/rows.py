"""Pairs and a finder in, rows of `links` out: the pure core of the link job.

A link is kept where the answers are alike as well (they may say the same: at most `MOST_ALIKE` a pair), or where the
questions alone are nearly the same (they may contradict each other: at most `MOST_OTHER` a pair). Each side votes for
its most alike partners and one vote is enough, so what is kept depends on the set of pairs alone, not on their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embeddings.link.finders import Finder
from embeddings.pairing import Indices, across, within
from embeddings.sets import word_sets

MOST_ALIKE = 200
MOST_OTHER = 20
TRIM_AT = 1_000_000  # rows gathered before the weakest are dropped


@dataclass(frozen=True, slots=True)
class Floors:
    """From where on a link is stored: `question` with `answer`, or `alone` for the question whatever the answer."""

    question: float
    answer: float
    alone: float


def link_rows(pairs: pl.DataFrame, finder: Finder, floors: Floors) -> pl.DataFrame:
    """Links between the fresh pairs, and between fresh and other ones; a < b, sorted.

    `pairs`: key, question, answer, question_key, context_key, fresh (bool), in the order of the finder's rows.
    Gives a, b, question_similarity, answer_similarity, question_overlap, answer_overlap, truncated.
    """
    gathered, height = [], 0
    for i, j, similarity in _candidates(pairs, finder, floors):
        answers = finder.answers(i, j)
        keep = (answers >= floors.answer) | (similarity >= floors.alone)
        if not keep.any():
            continue
        found = {
            "i": i[keep],
            "j": j[keep],
            "question_similarity": similarity[keep],
            "answer_similarity": answers[keep],
        }
        gathered.append(_with_keys(pl.DataFrame(found), pairs["key"]))
        height += gathered[-1].height
        if height > TRIM_AT:
            gathered = [trimmed(pl.concat(gathered), answer_floor=floors.answer)]
            height = gathered[0].height // 2
    if not gathered:
        return _finished(_with_keys(_EMPTY, pairs["key"]), pairs, finder)
    return _finished(trimmed(pl.concat(gathered), answer_floor=floors.answer), pairs, finder)


def trimmed(links: pl.DataFrame, *, answer_floor: float) -> pl.DataFrame:
    """The links for which at least one side votes; dropping from a part never drops what the whole would keep."""
    alike = pl.col("answer_similarity") >= answer_floor
    numbered = links.with_row_index("link").with_columns(alike=alike)
    columns = ["link", "alike", "question_similarity", "answer_similarity"]
    sides = pl.concat(
        [
            numbered.select(*columns, one="a", other="b"),
            numbered.select(*columns, one="b", other="a"),
        ]
    ).sort(
        "one", "alike", "question_similarity", "answer_similarity", "other", descending=[False, True, True, True, False]
    )
    votes = sides.with_columns(place=pl.int_range(pl.len()).over("one", "alike")).filter(
        pl.col("place") < pl.when("alike").then(MOST_ALIKE).otherwise(MOST_OTHER)
    )
    return numbered.filter(pl.col("link").is_in(votes["link"].unique().implode())).drop("link", "alike")


_EMPTY = pl.DataFrame(
    schema={"i": pl.Int64, "j": pl.Int64, "question_similarity": pl.Float64, "answer_similarity": pl.Float64}
)


def _candidates(
    pairs: pl.DataFrame, finder: Finder, floors: Floors
) -> Iterator[tuple[Indices, Indices, NDArray[np.float64]]]:
    """Rows of pairs with the same context whose questions are equal (1.0) or alike, each two once."""
    fresh = pairs["fresh"].to_numpy()
    same = _labels(pairs, "question_key", "context_key")
    order = np.lexsort((~fresh, same))
    for p, q in within(same[order], fresh[order]):
        yield order[p], order[q], np.ones(len(p))
    nodes = _labels(pairs, "question", "context_key")
    order = np.argsort(nodes, kind="stable")
    starts, sizes = _runs(nodes[order])
    leaders = order[starts]
    new = np.zeros(len(starts), dtype=bool)
    new[nodes[fresh]] = True
    first = np.concatenate([np.flatnonzero(new), np.flatnonzero(~new)])
    contexts = _labels(pairs, "context_key")[leaders[first]]
    found = finder.questions(leaders[first], contexts, fresh=int(new.sum()), threshold=floors.question)
    for i, j, similarity in found:
        for row, p, q in across(starts, sizes, first[i], first[j]):
            left, right = order[p], order[q]
            keep = (fresh[left] | fresh[right]) & (same[left] != same[right])
            yield left[keep], right[keep], similarity[row[keep]]


def _labels(pairs: pl.DataFrame, *columns: str) -> Indices:
    """0, 1, 2 ... for each distinct combination, in order of appearance; NULL equals NULL."""
    distinct = pairs.select(columns).unique(maintain_order=True, keep="first").with_row_index("label")
    joined = pairs.select(columns).join(distinct, on=columns, how="left", nulls_equal=True, maintain_order="left")
    return joined["label"].to_numpy().astype(np.int64)


def _runs(labels: Indices) -> tuple[Indices, Indices]:
    starts = np.flatnonzero(np.concatenate([[True], labels[1:] != labels[:-1]])) if len(labels) else labels
    return starts, np.diff(np.concatenate([starts, [len(labels)]]))


def _with_keys(found: pl.DataFrame, keys: pl.Series) -> pl.DataFrame:
    return found.with_columns(a=keys.gather(found["i"]), b=keys.gather(found["j"])).with_columns(
        a=pl.min_horizontal("a", "b"),
        b=pl.max_horizontal("a", "b"),
    )


def _finished(links: pl.DataFrame, pairs: pl.DataFrame, finder: Finder) -> pl.DataFrame:
    i, j = links["i"].to_numpy(), links["j"].to_numpy()
    return (
        links.with_columns(
            question_overlap=pl.Series(_overlaps(pairs["question"], i, j), dtype=pl.Float64),
            answer_overlap=pl.Series(_overlaps(pairs["answer"], i, j), dtype=pl.Float64),
            truncated=pl.Series(finder.truncated(i, j), dtype=pl.Boolean),
        )
        .drop("i", "j")
        .sort("a", "b")
    )


def _overlaps(texts: pl.Series, i: Indices, j: Indices) -> NDArray[np.float64]:
    """`etl.words.overlap` of pairs of texts."""
    used, places = np.unique(np.concatenate([i, j]), return_inverse=True)
    sets = word_sets(texts.gather(used).to_list())
    left, right = places[: len(i)], places[len(i) :]
    result = sets.jaccard(left, right)
    wordless = (sets.sizes[left] == 0) & (sets.sizes[right] == 0)
    equal = (texts.gather(i) == texts.gather(j)).to_numpy()
    return np.where(wordless, equal.astype(np.float64), result)
