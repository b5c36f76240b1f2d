"""Runs of equal labels in, all pairs inside them out, in parts of bounded size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

PART = 1 << 20  # pairs made at once


def within(labels: NDArray[np.integer], fresh: NDArray[np.bool_]) -> Iterator[tuple[Indices, Indices]]:
    """Pairs of positions p < q with equal labels, p fresh.

    `labels` are ascending; inside a run of equal ones the fresh positions come first, so each pair with a fresh side
    is given once.
    """
    last = np.flatnonzero(np.concatenate([labels[1:] != labels[:-1], [True]])) + 1 if len(labels) else labels
    ends = np.repeat(last, np.diff(last, prepend=0)).astype(np.int64)
    after = np.where(fresh, ends - np.arange(len(labels)) - 1, 0)
    for start, stop in parts(after):
        counts = after[start:stop]
        places = np.arange(start, stop)
        p = np.repeat(places, counts)
        q = np.arange(len(p)) + np.repeat(places + 1 + counts - np.cumsum(counts), counts)
        yield p, q


def across(starts: Indices, sizes: Indices, i: Indices, j: Indices) -> Iterator[tuple[Indices, Indices, Indices]]:
    """(row, p, q): for each row, every member p of run i[row] with every member q of run j[row]."""
    products = sizes[i] * sizes[j]
    for start, stop in parts(products):
        row = np.repeat(np.arange(start, stop), products[start:stop])
        left, right = np.divmod(_counted(products[start:stop]), sizes[j[row]])
        yield row, starts[i[row]] + left, starts[j[row]] + right


def parts(counts: Indices) -> Iterator[tuple[int, int]]:
    """Slices of `counts` whose sums stay at or below PART, or hold one count."""
    sums, start = np.cumsum(counts), 0
    while start < len(counts):
        before = sums[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(sums, before + PART, side="right")))
        yield start, stop
        start = stop


def _counted(counts: Indices) -> Indices:
    """0, 1, ... count - 1 for each count, one after the other."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
