"""Sets of numbers in, sketches out: the keys of bands that propose pairs, and bits that drop most of them for certain.

A sketch depends on its own set and on nothing else, so sketches can be kept, and made in any batches.

One hash an element, not one a minimum: its upper bits choose one of `BINS` bins, and each bin keeps its smallest. An
empty bin takes over the minimum of another one, chosen by a fixed order of distances (optimal densification,
Shrivastava 2017), so each bin of two sets of Jaccard similarity s agrees with probability s. A band is `ROWS` bins;
two sets are proposed where one of `BANDS` bands agrees. `curve` gives that probability, the S-curve of the search.

`bits` say which of 1,024 parts of the hash hold an element at all. Each bit that differs between two sets is an element
that one of them lacks, so too many of them rule a similarity out without a look at the sets; nothing is lost by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.ahead import ahead
from embeddings.sets import Sets

BINS = 128
BANDS = 80
ROWS = 6
INDEPENDENT = 64  # the chosen bands share bins: they find as much as so many that do not (measured on random sets)
WORDS = 16  # of 64 bits
CHUNK = 100_000  # elements sketched at once: what belongs to them stays in the cache
ROUNDING = 1e-4  # similarities are rounded to 4 decimals: reach a little below the threshold

# Where all bins of a band tend to show shingles of everyday phrases ("what is the"), the band brings crowds together in
# vain. Of 256 drawn bands these are the 80 that propose least among questions of 13 forms; one set bit a band, the
# first band lowest. `python benchmarks/bands.py` works it out.
CHOSEN = 0x11288011880A0304831D10B0255480D62048D5DE846B81039602A401608E0A08
_random = np.random.default_rng(1)
_DISTANCES = 1 + _random.permutation(BINS - 1)  # whose minimum an empty bin takes over, attempt after attempt
DRAWN = np.stack([_random.choice(BINS, ROWS, replace=False) for _ in range(256)])
_MEMBERS = DRAWN[[band for band in range(len(DRAWN)) if CHOSEN >> band & 1]]
_MIXERS = _random.integers(0, 2**32, size=(BINS, 1), dtype=np.uint64).astype(np.uint32) | np.uint32(1)
_EMPTY = np.uint32(0xFFFFFFFF)
_BIN_SHIFT = np.uint32(32 - BINS.bit_length() + 1)
_WITHIN = np.uint32((1 << int(_BIN_SHIFT)) - 1)
_SALT = np.uint32(0x9E3779B1)


@dataclass(frozen=True)
class Sketches:
    """One column of `keys` and one entry of the others a set: (BANDS, n), (n, WORDS), (n)."""

    keys: NDArray[np.uint32]
    bits: NDArray[np.uint64]
    sizes: NDArray[np.int32]

    @classmethod
    def of(cls, sets: Sets, *, threads: int | None = None) -> Sketches:
        """The sketches of all sets; empty sets are never proposed (their size is 0)."""
        count = len(sets.sizes)
        made = cls(
            np.empty((BANDS, count), np.uint32), np.empty((count, WORDS), np.uint64), sets.sizes.astype(np.int32)
        )

        def fill(part: tuple[int, int]) -> None:
            start, stop = part
            band_keys(minima(sets, start, stop), out=made.keys[:, start:stop])
            made.bits[start:stop] = occupied(sets, start, stop)

        for _ in ahead(fill, _chunks(sets, CHUNK), threads=threads):
            pass
        return made


def minima(sets: Sets, start: int = 0, stop: int | None = None) -> NDArray[np.uint32]:
    """MinHash signatures of sets start to stop, (BINS, sets); an empty set has the largest number everywhere."""
    stop = len(sets.sizes) if stop is None else stop
    values, owners = _owned(sets, start, stop)
    result = np.full((BINS, stop - start), _EMPTY, dtype=np.uint32)
    places = (values >> _BIN_SHIFT) * np.uint32(stop - start) + owners
    # a set's elements ascend: written backwards, the smallest of a bin stays
    result.reshape(-1)[places.astype(np.intp)[::-1]] = (values & _WITHIN)[::-1]
    filled = np.flatnonzero(sets.sizes[start:stop])
    if len(filled):
        _densify(result, filled)
    return result


def _densify(result: NDArray[np.uint32], columns: NDArray[np.int64]) -> None:
    """Fill the empty bins of these columns. The attempt stands above the minimum: the earliest is the smallest."""
    some = result if len(columns) == result.shape[1] else result[:, columns]
    own, full = some.copy(), some
    for attempt, distance in enumerate(_DISTANCES, start=1):
        given = own | np.uint32(attempt << int(_BIN_SHIFT))
        np.minimum(some[:-distance], given[distance:], out=some[:-distance])
        np.minimum(some[-distance:], given[:distance], out=some[-distance:])
        if attempt % 4 == 0:
            open_ = np.flatnonzero((some == _EMPTY).any(axis=0))
            if not len(open_):
                break
            if 2 * len(open_) < some.shape[1]:  # go on with the few that need it
                _continue(some, own, open_, attempt)
                break
    if full is not result:
        result[:, columns] = full


def _continue(some: NDArray[np.uint32], own: NDArray[np.uint32], open_: NDArray[np.int64], done: int) -> None:
    few, givers = some[:, open_], own[:, open_]
    for attempt in range(done + 1, BINS):
        distance = _DISTANCES[attempt - 1]
        np.minimum(few, np.roll(givers, -distance, axis=0) | np.uint32(attempt << int(_BIN_SHIFT)), out=few)
        if attempt % 8 == 0 and not (few == _EMPTY).any():
            break
    some[:, open_] = few


def band_keys(signature: NDArray[np.uint32], *, out: NDArray[np.uint32], members: NDArray[np.int64] = _MEMBERS) -> None:
    """(bands, sets): one number for the bins of each band."""
    weighed = signature * _MIXERS
    for key, (one, other, *rest) in zip(out, members, strict=True):
        np.add(weighed[one], weighed[other], out=key)
        for member in rest:
            key += weighed[member]


def occupied(sets: Sets, start: int, stop: int) -> NDArray[np.uint64]:
    """(sets, WORDS): which parts of the hash hold an element, by its lower bits."""
    values, owners = _owned(sets, start, stop)
    parts = 64 * WORDS
    flags = np.zeros((stop - start) * parts, dtype=bool)
    flags[(owners * np.uint32(parts) + (values & np.uint32(parts - 1))).astype(np.intp)] = True
    return np.packbits(flags, bitorder="little").view(np.uint64).reshape(-1, WORDS)


def differing(bits: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int32]:
    """How many bits differ, row by row; rows are a multiple of four words."""
    counts = np.bitwise_count(bits ^ other).view(np.uint32)
    counts *= np.uint32(0x01010101)  # the four bytes' sum stands in the highest one
    counts >>= np.uint32(24)
    result: NDArray[np.int32] = (
        counts.sum(axis=1, dtype=np.int32) if counts.shape[1] > 1 else counts[:, 0].view(np.int32)
    )
    return result


def folded(bits: NDArray[np.uint64]) -> list[NDArray[np.uint64]]:
    """The bits with four parts of the hash in one, with two in one, and as they are: less to compare, less to see."""
    half = bits[:, : WORDS // 2] ^ bits[:, WORDS // 2 :]
    return [half[:, : WORDS // 4] ^ half[:, WORDS // 4 :], half, bits]


def most_differing(sizes: NDArray[np.int32], other: NDArray[np.int32], *, threshold: float) -> NDArray[np.int32]:
    """How many elements one of two sets of these sizes may have that the other lacks, at this Jaccard similarity."""
    least = max(threshold - ROUNDING, 0.0)
    result: NDArray[np.int32] = ((sizes + other) * np.float32((1 - least) / (1 + least))).astype(np.int32)
    return result


def salted(keys: NDArray[np.uint32], groups: NDArray[np.int64] | None) -> NDArray[np.uint32]:
    """Keys of one band that agree only inside a group."""
    return keys if groups is None else keys + groups.astype(np.uint32) * _SALT


def curve(similarity: float, *, size: int = 100) -> float:
    """The probability that two sets of this similarity and of `size` elements each are proposed.

    The bins show m of the u elements that both have together, k of them in both sets with the hypergeometric
    probability; a band of 8 bins then agrees where the d different elements that it shows are all among these k.
    """
    s = min(max(similarity, 0.0), 1.0)
    union = max(1, round(2 * size / (1 + s)))
    common = round(s * union)
    shown = max(1, round(BINS * (1 - (1 - 1 / BINS) ** union)))
    total = 0.0
    for k in range(max(0, shown - (union - common)), min(shown, common) + 1):
        weight = math.comb(common, k) * math.comb(union - common, shown - k) / math.comb(union, shown)
        total += weight * (1 - (1 - _agreeing(k, shown)) ** INDEPENDENT)
    return min(total, 1.0)


def _agreeing(k: int, shown: int) -> float:
    """The probability that a band shows none but these k of the elements shown."""
    different = [1.0] + [0.0] * ROWS  # how likely so many different elements stand in the band's bins
    for _ in range(ROWS):
        different = [
            different[d] * d / shown + (different[d - 1] * (shown - d + 1) / shown if d else 0.0)
            for d in range(ROWS + 1)
        ]
    return sum(p * math.comb(k, d) / math.comb(shown, d) for d, p in enumerate(different) if d <= shown)


def _owned(sets: Sets, start: int, stop: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    values = sets.values[sets.starts[start] : sets.starts[stop]]
    return values, np.repeat(np.arange(stop - start, dtype=np.uint32), sets.sizes[start:stop])


def _chunks(sets: Sets, elements: int) -> Iterator[tuple[int, int]]:
    """Slices of the sets with about so many elements, and no more sets than a thirtieth of that."""
    start, count = 0, len(sets.sizes)
    while start < count:
        until = int(np.searchsorted(sets.starts, sets.starts[start] + elements, side="right")) - 1
        until = min(max(start + 1, until), start + elements // 30, count)
        yield start, until
        start = until
