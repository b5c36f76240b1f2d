"""Sets of numbers in, sketches out: the keys of bands that propose pairs, and bits and bytes that drop most of them.

A sketch depends on its own set and on nothing else, so sketches can be kept, and made in any batches.

`BANDS` bands of `ROWS` minima each are drawn from `MINIMA` minima; two sets of Jaccard similarity s agree in one band
with probability s^ROWS. `curve` gives the probability that at least one agrees, which is the S-curve of the search.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.ahead import ahead
from embeddings.sets import Sets

MINIMA = 256
BANDS = 128
ROWS = 8  # worked out from a sample of planted questions: 7 propose four times as many pairs in vain, 4 over a hundred
DEVIATIONS = 2.5  # an estimate further than that below the threshold: nobody looks closer
CHUNK = 30_000  # elements hashed at once: they stay in the cache
BLOCK = 16  # chunks whose minima become keys at once: columns long enough for numpy

_random = np.random.default_rng(20240229)
_HASHES = _random.integers(0, 2**32, size=(MINIMA, 2), dtype=np.uint64).astype(np.uint32)
_MULTIPLIERS, _MASKS = _HASHES[:, 0] | np.uint32(1), _HASHES[:, 1]
_MEMBERS = np.stack([_random.choice(MINIMA, ROWS, replace=False) for _ in range(BANDS)])
_MIXERS = _random.integers(0, 2**32, size=(BANDS, ROWS), dtype=np.uint64).astype(np.uint32) | np.uint32(1)
_EMPTY = np.uint32(0xFFFFFFFF)
_SALT = np.uint32(0x9E3779B1)


@dataclass(frozen=True, slots=True)
class Sketches:
    """One column of `keys` and one entry of the others a set: (BANDS, n), (n, 4), (n, MINIMA), (n)."""

    keys: NDArray[np.uint32]
    bits: NDArray[np.uint64]  # one bit of each minimum
    marks: NDArray[np.uint8]  # eight bits of each minimum
    sizes: NDArray[np.int32]

    @classmethod
    def of(cls, sets: Sets, *, threads: int | None = None) -> Sketches:
        """The sketches of all sets; empty sets are never proposed (their size is 0)."""
        count = len(sets.sizes)
        made = cls(
            np.empty((BANDS, count), np.uint32),
            np.empty((count, MINIMA // 64), np.uint64),
            np.empty((count, MINIMA), np.uint8),
            sets.sizes.astype(np.int32),
        )
        for (start, stop), (keys, bits, marks) in ahead(
            lambda part: (part, _sketched(minima(sets, *part))), _chunks(sets, BLOCK * CHUNK, 0, count), threads=threads
        ):
            made.keys[:, start:stop], made.bits[start:stop], made.marks[start:stop] = keys, bits, marks
        return made

    def take(self, rows: NDArray[np.int64]) -> Sketches:
        """Those of some sets."""
        return Sketches(self.keys[:, rows], self.bits[rows], self.marks[rows], self.sizes[rows])

    def maybe(self, i: NDArray[np.int64], j: NDArray[np.int64], *, threshold: float) -> NDArray[np.int64]:
        """The places where sizes and bits allow a similarity of `threshold`: a cheap look that drops four in five."""
        one, other = self.sizes[i], self.sizes[j]
        places = np.flatnonzero(np.minimum(one, other) >= threshold * np.maximum(one, other) - 1e-4)
        differing = np.bitwise_count(self.bits[i[places]] ^ self.bits[j[places]]).sum(axis=1, dtype=np.int32)
        kept: NDArray[np.int64] = places[differing <= _most_differing((1 + threshold) / 2)]
        return kept

    def likely(self, i: NDArray[np.int64], j: NDArray[np.int64], *, threshold: float) -> NDArray[np.bool_]:
        """Where enough minima are equal to expect a similarity of `threshold`."""
        result = np.empty(len(i), dtype=bool)
        for start in range(0, len(i), 1 << 14):
            part = slice(start, start + (1 << 14))
            differing = np.count_nonzero(self.marks[i[part]] != self.marks[j[part]], axis=1)
            result[part] = differing <= _most_differing(threshold)
        return result


def curve(similarity: float, *, threshold: float) -> float:
    """The probability that a pair of this similarity reaches the exact comparison, where `threshold` is asked for.

    k of the 256 minima are equal with the binomial probability; a band of 8 then agrees with (k over 8) / (256 over 8),
    and so few equal minima that `threshold` is out of reach end the matter.
    """
    s = min(max(similarity, 0.0), 1.0)
    total = 0.0
    for k in range(MINIMA - _most_differing(threshold), MINIMA + 1):
        weight = math.comb(MINIMA, k) * s**k * (1 - s) ** (MINIMA - k)
        total += weight * (1 - (1 - math.comb(k, ROWS) / math.comb(MINIMA, ROWS)) ** BANDS)
    return min(total, 1.0)


def minima(sets: Sets, start: int = 0, stop: int | None = None) -> NDArray[np.uint32]:
    """MinHash signatures of sets start to stop, (MINIMA, sets); an empty set has the largest number everywhere."""
    stop = len(sets.sizes) if stop is None else stop
    result = np.full((MINIMA, stop - start), _EMPTY, dtype=np.uint32)
    filled = np.flatnonzero(sets.sizes[start:stop])
    if not len(filled):
        return result
    hashed = np.empty(int(sets.starts[stop] - sets.starts[start]), np.uint32)
    for first, last in _chunks(sets, CHUNK, start, stop):
        some = filled[np.searchsorted(filled, first - start) : np.searchsorted(filled, last - start)]
        low, high = sets.starts[first], sets.starts[last]
        values, cuts, out = sets.values[low:high], sets.starts[start + some] - low, hashed[: high - low]
        for row in range(MINIMA if len(some) else 0):
            np.bitwise_xor(values, _MASKS[row], out=out)
            np.multiply(out, _MULTIPLIERS[row], out=out)
            result[row, some] = np.minimum.reduceat(out, cuts)
    return result


def salted(keys: NDArray[np.uint32], groups: NDArray[np.int64] | None) -> NDArray[np.uint32]:
    """Keys of one band that agree only inside a group."""
    return keys if groups is None else keys + groups.astype(np.uint32) * _SALT


def _sketched(signature: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.uint8]]:
    keys = np.zeros((BANDS, signature.shape[1]), dtype=np.uint32)
    for band in range(BANDS):
        for member, mixer in zip(_MEMBERS[band], _MIXERS[band], strict=True):
            keys[band] += signature[member] * mixer
    marks = np.ascontiguousarray((signature >> np.uint32(10)).astype(np.uint8).T)
    bits = np.packbits(marks & np.uint8(1), axis=1, bitorder="little")
    return keys, np.ascontiguousarray(bits).view(np.uint64), marks


def _chunks(sets: Sets, elements: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Slices of the sets from start to stop with about so many elements, and no more sets than that."""
    while start < stop:
        until = int(np.searchsorted(sets.starts, sets.starts[start] + elements, side="right")) - 1
        until = min(max(start + 1, until), start + elements, stop)
        yield start, until
        start = until


def _most_differing(agreeing: float) -> int:
    """The most of the minima's bits that may differ where each agrees with this probability."""
    return math.ceil(MINIMA * (1 - agreeing) + DEVIATIONS * math.sqrt(MINIMA * agreeing * (1 - agreeing)))
