"""Texts in, every pair at or above a Jaccard threshold out: MinHash proposes, the exact sets confirm.

What a text's set is stands in `embeddings.shingles`, with what probability a pair is proposed in `embeddings.minhash`
(`curve`). The hash functions are fixed, so whether a pair is found depends on its two texts alone, never on what else
is searched or when, nor on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from embeddings.ahead import ahead
from embeddings.minhash import BANDS, Sketches, salted
from embeddings.pairing import Indices, within
from embeddings.shingles import SHORT, Shingled

Matches = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

FILTER_BITS = 22  # a table of this many bits tells which old keys can meet a fresh one at all


def join(
    texts_new: Sequence[str],
    texts_old: Sequence[str] | None = None,
    *,
    threshold: float,
    threads: int | None = None,
) -> Matches:
    """All pairs (i, j, jaccard) that were proposed, i < j, jaccard (4 decimals) >= threshold, ascending by (i, j).

    `texts_new` count from 0, `texts_old` on from there; pairs inside `texts_old` are not searched.
    """
    sets = Shingled.of([*texts_new, *(texts_old or ())], threads=threads)
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
        for i, j in candidates(sketches, fresh=fresh, threshold=threshold, groups=groups, threads=threads):
            long = np.minimum(sets.lengths[i], sets.lengths[j]) > SHORT
            i, j = i[long == by_words], j[long == by_words]
            similarity = family.jaccard(i, j)
            keep = similarity >= threshold
            yield i[keep], j[keep], similarity[keep]


def candidates(
    sketches: Sketches,
    *,
    fresh: int,
    threshold: float,
    groups: NDArray[np.int64] | None = None,
    threads: int | None = None,
) -> Iterator[tuple[Indices, Indices]]:
    """Pairs i < j, i < fresh, of one group that share a band and whose sketches are alike enough; each pair once."""
    filled = np.flatnonzero(sketches.sizes)
    if groups is not None:
        filled = filled[np.isin(groups[filled], np.unique(groups[filled[filled < fresh]]))]

    def runs(band: int) -> tuple[int, Indices, NDArray[np.uint32]]:
        return band, *_runs(salted(sketches.keys[band], groups), filled, fresh=fresh)

    def confirmed(part: tuple[int, Indices, Indices]) -> tuple[Indices, Indices]:
        band, i, j = part
        if groups is not None:
            same = groups[i] == groups[j]
            i, j = i[same], j[same]
        maybe = sketches.maybe(i, j, threshold=threshold)
        i, j = i[maybe], j[maybe]
        for earlier in range(max(0, band - 2), band):  # nearly equal pairs meet in most bands: drop them first
            i, j = _unseen(sketches, earlier, i, j)
        likely = sketches.likely(i, j, threshold=threshold)
        i, j = i[likely], j[likely]
        for earlier in range(band - 2):
            i, j = _unseen(sketches, earlier, i, j)
        return i, j

    parts = (
        (band, owners[p], owners[q])
        for band, owners, codes in ahead(runs, range(BANDS), threads=threads)
        for p, q in within(codes, owners < fresh)
    )
    yield from ahead(confirmed, parts, threads=threads)


def _unseen(sketches: Sketches, band: int, i: Indices, j: Indices) -> tuple[Indices, Indices]:
    if not len(i):
        return i, j
    unseen = sketches.keys[band, i] != sketches.keys[band, j]
    return i[unseen], j[unseen]


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
