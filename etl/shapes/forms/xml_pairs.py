"""An XML tree in, its pairs out: elements with a question and an answer in them, whatever they are called.

MedQuAD is the best known: `QAPair` with `Question` and `Answer`, the `Focus` and the address of the page around them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from etl.detect.names import LABELS, NAMES, known, plain
from etl.shapes.base import Inherited
from etl.shapes.forms.base import Found, Record
from etl.shapes.forms.xml_tree import Node
from etl.shapes.values import as_name, as_sources, as_text

_SURE = 0.8
_WRONG = frozenset({"0", "false", "no", "n", "incorrect", "wrong", "bad"})
_AROUND = ("indicator", "category", "context", "licence", "source_session", "sources")


def pairs(root: Node) -> Found | None:
    """The records of the commonest element that holds a question and an answer; None if there is none."""
    kinds = Counter(node.name for node in root.walk() if _holds_both(node))
    if not kinds:
        return _nothing_in(root)
    name = kinds.most_common(1)[0][0]
    records: list[Record] = []
    inherited: list[Inherited] = []
    number = 0
    stack = [(root, Inherited())]
    while stack:
        node, around = stack.pop()
        if node.name == name:
            number += 1
            records.append(Record(f"/{name}[{number}]", values := _values(node), repr(sorted(values.items()))))
            inherited.append(around)
            continue
        inner = _inherit(node, name, around) if node.content else around
        stack += [(child, inner) for child in reversed(node.elements)]
    category = next((key for record in records for key in record.values if key.endswith("@qtype")), None)
    shape = "medquad" if name.lower() == "qapair" else "xml_pairs"
    return Found("xml", shape, records, None, inherited, also={"category": category} if category else {})


def _nothing_in(root: Node) -> Found | None:
    """A list of pairs that is there and empty gives no records, which is not the same as no such list."""
    empty = any(node.name.lower() == "qapairs" and not node.elements for node in root.walk())
    return Found("xml", "medquad", []) if empty else None


def _names(node: Node) -> list[str]:
    return [*node.attributes, *(child.name for child in node.elements)]


def _holds_both(node: Node) -> bool:
    names = {plain(name) for name in _names(node)}
    return _known("question", names) and _known("answer", names)


def _known(ours: str, names: set[str]) -> bool:
    return any(NAMES[ours].get(name, 0) >= _SURE for name in names)


def _values(node: Node) -> dict[str, Any]:
    """Attributes and child elements by name; an element that comes more than once is a list."""
    values: dict[str, Any] = dict(node.attributes)
    for child in node.elements:
        wrong = next((v for k, v in child.attributes.items() if plain(k) in LABELS and v.lower() in _WRONG), None)
        name = child.name if wrong is None else f"wrong {child.name}"
        given = _value(child)
        if name in values:
            old = values[name]
            values[name] = [
                *(old if isinstance(old, list) else [old]),
                *(given if isinstance(given, list) else [given]),
            ]
        else:
            values[name] = given
            values |= {f"{child.name}@{key}": value for key, value in child.attributes.items()}
    return values


def _value(node: Node) -> str | list[str]:
    """The text, or the texts of a list of answers (`<answers><answer>`)."""
    inner = node.elements
    if len(inner) > 1 and len({child.name for child in inner}) == 1 and known("answer", [inner[0].name]):
        return [child.text() for child in inner]
    return node.text()


def _inherit(node: Node, record: str, around: Inherited) -> Inherited:
    """What an element says about the records below it; what is no field of ours is metadata."""
    told: dict[str, Any] = dict(node.attributes)
    for child in node.elements:
        if all(below.name != record for below in child.walk()) and (value := _tree(child)):
            told.setdefault(child.name, value)
    if not told:
        return around
    fields, used = dict(around.fields), set()
    for ours in _AROUND:
        for _, theirs in known(ours, told)[:1]:
            read = {"sources": as_sources, "context": as_text}.get(ours, as_name)
            if isinstance(told[theirs], str) and (value := read(told[theirs])):
                fields[ours] = value
                used.add(theirs)
    rest = {key: value for key, value in told.items() if key not in used}
    return Inherited(fields, around.metadata | rest, list(around.derived))


def _tree(node: Node) -> Any:
    """An element as metadata: its text, or its child elements by name."""
    if not node.elements:
        return node.own_text.strip()
    return {child.name: value for child in node.elements if (value := _tree(child))}
