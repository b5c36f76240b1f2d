"""The two finders: which questions are alike, and how alike two answers are, each by its own measure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embeddings import cosine, lexical
from embeddings.chunks import Further
from embeddings.cosine import Matches
from embeddings.pairing import Indices, within
from embeddings.shingles import Shingled

ALONE = 64  # contexts with up to this many questions are compared whole, larger ones are searched


class Finder(Protocol):
    """One way of being alike, over one frame of pairs; everything is addressed by the pair's row."""

    def questions(self, rows: Indices, groups: Indices, *, fresh: int, threshold: float) -> Iterator[Matches]:
        """(i, j, similarity): positions in `rows` of alike questions of one group, i < j, i < fresh, in parts."""

    def answers(self, i: Indices, j: Indices) -> NDArray[np.float64]:
        """Similarities of the answers of pairs of rows, 4 decimals."""

    def truncated(self, i: Indices, j: Indices) -> NDArray[np.bool_]:
        """Where one of the four texts was cut."""


@dataclass(frozen=True, slots=True)
class CosineFinder:
    """By vectors: `question` and `answer` are each pair's rows in `matrix`.

    `further` holds the windows behind the first of long texts; `cut` says whether one of both has an end that no
    window reaches.
    """

    matrix: NDArray[np.float32]
    further: Further
    question: Indices
    answer: Indices
    cut: NDArray[np.bool_]

    def questions(self, rows: Indices, groups: Indices, *, fresh: int, threshold: float) -> Iterator[Matches]:
        """See `Finder`."""
        order = np.argsort(groups, kind="stable")  # fresh ones stay first inside a group
        labels, sizes = np.unique(groups, return_counts=True)
        large = set(labels[sizes > ALONE].tolist())
        small = order[~np.isin(groups[order], list(large))]
        for p, q in within(groups[small], small < fresh):
            i, j = small[p], small[q]
            similarity = self._similarities(self.question[rows[i]], self.question[rows[j]])
            keep = similarity >= threshold
            yield i[keep], j[keep], similarity[keep]
        for label in sorted(large):
            members = np.flatnonzero(groups == label)
            count = int(np.searchsorted(members, fresh))
            vectors = self.matrix[self.question[rows[members]]]
            for i, j, similarity in cosine.blocks(vectors[:count], vectors[count:], threshold=threshold):
                left, right = self.question[rows[members[i]]], self.question[rows[members[j]]]
                similarity = self.further.lowered(self.matrix, left, right, similarity)
                keep = similarity >= threshold
                yield members[i[keep]], members[j[keep]], similarity[keep]

    def answers(self, i: Indices, j: Indices) -> NDArray[np.float64]:
        """See `Finder`."""
        return self._similarities(self.answer[i], self.answer[j])

    def truncated(self, i: Indices, j: Indices) -> NDArray[np.bool_]:
        """See `Finder`."""
        return self.cut[i] | self.cut[j]

    def _similarities(self, i: Indices, j: Indices) -> NDArray[np.float64]:
        return self.further.lowered(self.matrix, i, j, cosine.similarities(self.matrix, i, j))


@dataclass(frozen=True, slots=True)
class LexicalFinder:
    """By shared shingles; `texts` are the pairs' questions and answers."""

    texts: pl.DataFrame

    def questions(self, rows: Indices, groups: Indices, *, fresh: int, threshold: float) -> Iterator[Matches]:
        """See `Finder`."""
        several = np.bincount(groups)[groups] > 1  # a question alone in its context has nobody to be like
        kept = np.flatnonzero(several)
        sets = Shingled.of(self.texts["question"].gather(rows[kept]).to_list())
        count = int(np.searchsorted(kept, fresh))
        for i, j, similarity in lexical.blocks(sets, fresh=count, threshold=threshold, groups=groups[kept]):
            yield kept[i], kept[j], similarity

    def answers(self, i: Indices, j: Indices) -> NDArray[np.float64]:
        """See `Finder`."""
        used, places = np.unique(np.concatenate([i, j]), return_inverse=True)
        sets = Shingled.of(self.texts["answer"].gather(used).to_list())
        return sets.similarities(places[: len(i)], places[len(i) :])

    def truncated(self, i: Indices, j: Indices) -> NDArray[np.bool_]:
        """See `Finder`."""
        return np.zeros(len(i), dtype=bool)
