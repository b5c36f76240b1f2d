"""A block of lines in; the lines as one column that lies in the block itself, out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

_INLINE = 12  # bytes; Arrow keeps shorter texts in the views themselves


def views(data: bytes, starts: np.ndarray) -> pl.Series:
    """The lines as bytes, without their ends of one byte each; the last start is where a further line would begin."""
    import numpy as np
    import polars as pl
    import pyarrow as pa

    made = np.zeros((len(starts) - 1, 4), np.uint32)  # length, the first four bytes, number of the buffer, place in it
    begins, lengths = starts[:-1], np.diff(starts) - 1
    made[:, 0], made[:, 1:2], made[:, 3] = lengths, _first(data, begins, lengths, 4), begins
    short = np.flatnonzero(lengths <= _INLINE)  # they stand in the views themselves
    made[short, 1:] = _first(data, begins[short], lengths[short], _INLINE)
    buffers = [None, pa.py_buffer(made), pa.py_buffer(data)]
    return pl.Series("raw_digest", pl.from_arrow(pa.Array.from_buffers(pa.binary_view(), len(made), buffers)))


def _first(data: bytes, starts: np.ndarray, lengths: np.ndarray, most: int) -> np.ndarray:
    """The first bytes of some lines, zeros behind them, as whole numbers of four bytes."""
    import numpy as np

    seen, places = np.frombuffer(data, np.uint8), np.arange(most)
    first = seen[np.minimum(starts[:, None] + places, len(seen) - 1)]
    first[places >= lengths[:, None]] = 0
    return first.view(np.uint32)
