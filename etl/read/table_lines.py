"""A large delimited text in, a `Reading` out, a block of lines at a time.

Only for a text in UTF-8 in which every line is one row as wide as the header, with quoting as RFC 4180 has it. Where
another line comes up the text is looked at whole, and what was given of it before is void.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
import polars as pl

from etl.detect.container import container
from etl.detect.delimited import Table, table
from etl.detect.encoding import Text
from etl.detect.format import Format
from etl.detect.outline import SAMPLE, Outline
from etl.keys import digests
from etl.read.assemble import Assembly, format_of
from etl.read.columns import Columns, add_columns
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.read.table_quickly import quickly
from etl.read.views import views
from etl.shapes.base import Batch, Match
from etl.shapes.forms import EARLY, first

_HEAD = 1024 * 1024  # bytes
_BLOCK = 8 * 1024 * 1024  # bytes
_BOM = b"\xef\xbb\xbf"
_FEWEST = 1000  # rows in the head: fewer and a look at the whole text costs nothing


@dataclass(frozen=True, slots=True)
class _Block:
    """The rows of some lines, one each, and the digests of the lines without their ends."""

    frame: pl.DataFrame
    digests: pl.Series


def stream_table(file: BinaryIO, recognise: Recogniser, assembly: Assembly) -> Reading | None:
    """Read a table without holding it in memory; None for one that is not plainly that."""
    head = file.read(_HEAD) + file.readline()
    text = _described(head)
    if text is None or container(head) != "text" or text.data.lstrip()[:1] in (b"{", b"["):
        return None
    decoded = text.data.decode("utf-8")
    found = table(decoded)
    if found is None or not _is_plain(found) or decoded.startswith("sep=") or first(EARLY, decoded) is not None:
        return None
    match = recognise(Outline.of([dict(zip(found.header, row.cells, strict=False)) for row in found.rows[:SAMPLE]]))
    if not isinstance(match, Match):
        return None
    number = 2
    for block in _blocks(file, found):
        if block is None:
            return None
        number += _add(assembly, block, number, match)
    container_name = "tsv" if found.delimiter == "\t" else "csv"
    known = Format(container_name, text.encoding, "unknown", {}, 1.0)
    made = format_of(container_name, text.encoding, match, delimiter=found.delimiter, quoting=found.quoting)
    return assembly.reading(replace(made, evidence=known.evidence + made.evidence))


def _described(head: bytes) -> Text | None:
    """The head as text, if it is UTF-8."""
    data = head.removeprefix(_BOM)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return Text(data, "utf-8-sig" if len(data) < len(head) else "utf-8", 1.0)


def _is_plain(found: Table) -> bool:
    whole = found.has_header and found.quoting == "rfc4180" and len(found.rows) >= _FEWEST
    return whole and len(set(found.header)) == len(found.header)


def _blocks(file: BinaryIO, found: Table) -> Iterator[_Block | None]:
    """The rows below the header; None, and then nothing, where a line is no row as wide as the header."""
    file.seek(0)
    file.readline()
    while block := file.read(_BLOCK):
        rows = _parsed(block + file.readline(), found)
        yield rows
        if rows is None:
            return


def _parsed(block: bytes, found: Table) -> _Block | None:
    if b"\x00" in block:
        return None
    data = block.replace(b"\r\n", b"\n").removesuffix(b"\n") + b"\n"
    if b"\r" in data or data.startswith(_BOM):
        return None
    starts = np.concatenate([[0], np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1])
    frame = quickly(data, starts, found)
    frame = _row_by_row(data, found) if frame is None else frame
    return None if frame is None else _Block(frame, digests(views(data, starts)))


def _row_by_row(data: bytes, found: Table) -> pl.DataFrame | None:
    try:
        lines = data[:-1].decode("utf-8").split("\n")
        rows = list(csv.reader(lines, delimiter=found.delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    if len(rows) != len(lines) or set(map(len, rows)) != {len(found.header)}:
        return None
    return pl.DataFrame(list(zip(*rows, strict=True)), schema=dict.fromkeys(found.header, pl.String), orient="col")


def _add(assembly: Assembly, block: _Block, number: int, match: Match) -> int:
    """Read one block, as columns where it is plain; how many lines it has."""
    frame, height = block.frame, block.frame.height
    numbers = pl.int_range(number, number + height, eager=True).cast(pl.String)
    positions = pl.Series("position", "line:" + numbers)
    columns = Columns(frame, positions, block.digests, lambda i: frame.row(i, named=True))
    if not add_columns(assembly, columns, match):
        assembly.add(Batch(positions.to_list(), frame.to_dicts(), block.digests.to_list()), match)
    return height
