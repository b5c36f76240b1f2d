"""Texts in, every pair at or above a Jaccard threshold out: MinHash proposes, the exact sets confirm.

A text is taken as the set of its character trigrams, or bigrams of characters in scripts without word spaces; two
texts that are both longer than `SHORT` characters are compared by pairs of neighbouring words instead. Texts between
`SHORT` and twice that are entered under both, so no pair falls between the two.

Candidates share one of 64 bands of 4 minima, so a pair of similarity s is proposed with probability
1 - (1 - s^4)^64: s = 0.2 0.10, 0.3 0.41, 0.4 0.81, 0.5 0.984, 0.6 0.9999. The hash functions are fixed, so whether a
pair is found depends on its two texts alone, never on what else is searched or when.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.pairing import within
from embeddings.sets import Sets, shingle_sets
from etl.keys import normal_form

Matches = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

SHORT = 300  # characters of normal form
BANDS = 64
ROWS = 4
SLACK = 0.12  # 3.8 standard deviations of an estimate from 256 minima at 0.5: further below the threshold nobody looks
WORDS_IN_A_ROW = 2
MARGIN = 1e-4

_SPACELESS = [
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
]
_MULTIPLIERS = np.random.default_rng(20240229).integers(0, 2**32, size=(BANDS * ROWS, 2), dtype=np.uint64)
_EMPTY = np.uint32(0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Shingled:
    """Texts as sets, in both ways. `lengths` are characters of normal form."""

    lengths: NDArray[np.int64]
    characters: Sets  # empty for texts above twice SHORT
    words: Sets  # empty for texts up to SHORT

    @classmethod
    def of(cls, texts: Sequence[str]) -> Shingled:
        """Both sets of every text."""
        forms = [normal_form(text) for text in texts]
        lengths = np.fromiter(map(len, forms), dtype=np.int64, count=len(forms))
        short, long = lengths <= 2 * SHORT, lengths > SHORT
        characters = character_sets([form if keep else "" for form, keep in zip(forms, short, strict=True)])
        words = shingle_sets(
            [form if keep else "" for form, keep in zip(forms, long, strict=True)], size=WORDS_IN_A_ROW
        )
        return cls(lengths, characters, words)

    def similarities(self, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.float64]:
        """Jaccard of pairs of texts, 4 decimals; 0 where one is short and the other more than twice SHORT."""
        result = np.zeros(len(i), dtype=np.float64)
        long = np.minimum(self.lengths[i], self.lengths[j]) > SHORT
        result[long] = self.words.jaccard(i[long], j[long])
        result[~long] = self.characters.jaccard(i[~long], j[~long])
        return result


def join(texts_new: Sequence[str], texts_old: Sequence[str] | None = None, *, threshold: float) -> Matches:
    """All pairs (i, j, jaccard) that were proposed, i < j, jaccard (4 decimals) >= threshold, ascending by (i, j).

    `texts_new` count from 0, `texts_old` on from there; pairs inside `texts_old` are not searched.
    """
    texts = [*texts_new, *(texts_old or ())]
    sets = Shingled.of(texts)
    found = list(blocks(sets, fresh=len(texts_new), threshold=threshold))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64)
    i, j, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((j, i))
    return i[order], j[order], similarity[order]


def blocks(
    sets: Shingled, *, fresh: int, threshold: float, groups: NDArray[np.int64] | None = None
) -> Iterator[Matches]:
    """The pairs of `join` in parts, each pair once; only pairs whose members have equal `groups` where given."""
    for by_words in (False, True):
        family = sets.words if by_words else sets.characters
        signatures = minima(family)
        for i, j in _candidates(signatures, family, fresh=fresh, threshold=threshold, groups=groups):
            long = np.minimum(sets.lengths[i], sets.lengths[j]) > SHORT
            i, j = i[long == by_words], j[long == by_words]
            similarity = family.jaccard(i, j)
            keep = similarity >= threshold
            yield i[keep], j[keep], similarity[keep]


def character_sets(forms: Sequence[str]) -> Sets:
    """The set of character trigrams of each text; a bigram where a script without word spaces begins it."""
    lengths = np.fromiter((len(form) + 2 if form else 0 for form in forms), dtype=np.int64, count=len(forms))
    joined = "".join(f" {form} " if form else "" for form in forms)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if not len(codes):
        return Sets.of(np.zeros(0, np.int64), np.zeros(0, np.uint32), count=len(forms))
    owners = np.repeat(np.arange(len(forms), dtype=np.int64), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(codes))  # characters from here to the text's end
    second, third = np.roll(codes, -1), np.roll(codes, -2)
    spaceless = np.zeros(len(codes), dtype=bool)
    for first, last in _SPACELESS:
        spaceless |= (codes >= first) & (codes <= last)
    third[spaceless] = 0
    keep = left >= np.where(spaceless, 2, 3)
    mixed = _mixed((codes * np.uint64(0x1F123BB5) + second) * np.uint64(0x9E3779B1) + third)
    return Sets.of(owners[keep], mixed[keep], count=len(forms))


def minima(sets: Sets) -> NDArray[np.uint32]:
    """MinHash signatures, (sets, BANDS * ROWS); an empty set has the largest number everywhere."""
    result = np.full((len(sets.sizes), BANDS * ROWS), _EMPTY, dtype=np.uint32)
    filled = np.flatnonzero(sets.sizes)
    if not len(filled):
        return result
    multipliers = (_MULTIPLIERS[:, 0] | np.uint64(1)).astype(np.uint32)
    masks = _MULTIPLIERS[:, 1].astype(np.uint32)
    step = max(1, int(len(filled) * 30_000 // max(1, len(sets.values))))  # texts whose elements fit the cache
    for first in range(0, len(filled), step):
        some = filled[first : first + step]
        low, high = sets.starts[some[0]], sets.starts[some[-1] + 1]
        values, cuts = sets.values[low:high], sets.starts[some] - low
        part = np.empty((BANDS * ROWS, len(some)), dtype=np.uint32)
        for row in range(BANDS * ROWS):
            part[row] = np.minimum.reduceat((values ^ masks[row]) * multipliers[row], cuts)
        result[some] = part.T
    return result


def _candidates(
    signatures: NDArray[np.uint32], sets: Sets, *, fresh: int, threshold: float, groups: NDArray[np.int64] | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs that share a band and no earlier one, of fitting size and with about enough equal minima."""
    filled = np.flatnonzero(sets.sizes)
    salt = np.zeros(len(signatures), np.uint64) if groups is None else groups.astype(np.uint64)
    marks = np.ascontiguousarray(signatures.astype(np.uint8))  # a byte of each minimum is enough to estimate
    keys = np.stack([_band_keys(signatures[:, b * ROWS : (b + 1) * ROWS], salt) for b in range(BANDS)])
    enough = int(np.floor((threshold - SLACK) * BANDS * ROWS))
    for band in range(BANDS):
        for i, j in _in_buckets(keys[band], filled, fresh=fresh):
            for earlier in reversed(range(band)):  # very alike pairs meet in most bands: drop them first, and fast
                unseen = keys[earlier, i] != keys[earlier, j]
                i, j = i[unseen], j[unseen]
            smaller = np.minimum(sets.sizes[i], sets.sizes[j])
            fits = smaller >= threshold * np.maximum(sets.sizes[i], sets.sizes[j]) - MARGIN
            i, j = i[fits], j[fits]
            if groups is not None:
                same = groups[i] == groups[j]
                i, j = i[same], j[same]
            alike = (marks[i] == marks[j]).sum(axis=1, dtype=np.int32) >= enough
            yield i[alike], j[alike]


def _band_keys(rows: NDArray[np.uint32], salt: NDArray[np.uint64]) -> NDArray[np.uint32]:
    mixed = salt * np.uint64(0x9E3779B97F4A7C15)
    for column in range(rows.shape[1]):
        mixed = (mixed ^ rows[:, column]) * np.uint64(0xFF51AFD7ED558CCD)
        mixed ^= mixed >> np.uint64(32)
    return mixed.astype(np.uint32)


def _in_buckets(
    keys: NDArray[np.uint32], members: NDArray[np.int64], *, fresh: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs i < j with equal keys, i < fresh, in parts."""
    packed = (keys[members].astype(np.uint64) << np.uint64(32)) | members.astype(np.uint64)
    packed.sort()
    owners, codes = (packed & np.uint64(0xFFFFFFFF)).astype(np.int64), packed >> np.uint64(32)
    for p, q in within(codes, owners < fresh):  # owners ascend inside a bucket, so the fresh ones come first
        yield owners[p], owners[q]


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint32]:
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return (values >> np.uint64(32)).astype(np.uint32)
