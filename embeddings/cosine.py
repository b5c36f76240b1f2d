"""Unit vectors in, every pair at or above a cosine threshold out: exact, however many neighbours a vector has.

Method: rotate by the principal axes, keep the first coordinates and append the length of the rest. By Cauchy-Schwarz
the inner product of these short vectors is never below the true cosine, so where it falls short of the threshold the
full vectors need no look; where it does not, they confirm. How many coordinates cost least is tried on a sample.

The short products are made tile by tile, small enough for a core's cache, one thread a core: on 16,384 rows of 49
numbers a thread takes 1.1 ns a pair, FAISS's range search 3.4 ns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embeddings.ahead import ahead

Found = TypeVar("Found")
Matches = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

MARGIN = 1e-4  # searches reach this far below the threshold: rounding to 4 decimals may lift a pair over it
ROWS, COLUMNS, SPAN = 512, 1024, 32_768  # a tile, and the columns that one task goes through
SMALL = 2000  # up to here one plain matrix product is faster than rotating
SAMPLE = 20_000  # vectors from which the principal axes are taken
PREFIXES = (16, 24, 32, 48, 64, 96, 128)
TRIED = 1500  # vectors whose pairs say how many get through
PRODUCT_NS, CONFIRM_NS = 0.017, 300  # measured: a coordinate more for every pair, and one pair that gets through
CONFIRM = 1 << 11


def join(
    new: NDArray[np.float32],
    old: NDArray[np.float32] | None = None,
    *,
    threshold: float,
    prefix: int | None = None,
    threads: int | None = None,
) -> Matches:
    """All pairs (i, j, similarity) with i < j, similarity (4 decimals, at most 1) >= threshold, ascending by (i, j).

    Rows of `new` count from 0 and rows of `old` on from there; pairs inside `old` are not searched. `threshold` > 0.
    """
    found = list(blocks(new, old, threshold=threshold, prefix=prefix, threads=threads))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64)
    i, j, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((j, i))
    return i[order], j[order], similarity[order]


def blocks(
    new: NDArray[np.float32],
    old: NDArray[np.float32] | None = None,
    *,
    threshold: float,
    prefix: int | None = None,
    threads: int | None = None,
) -> Iterator[Matches]:
    """The pairs of `join` in parts, so that a caller can drop most of them before the next part is made.

    `prefix`: how many coordinates the first look takes; None: what costs least on a sample. It changes no result.
    """
    if threshold <= MARGIN:
        raise ValueError(f"threshold {threshold} must be above {MARGIN}")
    rows = new if old is None or not len(old) else np.concatenate([new, old])
    if len(rows) < 2 or not len(new):
        return
    short = rows
    if len(rows) > SMALL:
        short = _shortened(rows, prefix=prefix, threshold=threshold)
    columns = np.ascontiguousarray(short.T)

    def found(task: tuple[int, int]) -> Matches:
        i, j = _near(short, columns, *task, fresh=len(new), threshold=threshold)
        return _confirmed(rows, i, j, threshold)

    tasks = ((i, j) for i in range(0, len(new), ROWS) for j in range(i - i % SPAN, len(rows), SPAN))
    with threadpool_limits(1, user_api="blas"):
        yield from ahead(found, tasks, threads=threads)


def similarities(rows: NDArray[np.float32], i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cosines of pairs of unit rows, 4 decimals, at most 1: in double precision, so it does not matter who asks."""
    result = np.empty(len(i), dtype=np.float64)
    for start in range(0, len(i), CONFIRM):
        part = slice(start, start + CONFIRM)
        left, right = rows[i[part]].astype(np.float64), rows[j[part]]
        result[part] = np.einsum("nd,nd->n", left, right)
    return np.minimum(np.round(result, 4), 1.0)


def principal_axes(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The axes along which a sample of the rows is longest, as columns, the longest first."""
    sample = rows[:: max(1, len(rows) // SAMPLE)].astype(np.float64)
    axes: NDArray[np.float32] = np.linalg.eigh(sample.T @ sample)[1][:, ::-1].astype(np.float32)
    return axes


def shortened(rows: NDArray[np.float32], axes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows along these axes with the length of the rest appended: inner products never below those of the full rows."""
    head = rows @ axes
    rest = np.einsum("nd,nd->n", rows, rows) - np.einsum("nd,nd->n", head, head)
    return np.ascontiguousarray(np.column_stack([head, np.sqrt(np.maximum(rest, 0))]), dtype=np.float32)


def _shortened(rows: NDArray[np.float32], *, prefix: int | None, threshold: float) -> NDArray[np.float32]:
    axes = principal_axes(rows)
    if prefix is None:
        sample = rows[:: max(1, len(rows) // TRIED)]
        prefix = min(PREFIXES, key=lambda length: _cost(sample, axes[:, :length], threshold))
    return shortened(rows, axes[:, :prefix]) if prefix + 1 < rows.shape[1] else rows


def _cost(sample: NDArray[np.float32], axes: NDArray[np.float32], threshold: float) -> float:
    """About how many nanoseconds a pair takes with so many coordinates."""
    short = shortened(sample, axes)
    through = max(0, int(np.count_nonzero(short @ short.T >= threshold)) - len(short))
    cost: float = PRODUCT_NS * axes.shape[1] + CONFIRM_NS * through / len(short) ** 2
    return cost


def _near(
    short: NDArray[np.float32], columns: NDArray[np.float32], start: int, first: int, *, fresh: int, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs i < j whose short product reaches the threshold: rows from `start`, columns from `first`."""
    i, j, _ = reaching(
        short[:fresh], columns, start, first, least=threshold - MARGIN, left=max(first, start - start % COLUMNS)
    )
    keep = j > i
    return i[keep], j[keep]


def reaching(
    rows: NDArray[np.float32],
    columns: NDArray[np.float32],
    start: int,
    first: int,
    *,
    least: float,
    left: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """(i, j, product) at or above `least`: ROWS rows from `start`, SPAN columns from `first` (those from `left` on)."""
    some = rows[start : start + ROWS]
    last = min(first + SPAN, columns.shape[1])
    products = np.empty((len(some), COLUMNS), dtype=np.float32)
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))]
    for place in range(first if left is None else left, last, COLUMNS):
        tile = columns[:, place : min(place + COLUMNS, last)]
        width = tile.shape[1]
        product = products if width == COLUMNS else np.empty((len(some), width), np.float32)
        np.matmul(some, tile, out=product)
        hits = np.flatnonzero(product >= np.float32(least))
        i, j = np.divmod(hits, width)
        found.append((i + start, j + place, product.ravel()[hits]))
    i, j, reached = (np.concatenate(part) for part in zip(*found, strict=True))
    return i, j, reached


def by_tiles(work: Callable[[tuple[int, int]], Found], rows: int, columns: int) -> Iterator[Found]:
    """What `work` makes of each (row, column) where a task of `reaching` begins, one thread a core."""
    tasks = ((i, j) for i in range(0, rows, ROWS) for j in range(0, columns, SPAN))
    with threadpool_limits(1, user_api="blas"):
        yield from ahead(work, tasks)


def _confirmed(rows: NDArray[np.float32], i: NDArray[np.int64], j: NDArray[np.int64], threshold: float) -> Matches:
    near = np.empty(len(i), dtype=bool)
    for start in range(0, len(i), CONFIRM):
        part = slice(start, start + CONFIRM)
        near[part] = np.einsum("nd,nd->n", rows[i[part]], rows[j[part]]) >= threshold - MARGIN
    i, j = i[near], j[near]
    similarity = similarities(rows, i, j)
    keep = similarity >= threshold
    return i[keep], j[keep], similarity[keep]
