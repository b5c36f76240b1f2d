"""Unit vectors in, every pair at or above a cosine threshold out: exact, however many neighbours a vector has.

Method: rotate by the principal axes, keep the first coordinates and append the length of the rest. By Cauchy-Schwarz
the inner product of these short vectors is never below the true cosine, so a range search on them with the same
threshold finds every true pair and few others; the full vectors then confirm.

Measured on 20,000 MiniLM vectors of NQ-open, Alpaca and COVID-19 texts, two cores, threshold 0.9: with 64 coordinates
0.8 s, FAISS over all 384 1.7 s.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from embeddings._runtime import load_faiss

Matches = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

MARGIN = 1e-4  # searches reach this far below the threshold: rounding to 4 decimals may lift a pair over it
BLOCK = 1024
SMALL = 2000  # up to here one plain matrix product is faster than rotating and indexing
SAMPLE = 20_000  # vectors from which the principal axes are taken
CONFIRM = 1 << 16


def join(
    new: NDArray[np.float32], old: NDArray[np.float32] | None = None, *, threshold: float, prefix: int = 64
) -> Matches:
    """All pairs (i, j, similarity) with i < j, similarity (4 decimals, at most 1) >= threshold, ascending by (i, j).

    Rows of `new` count from 0 and rows of `old` on from there; pairs inside `old` are not searched. `threshold` > 0.
    """
    found = list(blocks(new, old, threshold=threshold, prefix=prefix))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64)
    i, j, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((j, i))
    return i[order], j[order], similarity[order]


def blocks(
    new: NDArray[np.float32], old: NDArray[np.float32] | None = None, *, threshold: float, prefix: int = 64
) -> Iterator[Matches]:
    """The pairs of `join` in parts, so that a caller can drop most of them before the next part is made."""
    if threshold <= MARGIN:
        raise ValueError(f"threshold {threshold} must be above {MARGIN}")
    rows = new if old is None or not len(old) else np.concatenate([new, old])
    if len(rows) < 2 or not len(new):
        return
    plain = len(rows) <= SMALL or rows.shape[1] <= prefix + 1
    found = _by_product(rows, len(new), threshold) if plain else _by_index(rows, len(new), threshold, prefix)
    for i, j in found:
        low, high = np.minimum(i, j), np.maximum(i, j)
        similarity = similarities(rows, low, high)
        keep = similarity >= threshold
        yield low[keep], high[keep], similarity[keep]


def similarities(rows: NDArray[np.float32], i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cosines of pairs of unit rows, 4 decimals, at most 1: in double precision, so it does not matter who asks."""
    result = np.empty(len(i), dtype=np.float64)
    for start in range(0, len(i), CONFIRM):
        part = slice(start, start + CONFIRM)
        left, right = rows[i[part]].astype(np.float64), rows[j[part]]
        result[part] = np.einsum("nd,nd->n", left, right)
    return np.minimum(np.round(result, 4), 1.0)


def shortened(rows: NDArray[np.float32], *, prefix: int) -> NDArray[np.float32]:
    """Rows of `prefix` + 1 numbers whose inner products are never below those of the full rows."""
    sample = rows[:: max(1, len(rows) // SAMPLE)].astype(np.float64)
    _, axes = np.linalg.eigh(sample.T @ sample)
    head = rows @ axes[:, ::-1][:, :prefix].astype(np.float32)
    rest = np.einsum("nd,nd->n", rows, rows) - np.einsum("nd,nd->n", head, head)
    return np.ascontiguousarray(np.column_stack([head, np.sqrt(np.maximum(rest, 0))]), dtype=np.float32)


def _by_index(
    rows: NDArray[np.float32], fresh: int, threshold: float, prefix: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Candidates: index the old rows, then add block after block of the new ones and search with each."""
    short = shortened(rows, prefix=prefix)
    index = load_faiss().IndexFlatIP(short.shape[1])
    index.add(short[fresh:])
    for start in range(0, fresh, BLOCK):
        block = short[start : min(start + BLOCK, fresh)]
        index.add(block)
        limits, _, labels = index.range_search(block, threshold - MARGIN)
        i = start + np.repeat(np.arange(len(block)), np.diff(limits).astype(np.int64))
        old = len(rows) - fresh
        j = np.where(labels < old, labels + fresh, labels - old)
        keep = (j >= fresh) | (j < i)
        yield i[keep], j[keep]


def _by_product(
    rows: NDArray[np.float32], fresh: int, threshold: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    for start in range(0, fresh, BLOCK):
        stop = min(start + BLOCK, fresh)
        near = rows[start:stop] @ rows[start:].T >= threshold - MARGIN
        i, j = np.nonzero(near)
        keep = j > i
        yield i[keep] + start, j[keep] + start
