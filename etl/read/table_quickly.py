"""Lines of a delimited text in; the rows that Python's strict csv reader gives for them out, parsed by Arrow.

Arrow is laxer about quotes. So it is only asked where each quote stands as RFC 4180 has it: the first, third ... of a
line opens a field or is the second half of a doubled one, the second, fourth ... closes one or is the first half.
"""

from __future__ import annotations

import csv

import numpy as np
import polars as pl

from etl.detect.delimited import Table

_QUOTE, _END = ord('"'), ord("\n")
_AT_ONCE = 1024 * 1024  # bytes


def quickly(data: bytes, starts: np.ndarray, found: Table) -> pl.DataFrame | None:
    """The rows, one a line; None where that is not plain to see. `data` ends with a line end."""
    import pyarrow as pa
    import pyarrow.csv as pc

    lengths = np.diff(starts)
    if lengths.min() < 2 or lengths.max() > csv.field_size_limit():  # Arrow makes a row of a blank line
        return None
    if not _quoted_plainly(data, starts, ord(found.delimiter)):
        return None
    read = pc.ReadOptions(column_names=list(found.header), block_size=_AT_ONCE)
    parse = pc.ParseOptions(delimiter=found.delimiter, ignore_empty_lines=False)
    texts = dict.fromkeys(found.header, pa.string())
    convert = pc.ConvertOptions(column_types=texts, strings_can_be_null=False)
    try:
        rows = pc.read_csv(pa.BufferReader(data), read_options=read, parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid:
        return None
    return pl.DataFrame(rows).rechunk() if rows.num_rows == len(starts) - 1 else None


def _quoted_plainly(data: bytes, starts: np.ndarray, delimiter: int) -> bool:
    seen = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(seen == _QUOTE)
    if not len(quotes):
        return True
    if (np.bincount(np.searchsorted(starts, quotes, "right")) % 2).any():
        return False
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.where(opening == 0, _END, seen[opening - 1])
    ends = (_QUOTE, _END, delimiter)
    return bool(np.isin(before, ends).all() and np.isin(seen[closing + 1], ends).all())
