"""The XML of a Word document in, its pairs out: tables of pairs, marked paragraphs, headings and numbers that ask."""

from __future__ import annotations

from collections.abc import Callable

from etl.shapes.forms.base import Found, Record, sure
from etl.shapes.forms.labelled import labelled_below_a_title
from etl.shapes.forms.markdown import ASKS, Section, asking
from etl.shapes.forms.word_blocks import BOLD, LISTED, Block, blocks_of
from etl.shapes.forms.xml_tree import Node

IsPairs = Callable[[Found], bool]


def word(root: Node, styles: Node | None, *, is_pairs: IsPairs) -> list[Found]:
    """Each table of pairs, which `is_pairs` tells by its columns, and the paragraphs around where they are pairs."""
    blocks = list(blocks_of(root, styles))
    tables = {block.place: found for block in blocks if (found := _table(block, is_pairs)) is not None}
    rest = [block for block in blocks if block.rows is None or block.place not in tables]
    around = _labelled(rest) or _headings(rest)
    return [*tables.values(), *([around] if around else [])]


def _table(block: Block, is_pairs: IsPairs) -> Found | None:
    """A table of two columns of which the first one asks, or one whose columns are known as those of a sheet are."""
    rows = block.rows or []
    if len(rows) < 2 or len(rows[0]) < 2:
        return None
    if all(len(row) == 2 for row in rows) and _asked(rows, 0) >= 0.8 and _asked(rows, 1) <= 0.2:
        mapping = sure("a table whose first column asks", question="column_1", answer="column_2")
        return Found("docx", "document_table", _records(block.place, ["column_1", "column_2"], rows, 1), mapping)
    header = [cell.strip() for cell in rows[0]]
    records = _records(block.place, header, rows[1:], 2)
    found = Found("docx", "document_table", records)
    return found if records and all(header) and len(set(header)) == len(header) and is_pairs(found) else None


def _records(table: int, header: list[str], rows: list[list[str]], first: int) -> list[Record]:
    """Rows that are not blank."""
    return [
        Record(f"table:{table}/row:{n}", dict(zip(header, row, strict=False)), "\n".join(row))
        for n, row in enumerate(rows, first)
        if any(cell.strip() for cell in row)
    ]


def _asked(rows: list[list[str]], column: int) -> float:
    return sum(row[column].endswith(ASKS) for row in rows) / len(rows)


def _labelled(blocks: list[Block]) -> Found | None:
    """Paragraphs that begin with `Q:` and `A:`."""
    lines, places = [], []
    for block in blocks:
        for line in block.text.split("\n"):
            lines.append(line)
            places.append(f"paragraph:{block.place}" if block.rows is None else f"table:{block.place}")
    found = labelled_below_a_title("\n".join(line.replace("\r", " ") for line in lines))
    if not isinstance(found, Found):
        return None
    found.container = "docx"
    found.records = [one._replace(position=_place(one.position, places)) for one in found.records]
    found.rejects = [one._replace(position=_place(one.position, places)) for one in found.rejects]
    return found


def _place(line: str, places: list[str]) -> str:
    """The paragraph of a line; a second record of one paragraph is told apart by its line."""
    number = int(line.removeprefix("line:")) - 1
    first = places.index(places[number])
    return places[number] if first == number else f"{places[number]}/line:{number - first + 1}"


def _headings(blocks: list[Block]) -> Found | None:
    """Headings that ask; where none do, paragraphs that do and are bold, or numbered."""
    for deepest in (BOLD - 1, BOLD, LISTED):
        sections: list[Section] = []
        for block in blocks:
            if 0 < block.level <= deepest and block.text.strip():
                sections.append(Section(block.place, block.level, " ".join(block.text.split()), [block.text]))
            elif sections:
                sections[-1].lines.append(block.text)
        if found := asking(sections, "docx", "paragraph"):
            return found
    return None
