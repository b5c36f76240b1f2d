"""A column of texts in; which of them hold anything but printable ASCII out.

Most texts hold nothing else, and then no repair, no quote and no odd white space can be in them. Looking at all bytes
of a column at once costs a tenth of asking each text (measured), so whatever treats texts asks here first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

_FIRST, _LAST = ord(" "), ord("~")
_INLINE = 12  # bytes; Arrow keeps shorter texts in the views themselves
_AT_ONCE = 1 << 18  # bytes that stay in the processor's cache


def odd_rows(texts: pl.Series) -> pl.Series:
    """The numbers of the rows with a byte that is not printable ASCII, in order. Null is not odd."""
    import numpy as np
    import polars as pl

    if _all_printable(texts):
        return pl.Series([], dtype=pl.UInt32)
    array = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset :][: len(array) + 1]
    data = np.frombuffer(array.buffers()[2], np.uint8)
    filled = np.flatnonzero(offsets[1:] > offsets[:-1])
    odd = np.logical_or.reduceat((data - _FIRST) > _LAST - _FIRST, offsets[filled])
    return pl.Series(filled[odd].astype(np.uint32))


def all_printable(texts: pl.Series) -> bool:
    """Whether no text of a column has a byte that is not printable ASCII."""
    return _all_printable(texts) or not len(odd_rows(texts))


def _all_printable(texts: pl.Series) -> bool:
    """A quick yes. No may be wrong: the column's memory may hold more than its rows."""
    import numpy as np
    import polars as pl

    array = texts.to_arrow(compat_level=pl.CompatLevel.newest())
    _, views, *buffers = array.buffers()
    held = np.frombuffer(views, np.uint8).reshape(-1, 16)[array.offset : array.offset + len(array)]
    lengths = held[:, :4].copy().view(np.uint32)[:, 0]
    if sum(map(len, buffers)) > 4 * int(lengths.sum()):
        return False  # a few rows of a long column: its whole memory is too much to look at
    short = lengths <= _INLINE
    held, lengths = (held, lengths) if short.all() else (held[short], lengths[short])
    zeros = len(held) * _INLINE - int(lengths.sum())  # what fills the views up
    if np.count_nonzero((held[:, 4:] - _FIRST) > _LAST - _FIRST) != zeros:
        return False
    return all(_printable(np.frombuffer(buffer, np.uint8)) for buffer in buffers if len(buffer))


def _printable(data: np.ndarray) -> bool:
    pieces = (data[start : start + _AT_ONCE] for start in range(0, len(data), _AT_ONCE))
    return all(piece.min() >= _FIRST and piece.max() <= _LAST for piece in pieces)
