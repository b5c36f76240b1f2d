"""Decoded text in, rows of cells out: which delimiter, whether quotes are quoting, whether there is a header.

Quoting follows RFC 4180. Where a file has quotes that are plain text, default quoting swallows rows; so a file with
quotes is read both ways, and the way that gives more rows of the header's width wins.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

_TOLD = re.compile(r"sep=(.)\s*$")
DELIMITERS = (",", "\t", ";", "|")
_SAMPLE = 200_000  # characters
_SAME_WIDTH = 0.8  # share of the rows of a sample that must be as wide as the header for a text to be a table
# Where quoting makes every row whole, lines that look whole without it are chance: cells of many lines have commas too.
_PLAIN_SHARE = 0.95
_BROKEN_ROWS = 50  # rows whose quotes do not close, each sought anew from its next line; more and quotes are plain text


class Row(NamedTuple):
    """One record: the line it begins in (from 1), its cells, the text it was read from, and what broke it, if that."""

    line: int
    cells: list[str]
    raw: str
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A delimited text. Without a header the columns are named `column_1`, `column_2` ..."""

    delimiter: str
    quoting: str  # rfc4180 | none
    header: tuple[str, ...]
    has_header: bool
    rows: list[Row]
    evidence: tuple[str, ...] = ()


def table(text: str) -> Table | None:
    """The table in a text, or None if the text is none."""
    lines = _lines(text)
    told = _TOLD.match(lines[0]) if lines else None  # Excel: a first line `sep=;`
    skipped = 1 if told else 0
    lines = lines[skipped:]
    delimiter = told.group(1) if told else _delimiter(lines)
    if delimiter is None:
        return None
    rows, quoting, evidence = _rows(lines, delimiter, quotes='"' in text)
    rows = [row._replace(line=row.line + skipped) for row in rows] if skipped else rows
    header = rows[0].cells if rows else []
    if is_header(header):
        return Table(delimiter, quoting, names_of(header), True, rows[1:], evidence)
    if len(rows) < 5:
        return None
    names = tuple(f"column_{i}" for i in range(1, len(header) + 1))
    return Table(delimiter, quoting, names, False, rows, (*evidence, "the first row is no header"))


def _lines(text: str) -> list[str]:
    """Lines with their ends; only LF, CRLF or, in a text without LF, CR end a line (never U+2028 or U+0085)."""
    end = "\n" if "\n" in text or "\r" not in text else "\r"
    parts = text.split(end)
    last = parts.pop()
    return [part + end for part in parts] + ([last] if last else [])


def _delimiter(lines: list[str]) -> str | None:
    """The delimiter that makes most rows as wide as the first; of several the one with more columns."""
    sample: list[str] = []
    size = 0
    for line in lines:
        sample.append(line)
        size += len(line)
        if size > _SAMPLE:
            break
    best: tuple[float, int, str] = (0.0, 0, "")
    whole = "".join(sample)
    ways = (True, False) if '"' in whole else (True,)  # without quotes both ways are one
    for delimiter in (one for one in DELIMITERS if one in whole):
        for quotes in ways:
            rows = list(_parse(sample, delimiter, quotes=quotes, broken_rows=5))
            rows = rows[:-1] if size > _SAMPLE else rows
            width = len(rows[0].cells) if rows else 0
            if width < 2 or (len(rows) < 2 and not is_header(rows[0].cells)):
                continue
            same = sum(row.broken is None and len(row.cells) == width for row in rows) / len(rows)
            best = max(best, (round(same, 2), width, delimiter))
    return best[2] if best[0] >= _SAME_WIDTH else None


def _rows(lines: list[str], delimiter: str, *, quotes: bool) -> tuple[list[Row], str, tuple[str, ...]]:
    quoted = list(_parse(lines, delimiter, quotes=True, broken_rows=_BROKEN_ROWS))
    if not quotes:
        return quoted, "rfc4180", ()
    width = len(quoted[0].cells) if quoted else 0
    good = sum(row.broken is None and len(row.cells) == width for row in quoted)
    if good == len(lines):
        return quoted, "rfc4180", ()
    plain = list(_parse(lines, delimiter, quotes=False, broken_rows=0))
    as_plain = sum(len(row.cells) == len(plain[0].cells) for row in plain)
    flawless = good == len(quoted) and as_plain < _PLAIN_SHARE * len(plain)
    if as_plain > good and not flawless:
        return plain, "none", (f"quotes are plain text: {as_plain} whole rows so, {good} with quoting",)
    return quoted, "rfc4180", ()


def _parse(lines: list[str], delimiter: str, *, quotes: bool, broken_rows: int) -> Iterator[Row]:
    """Rows that are not blank. A row with wrong quotes is given as broken, and reading goes on in its next line."""
    csv.field_size_limit(2**31 - 1)  # for the whole process; the limit on fields is enforced on the records
    start, broken = 0, 0
    while start < len(lines):
        reader = csv.reader(
            iter(lines[start:] if start else lines),
            delimiter=delimiter,
            quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
            strict=broken < broken_rows,
        )
        before = 0
        try:
            for cells in reader:
                first, before = start + before, reader.line_num
                if cells and (len(cells) > 1 or cells[0].strip()):
                    raw = lines[first] if start + before == first + 1 else "".join(lines[first : start + before])
                    yield Row(first + 1, cells, raw.rstrip("\r\n"))
        except csv.Error as error:
            yield Row(start + before + 1, [], lines[start + before].rstrip("\r\n"), str(error))
            start, broken = start + before + 1, broken + 1
            continue
        return


def is_header(cells: list[str]) -> bool:
    """Short, distinct names, none of which is a sentence or a number; the first may be blank (an index)."""
    names = [cell.strip() for cell in cells]
    filled = [name for name in names if name]
    if len(filled) < max(len(names) - 1, 2) or len(set(filled)) < len(filled):
        return False
    if any(len(name) > 80 or name.endswith(("?", "？", "؟", ".")) or "\n" in name for name in filled):
        return False
    return not any(name.replace(".", "").replace("-", "").isdigit() for name in filled)


def names_of(header: list[str]) -> tuple[str, ...]:
    """The names of a header; a blank one is named by its place."""
    return tuple(name.strip() or f"column_{i}" for i, name in enumerate(header, 1))
