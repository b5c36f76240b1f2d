"""Texts in, every pair at or above a Jaccard threshold out: MinHash proposes, the exact sets confirm.

What a text's set is stands in `embeddings.shingles`, with what probability a pair is proposed in `embeddings.minhash`
(`curve`). The hash functions are fixed, so whether a pair is found depends on its two texts alone, never on what else
is searched or when, nor on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embeddings.ahead import ahead
from embeddings.minhash import BANDS, Sketches, differing, folded, most_differing, salted
from embeddings.pairing import Indices, within
from embeddings.sets import Sets
from embeddings.shingles import SHORT, Shingled

Found = TypeVar("Found")
Matches = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

FILTER_BITS = 22  # a table of this many bits tells which old keys can meet a fresh one at all
MEETINGS = 1 << 15  # looked at in one go: their bits stay in the cache
CROWDED = 64  # meetings a set from which on most are of texts made from one template; these meet in most bands,
CROWD_BANDS = 4  # so as many bands before are asked first: one number to compare, not 128 bytes
RECENT = 8  # bands whose pairs are known to be found already before the sets are looked at, the others after it


def join(
    texts_new: Sequence[str] | pl.Series,
    texts_old: Sequence[str] | None = None,
    *,
    threshold: float,
    threads: int | None = None,
) -> Matches:
    """All pairs (i, j, jaccard) that were proposed, i < j, jaccard (4 decimals) >= threshold, ascending by (i, j).

    `texts_new` count from 0, `texts_old` on from there; pairs inside `texts_old` are not searched.
    """
    sets = Shingled.of([*texts_new, *texts_old] if texts_old else texts_new, threads=threads)
    found = list(blocks(sets, fresh=len(texts_new), threshold=threshold, threads=threads))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64)
    i, j, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((j, i))
    return i[order], j[order], similarity[order]


def blocks(
    sets: Shingled,
    *,
    fresh: int,
    threshold: float,
    groups: NDArray[np.int64] | None = None,
    threads: int | None = None,
) -> Iterator[Matches]:
    """The pairs of `join` in parts, each pair once; only pairs whose members have equal `groups` where given."""
    for by_words, family in ((False, sets.characters), (True, sets.words)):
        if not len(family.values):
            continue
        sketches = Sketches.of(family, threads=threads)
        search = Search(sketches, fresh=fresh, threshold=threshold, groups=groups)

        def confirmed(
            band: int, i: Indices, j: Indices, search: Search = search, by_words: bool = by_words, family: Sets = family
        ) -> Matches:
            long = np.minimum(sets.lengths[i], sets.lengths[j]) > SHORT
            i, j = i[long == by_words], j[long == by_words]
            similarity = family.jaccard(i, j)
            keep = np.flatnonzero(similarity >= threshold)
            keep = keep[search.unseen(i[keep], j[keep], range(band - RECENT))]
            return i[keep], j[keep], similarity[keep]

        yield from search.each(confirmed, threads=threads)


@dataclass(frozen=True, slots=True)
class _Run:
    """The sets that meet in a band, those with equal codes side by side, and what rules pairs of them out."""

    band: int
    owners: Indices
    codes: NDArray[np.uint32]
    before: list[NDArray[np.uint32]]  # the codes of the last bands, where so many meet that it pays to ask them first
    levels: list[NDArray[np.uint64]]
    sizes: NDArray[np.int32]


class Search:
    """Bands of sketches: which pairs i < j, i < fresh, of one group meet in a band and may be alike enough."""

    def __init__(
        self,
        sketches: Sketches,
        *,
        fresh: int,
        threshold: float,
        groups: NDArray[np.int64] | None = None,
    ) -> None:
        self.sketches, self.fresh, self.threshold, self.groups = sketches, fresh, threshold, groups
        self.members = np.flatnonzero(sketches.sizes)
        if groups is not None:
            own = groups[self.members[self.members < fresh]]
            self.members = self.members[np.isin(groups[self.members], np.unique(own))]

    def each(self, work: Callable[[int, Indices, Indices], Found], *, threads: int | None = None) -> Iterator[Found]:
        """What `work` makes of (band, i, j), for parts of the pairs of each band that neither bits nor sizes rule out.

        A pair comes with each band in which it meets, but for the `RECENT` bands behind one that gave it.
        """
        parts = (
            (run, p, q)
            for run in ahead(self._run, range(BANDS), threads=threads)
            for p, q in within(run.codes, run.owners < self.fresh)
        )
        yield from ahead(lambda part: work(part[0].band, *self._near(*part)), parts, threads=threads)

    def _run(self, band: int) -> _Run:
        owners, codes = _runs(salted(self.sketches.keys[band], self.groups), self.members, fresh=self.fresh)
        bits, sizes = self.sketches.bits.take(owners, axis=0), self.sketches.sizes.take(owners)
        before = [self.sketches.keys[one].take(owners) for one in range(max(0, band - CROWD_BANDS), band)]
        crowded = _meetings(codes) > CROWDED * len(owners)
        return _Run(band, owners, codes, before if crowded else [], folded(bits), sizes)

    def _near(self, run: _Run, p: Indices, q: Indices) -> tuple[Indices, Indices]:
        found = [np.zeros((2, 0), np.int64)]
        for start in range(0, len(p), MEETINGS):
            here = slice(start, start + MEETINGS)
            left, right = p[here], q[here]
            for codes in run.before:
                apart = np.flatnonzero(codes.take(left) != codes.take(right))
                left, right = left[apart], right[apart]
            most = most_differing(run.sizes.take(left), run.sizes.take(right), threshold=self.threshold)
            for bits in run.levels:
                maybe = np.flatnonzero(differing(bits.take(left, axis=0), bits.take(right, axis=0)) <= most)
                left, right, most = left[maybe], right[maybe], most[maybe]
            found.append(np.stack([run.owners[left], run.owners[right]]))
        i, j = np.concatenate(found, axis=1)
        if self.groups is not None:
            same = self.groups[i] == self.groups[j]
            i, j = i[same], j[same]
        unseen = self.unseen(i, j, range(max(0, run.band - RECENT), run.band))
        return i[unseen], j[unseen]

    def unseen(self, i: Indices, j: Indices, bands: range) -> Indices:
        """The places of the pairs that meet in none of these bands."""
        places = np.arange(len(i))
        for band in bands:
            if not len(places):
                break
            keys = self.sketches.keys[band]
            places = places[keys[i[places]] != keys[j[places]]]
        return places


def _meetings(codes: NDArray[np.uint32]) -> int:
    """How many pairs have equal codes; equal ones stand side by side."""
    last = np.flatnonzero(np.append(codes[1:] != codes[:-1], True))
    sizes = np.diff(last, prepend=-1)
    return int((sizes * (sizes - 1) // 2).sum())


def _runs(keys: NDArray[np.uint32], members: Indices, *, fresh: int) -> tuple[Indices, NDArray[np.uint32]]:
    """The members whose key stands more than once, a fresh one among them, and these keys; equal keys side by side.

    Inside a run of equal keys members ascend, so the fresh ones come first.
    """
    own = keys[members]
    count = int(np.searchsorted(members, fresh))
    if count < len(members):
        table = np.zeros(1 << FILTER_BITS, dtype=bool)
        table[own[:count] >> np.uint32(32 - FILTER_BITS)] = True
        meets = table[own >> np.uint32(32 - FILTER_BITS)]
        own, members = own[meets], members[meets]
    if not len(members):
        return members, own
    packed = (own.astype(np.uint64) << np.uint64(32)) | members.astype(np.uint64)
    packed.sort()
    codes = (packed >> np.uint64(32)).astype(np.uint32)
    equal = codes[1:] == codes[:-1]
    several = np.concatenate([equal, [False]]) | np.concatenate([[False], equal])
    return (packed[several] & np.uint64(0xFFFFFFFF)).astype(np.int64), codes[several]
