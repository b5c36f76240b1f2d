"""Decoded text of rows and cells in, a `Reading` out."""

from __future__ import annotations

from dataclasses import replace

from etl.detect.delimited import Row, Table, table
from etl.detect.encoding import Text
from etl.detect.format import Format, Refusal
from etl.detect.outline import SAMPLE, Outline
from etl.detect.plain_text import late_form
from etl.read.assemble import CHUNK, Assembly, format_of
from etl.read.form_text import read_form
from etl.read.json_text import digest
from etl.read.limits import Limits
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.shapes.base import Batch, Match, shorten
from etl.shapes.forms import EARLY, LATE


def read_table(text: Text, recognise: Recogniser, limits: Limits) -> Reading:
    """Read CSV, TSV and the like, and the forms of text and markup; other text is refused by its name."""
    decoded = text.data.decode("utf-8")
    if (form := read_form(EARLY, decoded, text, recognise, limits)) is not None:
        return form
    found = table(decoded)
    if found is None:
        refused = Format("text", text.encoding, "unknown", {}, text.confidence, text.evidence)
        return read_form(LATE, decoded, text, recognise, limits) or Reading.of(late_form(decoded), refused)
    container = "tsv" if found.delimiter == "\t" else "csv"
    known = Format(container, text.encoding, "unknown", {}, text.confidence, text.evidence + found.evidence)
    if not found.rows:
        return Reading.refused("no_records", f"a header and no rows: {', '.join(found.header)}", format=known)
    match = recognise(Outline.of([_record(row, found.header) for row in found.rows[:SAMPLE]]))
    if isinstance(match, Match) and not found.has_header and match.shape not in ("mapped", "multiple_choice"):
        proposal = {ours: match.mapping.fields[ours] for ours in ("question", "answer")}
        match = Refusal("unmapped", f"no header; {'; '.join(match.mapping.evidence)}", proposal)
    if not isinstance(match, Match):
        return Reading.of(match or _why_none(found, decoded), known)
    assembly = Assembly(limits)
    for start in range(0, len(found.rows), CHUNK):
        _add(assembly, found.rows[start : start + CHUNK], found.header, match)
    made = format_of(container, text.encoding, match, delimiter=found.delimiter, quoting=found.quoting)
    return assembly.reading(replace(made, evidence=known.evidence + made.evidence))


def _record(row: Row, header: tuple[str, ...]) -> dict[str, str]:
    """Cells by name; what a short row lacks is missing."""
    return dict(zip(header, row.cells, strict=False))


def _add(assembly: Assembly, rows: list[Row], header: tuple[str, ...], match: Match) -> None:
    width = len(header)
    good = []
    for row in rows:
        if row.broken is not None:
            assembly.reject(f"line:{row.line}", "broken_row", row.broken, shorten(row.raw))
        elif len(row.cells) > width and any(cell.strip() for cell in row.cells[width:]):
            evidence = f"{len(row.cells)} cells, the header has {width}"
            assembly.reject(f"line:{row.line}", "ragged_row", evidence, shorten(row.raw))
        else:
            good.append(row)
    positions = [f"line:{row.line}" for row in good]
    digests = [digest(row.raw.encode("utf-8")) for row in good]
    assembly.add(Batch(positions, [_record(row, header) for row in good], digests), match)


def _why_none(found: Table, text: str) -> Refusal:
    if not found.has_header:
        return late_form(text)
    return Refusal("tabular", f"no column looks like a question: {', '.join(found.header)[:300]}")
