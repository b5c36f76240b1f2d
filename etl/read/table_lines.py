"""A large delimited text in, a `Reading` out, a block of lines at a time.

Only for a text in UTF-8 in which every line is one row as wide as the header, with quoting as RFC 4180 has it. Where
another line comes up the text is looked at whole, and what was given of it before is void.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import polars as pl

from etl.detect.container import container
from etl.detect.delimited import Table, table
from etl.detect.encoding import Text
from etl.detect.format import Format
from etl.detect.outline import SAMPLE, Outline
from etl.keys import digests
from etl.read.assemble import Assembly, format_of
from etl.read.columns import Columns, add_columns
from etl.read.json_text import digest
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.shapes.base import Batch, Match
from etl.shapes.forms import EARLY, first

_HEAD = 1024 * 1024  # bytes
_BLOCK = 8 * 1024 * 1024  # bytes
_BOM = b"\xef\xbb\xbf"
_FEWEST = 1000  # rows in the head: fewer and a look at the whole text costs nothing


@dataclass(frozen=True, slots=True)
class _Block:
    """Some lines without their ends, and the rows that they are, one each."""

    lines: list[str]
    rows: list[list[str]]


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
        number += _add(assembly, block, found.header, number, match)
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
    try:
        text = block.replace(b"\r\n", b"\n").removesuffix(b"\n").decode("utf-8")
    except UnicodeDecodeError:
        return None
    if "\r" in text or "\ufeff" in text[:1]:
        return None
    lines = text.split("\n")
    try:
        rows = list(csv.reader(lines, delimiter=found.delimiter, strict=True))
    except csv.Error:
        return None
    if len(rows) != len(lines) or set(map(len, rows)) != {len(found.header)}:
        return None
    return _Block(lines, rows)


def _add(assembly: Assembly, block: _Block, header: tuple[str, ...], number: int, match: Match) -> int:
    """Read one block, as columns where it is plain; how many lines it has."""
    height = len(block.rows)
    numbers = pl.int_range(number, number + height, eager=True).cast(pl.String)
    positions = pl.Series("position", "line:" + numbers)
    frame = pl.DataFrame(list(zip(*block.rows, strict=True)), schema=dict.fromkeys(header, pl.String), orient="col")
    lines = pl.Series("raw_digest", block.lines, dtype=pl.String)

    def record(i: int) -> dict[str, str]:
        return dict(zip(header, block.rows[i], strict=True))

    if not add_columns(assembly, Columns(frame, positions, digests(lines), record), match):
        digested = [digest(line.encode("utf-8")) for line in block.lines]
        assembly.add(Batch(positions.to_list(), [record(i) for i in range(height)], digested), match)
    return height
