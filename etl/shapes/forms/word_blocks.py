"""The XML of a Word document in, its paragraphs and tables in their order out.

What a reader does not see is left out: hidden and deleted text. Inserted text, content controls and text boxes count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from etl.shapes.forms.markdown import ASKS
from etl.shapes.forms.xml_tree import Node

_UNSEEN = frozenset({"del", "moveFrom", "Fallback", "instrText", "delText", "pPr", "rPr", "tblPr", "sectPr"})
_WRAPPERS = frozenset({"sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag"})
_MARKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_NUMBERED = re.compile(r"\s*(?:Q(?:uestion)?\s{0,4})?#?\d{1,4}[.):]\s*\S", re.IGNORECASE)
BOLD, LISTED = 20, 21  # levels below any heading
_NUMBERS = -1  # a style of numbered paragraphs


class Block(NamedTuple):
    """A paragraph, or a table with its rows. `place` counts paragraphs, or tables, from 1; level 0 is running text."""

    place: int
    text: str
    level: int = 0
    rows: list[list[str]] | None = None


def blocks_of(root: Node, styles: Node | None) -> Iterator[Block]:
    """What stands in the body. Headings have their level, and so has text that asks where it is bold or numbered."""
    levels = _levels(styles)
    paragraphs = tables = 0
    body = next((child for child in root.elements if child.name == "body"), root)
    for node in _unwrapped(body):
        if node.name == "p":
            paragraphs += 1
            yield Block(paragraphs, _text(node), _level(node, levels))
        elif node.name == "tbl":
            tables += 1
            rows = [[_cell(cell) for cell in _unwrapped(row) if cell.name == "tc"] for row in _unwrapped(node)]
            rows = [row for row in rows if row]
            yield Block(tables, "\n".join(" | ".join(row) for row in rows), 0, rows)


def _unwrapped(node: Node) -> Iterator[Node]:
    """The child elements, those inside content controls and insertions among them."""
    for child in node.elements:
        if child.name in _WRAPPERS:
            yield from _unwrapped(child)
        elif child.name not in _UNSEEN:
            yield child


def _text(node: Node) -> str:
    if node.name == "t":
        return node.own_text
    if node.name in _UNSEEN or (node.name == "r" and _has(node, "vanish")):
        return ""
    text = "".join(map(_text, node.elements))
    return _MARKS.get(node.name, text) + ("\n" if node.name == "txbxContent" else "")


def _cell(node: Node) -> str:
    return "\n".join(text for child in _unwrapped(node) if (text := _text(child).strip()))


def _properties(node: Node) -> list[Node]:
    return [inner for child in node.elements if child.name in ("pPr", "rPr") for inner in child.elements]


def _has(node: Node, name: str) -> bool:
    """Whether a property is there and not switched off."""
    return any(one.name == name and one.attributes.get("val", "1") not in ("0", "false") for one in _properties(node))


def _level(node: Node, levels: dict[str, int]) -> int:
    """That of its style; of running text that asks, whether it is bold or a numbered item."""
    given = {one.name: one.attributes.get("val", "") for one in _properties(node)}
    level = levels.get(given.get("pStyle", ""), 0)
    if level > 0:
        return level
    text = _text(node).strip()
    if not text.endswith(ASKS):
        return 0
    runs = [run for run in node.walk() if run.name == "r" and _text(run).strip()]
    if runs and all(_has(run, "b") for run in runs):
        return BOLD
    return LISTED if level == _NUMBERS or "numPr" in given or _NUMBERED.match(text) else 0


def _levels(styles: Node | None) -> dict[str, int]:
    """The level of each style by its id: 1 for the title, 2 and more for headings, _NUMBERS for numbered items."""
    found = {}
    for style in styles.elements if styles else []:
        names = [child.attributes.get("val", "") for child in style.elements if child.name == "name"]
        heading = _HEADING.fullmatch(names[0]) if names else None
        if heading or (names and names[0].lower() == "title"):
            found[style.attributes.get("styleId", "")] = int(heading.group(1)) + 1 if heading else 1
        elif _has(style, "numPr"):
            found[style.attributes.get("styleId", "")] = _NUMBERS
    return found
