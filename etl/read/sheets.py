"""The bytes of an Excel workbook (.xlsx) in, a `Reading` out: every visible sheet that holds pairs.

A workbook of 5 KB can name a cell in the last of 17 thousand million places, and what reads it then makes room for
all of them; so cells are looked at in the XML before the workbook is opened.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

from etl.detect.delimited import is_header, names_of
from etl.detect.format import Format, Refusal
from etl.detect.outline import SAMPLE, Outline
from etl.detect.strict_json import canonical
from etl.read.assemble import CHUNK, Assembly, format_of
from etl.read.json_text import digest
from etl.read.limits import Limits
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.read.zips import BROKEN, measure, stream
from etl.shapes.base import Batch, Inherited, Match

MOST_CELLS = 20_000_000  # of the rectangle around all cells of a sheet; each takes 40 bytes and more when it is opened
_CELL = re.compile(
    rb"<(?:\w+:)?(?:c|dimension|row)\s[^>]{0,400}?\b(?:r|ref)\s*=\s*[\"']([A-Z]{0,4}\d{1,9})(?::([A-Z]{1,4}\d{1,9}))?"
)
_OVERLAP = 1000  # bytes; longer than what one match can be
Cells = list[str | None]


def read_sheets(data: bytes, recognise: Recogniser, limits: Limits) -> Reading:
    """Read a workbook. Sheets that hold no pairs are named in the details."""
    if too_much := _look(data, limits):
        return Reading.of(too_much)
    known = Format("xlsx", "binary", "unknown", {}, 1.0)
    assembly, matches, refusals = Assembly(limits), {}, []
    sheets = _visible(data)
    for name, rows in sheets.items():
        header, first = _header(rows)
        records = [(n, record) for n, row in enumerate(rows[first:], first + 1) if (record := _record(header, row))]
        found = recognise(Outline.of([record for _, record in records[:SAMPLE]])) if records else None
        if isinstance(found, Match) and header[0] == "column_1" and found.shape not in ("mapped", "multiple_choice"):
            proposal = {ours: found.mapping.fields[ours] for ours in ("question", "answer")}
            found = Refusal("unmapped", f"no header; {'; '.join(found.mapping.evidence)}", proposal)
        if isinstance(found, Match):
            matches[name] = found
            _add(assembly, name, records, found, alone=len(sheets) == 1)
        else:
            columns = ", ".join(header)[:200] or "no rows"
            refusal = found or Refusal(
                "tabular" if records else "no_records", f"no column looks like a question: {columns}"
            )
            refusals.append((len(records), name, refusal))
    if not matches:
        return Reading.of(_why_none(refusals), known)
    match = next(iter(matches.values()))
    others = [name for _, name, _ in refusals]
    return assembly.reading(format_of("xlsx", "binary", match, sheets=list(matches), other_sheets=others))


def _look(data: bytes, limits: Limits) -> Refusal | None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if too_much := measure(archive, len(data), limits):
                return too_much
            for member in archive.infolist():
                if member.filename.lower().endswith(".xml") and (cells := _extent(archive, member)) > MOST_CELLS:
                    return Refusal("sheet_too_large", f"{member.filename} spans {cells:,} cells")
    except BROKEN as error:
        return Refusal("broken_archive", f"xlsx: {error}")
    return None


def _extent(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """How many cells there are from A1 to the last one that the XML names."""
    rows = columns = 0
    tail = b""
    for part in stream(archive, member):
        text = tail + part
        for match in _CELL.finditer(text):
            for reference in match.groups():
                letters = reference.rstrip(b"0123456789") if reference else b""
                rows = max(rows, int(reference[len(letters) :])) if reference else rows
                columns = max(columns, _column(letters))
        tail = text[-_OVERLAP:]
    return rows * max(columns, 1)


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


def _visible(data: bytes) -> dict[str, list[Cells]]:
    """The cells of the visible sheets as texts, from the first row on, so that rows keep their numbers."""
    import fastexcel

    workbook = fastexcel.read_excel(data)
    found = {}
    for name in workbook.sheet_names:
        sheet = workbook.load_sheet(name, header_row=None, skip_rows=0, dtypes="string")
        if sheet.visible == "visible":
            found[name] = [list(row) for row in sheet.to_polars().rows()]
    return found


def _header(rows: list[Cells]) -> tuple[tuple[str, ...], int]:
    """The names of the columns and the index of the first row below them. A title may stand above the header."""
    for i, row in enumerate(rows[:10]):
        filled = [(cell or "").strip() for cell in row]
        if sum(map(bool, filled)) >= 2:
            while filled and not filled[-1]:
                filled.pop()
            if is_header(filled):
                return names_of(filled), i + 1
            break
    width = max(map(len, rows), default=0)
    return tuple(f"column_{i}" for i in range(1, width + 1)), 0


def _record(header: tuple[str, ...], row: Cells) -> dict[str, Any]:
    """Filled cells by name; a cell beyond the header gets a name of its own."""
    names = [*header, *(f"column_{i}" for i in range(len(header) + 1, len(row) + 1))]
    return {name: cell for name, cell in zip(names, row, strict=False) if cell is not None and cell.strip()}


def _add(
    assembly: Assembly, sheet: str, records: list[tuple[int, dict[str, Any]]], match: Match, *, alone: bool
) -> None:
    """One batch a chunk. With several sheets the name of each goes into the metadata."""
    place = sheet.replace("/", "%2F").replace("#", "%23")
    for start in range(0, len(records), CHUNK):
        rows = records[start : start + CHUNK]
        positions = [f"{place}/row:{number}" for number, _ in rows]
        digests = [digest(canonical(record)) for _, record in rows]
        around = None if alone else [Inherited(metadata={"sheet": sheet}) for _ in rows]
        assembly.add(Batch(positions, [record for _, record in rows], digests, around), match)


def _why_none(refusals: list[tuple[int, str, Refusal]]) -> Refusal:
    if not refusals:
        return Refusal("no_records", "no visible sheet")
    unmapped = [found for _, _, found in refusals if found.reason == "unmapped"]
    _, name, found = max(refusals, key=lambda one: one[0])
    return unmapped[0] if unmapped else Refusal(found.reason, f"sheet {name!r}: {found.evidence}")
