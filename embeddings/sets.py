"""Texts in, sets of numbers out, and the exact Jaccard similarity of many pairs of them at once.

All sets lie in one sorted array, so that a million pairs are compared by sorting, without a Python loop.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from etl.words import words

CROWDED = 16  # pairs a set from which on a table beats sorting
MANY = 1000  # and so many pairs
CHUNK = 1 << 16  # elements compared at once: their keys fit the cache, where sorting is three times faster


@dataclass(frozen=True)
class Sets:
    """`values[starts[i]:starts[i + 1]]` are the distinct elements of set i, ascending."""

    starts: NDArray[np.int64]
    values: NDArray[np.uint32]

    @classmethod
    def of(cls, owners: NDArray[np.integer], elements: NDArray[np.uint32], *, count: int) -> Sets:
        """`count` sets from (owner, element) rows, repeated or not."""
        packed = owners.astype(np.uint64)
        packed <<= np.uint64(32)
        packed |= elements
        return cls.of_packed(packed, count=count)

    @classmethod
    def of_packed(cls, packed: NDArray[np.uint64], *, count: int) -> Sets:
        """`count` sets from rows of 64 bits, the owner above its element; `packed` is sorted in place."""
        packed.sort()
        first = np.empty(len(packed), dtype=bool)
        first[:1] = True
        np.not_equal(packed[1:], packed[:-1], out=first[1:])
        packed = packed[first]
        starts = np.searchsorted(packed, np.arange(count + 1, dtype=np.uint64) << np.uint64(32))
        return cls(starts, packed.astype(np.uint32))

    @classmethod
    def empty(cls, count: int) -> Sets:
        """`count` sets without elements."""
        return cls(np.zeros(count + 1, np.int64), np.zeros(0, np.uint32))

    @classmethod
    def joined(cls, parts: Sequence[Sets]) -> Sets:
        """The sets of all parts, one part after the other."""
        if len(parts) == 1:
            return parts[0]
        ends = np.cumsum([part.starts[-1] for part in parts])
        starts = [part.starts[:-1] + end - part.starts[-1] for part, end in zip(parts, ends, strict=True)]
        return cls(np.concatenate([*starts, ends[-1:]]), np.concatenate([part.values for part in parts]))

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """How many elements each set has."""
        return np.diff(self.starts)

    def jaccard(self, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.float64]:
        """|i ∩ j| / |i ∪ j| of each pair of sets, 4 decimals; two empty sets give 0."""
        crowded = len(i) >= MANY and len(i) >= CROWDED * len(np.unique(i))
        shared = self._by_table(i, j) if crowded else self._by_sorting(i, j)
        union = self.sizes[i] + self.sizes[j] - shared
        similarity: NDArray[np.float64] = np.round(shared / np.maximum(union, 1), 4)
        return similarity

    def _by_table(self, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tick the elements of one set in a table and look all its partners up: many pairs a set."""
        used, places = np.unique(np.concatenate([i, j]), return_inverse=True)
        elements = self.values[self._places(used)]
        codes = np.unique(elements, return_inverse=True)[1]
        some = Sets(np.concatenate([[0], np.cumsum(self.sizes[used])]), elements)
        first, second = places[: len(i)], places[len(i) :]
        shared = np.zeros(len(i), dtype=np.int64)
        table = np.zeros(int(codes.max(initial=-1)) + 1, dtype=bool)
        order = np.argsort(first, kind="stable")
        for run in np.split(order, np.flatnonzero(np.diff(first[order])) + 1):
            own = codes[some.starts[first[run[0]]] : some.starts[first[run[0]] + 1]]
            table[own] = True
            ticks = np.cumsum(table[codes[some._places(second[run])]])
            ends = np.cumsum(some.sizes[second[run]])
            shared[run] = np.diff(np.concatenate([[0], np.concatenate([[0], ticks])[ends]]))
            table[own] = False
        return shared

    def _by_sorting(self, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sort the elements of both sets, chunk by chunk, and count those that come twice: few pairs a set."""
        shared = np.zeros(len(i), dtype=np.int64)
        ends = np.cumsum(self.sizes[i] + self.sizes[j])
        start = 0
        while start < len(i):
            before = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + CHUNK, side="right")))
            sides = np.concatenate([i[start:stop], j[start:stop]])
            pair = np.tile(np.arange(stop - start, dtype=np.uint64), 2)
            keys = (np.repeat(pair, self.sizes[sides]) << np.uint64(32)) | self.values[self._places(sides)]
            keys.sort()
            twice = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(32)
            shared[start:stop] = np.bincount(twice.astype(np.int64), minlength=stop - start)
            start = stop
        return shared

    def _places(self, sets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the elements of these sets stand in `values`, one set after the other."""
        sizes = self.sizes[sets]
        return np.repeat(self.starts[sets] - np.cumsum(sizes) + sizes, sizes) + np.arange(int(sizes.sum()))


def word_sets(texts: Sequence[str]) -> Sets:
    """The set of words of each text; its Jaccard is `etl.words.overlap` for texts that have words."""
    bags = [set(words(text)) for text in texts]
    numbers: dict[str, int] = {}  # counted, not hashed: exact, and only ever compared within this call
    flat = [numbers.setdefault(word, len(numbers)) for bag in bags for word in bag]
    owners = np.repeat(np.arange(len(bags), dtype=np.int64), [len(bag) for bag in bags])
    return Sets.of(owners, np.array(flat, dtype=np.uint32), count=len(texts))


def shingle_sets(texts: Sequence[str], *, size: int) -> Sets:
    """The set of runs of `size` words of each text, or of all its words where it has fewer."""
    return Sets.of(*_hashed([_runs(words(text), size) for text in texts]), count=len(texts))


def _hashed(bags: Sequence[Iterable[str]]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """(owner, element) rows of bags of strings, each string as its CRC-32."""
    listed = [list(bag) for bag in bags]
    owners = np.repeat(np.arange(len(listed), dtype=np.int64), [len(bag) for bag in listed])
    codes: dict[str, int] = {}
    flat = list(chain.from_iterable(listed))
    for word in flat:
        if word not in codes:
            codes[word] = zlib.crc32(word.encode("utf-8", "surrogatepass"))
    return owners, np.fromiter(map(codes.__getitem__, flat), dtype=np.uint32, count=len(flat))


def _runs(row: list[str], size: int) -> list[str]:
    if len(row) < size:
        return [" ".join(row)] if row else []
    return [" ".join(row[i : i + size]) for i in range(len(row) - size + 1)]
