"""A JSON tree in, its records out: arrays, wrapped and nested lists, dicts keyed by id or by topic, SQuAD.

A *class* is a path with list places and keyed members left open: `data/[]/paragraphs/[]/qas/[]`. The classes
whose objects look like pairs are found first, on samples; then the whole tree is walked, and what stands around a
record is inherited by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from etl.detect.format import Refusal
from etl.detect.names import ENVELOPES, NAMES, known, plain
from etl.detect.outline import SAMPLE, Outline
from etl.shapes.base import Inherited, Match
from etl.shapes.values import as_name, as_sources, as_text

Path = tuple[str, ...]
ITEM, KEYED = "[]", "{}"
_DEPTH = 16  # steps; the deepest known shape (SQuAD) needs six, and senders wrap it in more
_CONTAINERS = frozenset(
    {
        "articles", "categories", "content", "data", "dataset", "dev", "entries", "examples", "faq", "faqs",
        "indicators", "instances", "intents", "items", "list", "pairs", "paragraphs", "qa", "qapairs", "qas",
        "questions", "records", "results", "rows", "test", "topics", "train", "validation",
    }
)  # fmt: skip
_ID = re.compile(r"[\d.:_-]+|[0-9a-fA-F-]{8,}|[A-Za-z]{0,12}[_\-. #]?\d+")
_CONTAINER_WORD = re.compile("pairs|questions|answers|faqs?$|qas?$|records|items|entries|examples|dataset")
_AROUND = ("indicator", "category", "context", "licence", "source_session", "sources")


@dataclass(slots=True)
class Leaf:
    """A record, where it stood (JSON pointer), what stands around it and the class whose match reads it."""

    pointer: str
    record: Any
    inherited: Inherited
    kind: Path


@dataclass(slots=True)
class Plan:
    """Which classes are pairs, how to read each, and which steps lead to them from the classes above."""

    matches: dict[Path, Match]
    steps: dict[Path, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in self.matches:
            for i, step in enumerate(kind):
                self.steps.setdefault(kind[:i], set()).add(step)

    def leads(self, kind: Path) -> bool:
        """There are records of this class or below it."""
        return kind in self.matches or kind in self.steps

    @property
    def shape(self) -> str:
        """The name of the whole: that of the nesting where there is one, else that of the records."""
        kind, match = max(self.matches.items(), key=lambda pair: len(pair[0]))
        names = {plain(step) for step in kind}
        if {"qas", "paragraphs"} <= names:
            return "squad"
        if match.shape != "flat":
            return match.shape
        if "qas" in names and plain(match.mapping.fields["question"]) == "querytext":
            return "cmrc"
        if KEYED in kind:
            return "keyed"
        return "nested" if kind.count(ITEM) > 1 or names & {"qapairs", "qas", "pairs"} else "flat"


def plan(tree: Any, recognise: Callable[[Outline], Match | Refusal | None]) -> Plan | Refusal | None:
    """Find the classes that hold pairs. A class that is refused by name (a chat, a preference set) refuses what is
    below it too; if nothing matches, the refusal of the largest class stands for all."""
    classes: dict[Path, list[dict[str, Any]]] = {}
    _sample(tree, (), classes)
    matches: dict[Path, Match] = {}
    refusals: list[tuple[int, Refusal]] = []
    barred: list[Path] = []
    for kind in sorted(classes, key=lambda kind: (len(kind), kind)):
        if any(kind[: len(above)] == above for above in barred):
            continue
        if kind == () and sum(map(is_id, classes[kind][0])) > 0.8 * len(classes[kind][0]):
            continue  # keyed by id: the keys of a single object are no columns
        found = recognise(Outline.of(classes[kind]))
        if isinstance(found, Match):
            matches[kind] = found
            if found.whole:
                barred.append(kind)
        elif found is not None:
            refusals.append((len(classes[kind]), found))
            if found.whole or (found.reason == "unsupported_shape" and _has_lists(classes[kind])):
                barred.append(kind)
    if matches:
        return Plan(matches)
    return max(refusals, key=lambda pair: pair[0])[1] if refusals else None


def _has_lists(objects: list[dict[str, Any]]) -> bool:
    return any(isinstance(value, (list, dict)) for record in objects[:50] for value in record.values())


def _sample(node: Any, kind: Path, classes: dict[Path, list[dict[str, Any]]]) -> None:
    if len(kind) > _DEPTH or len(classes) > 500:
        return
    if isinstance(node, list):
        step = max(1, len(node) // SAMPLE) if kind == () else 1
        for item in node[::step][:SAMPLE]:
            if isinstance(item, (dict, list)):
                _sample(item, (*kind, ITEM), classes)
    elif isinstance(node, dict):
        same = classes.setdefault(kind, [])
        if len(same) >= SAMPLE:
            return
        same.append(node)
        keyed = is_keyed(node)
        for name, value in list(node.items())[:SAMPLE]:
            if isinstance(value, (dict, list)):
                _sample(value, (*kind, KEYED if keyed else name), classes)


def is_keyed(node: dict[str, Any]) -> bool:
    """A dict from ids or topics to records: its values are objects, or lists, and its keys are not names of fields.
    A few settings may stand among them."""
    kinds = {type(value) for value in node.values()} & {dict, list}
    inner = sum(isinstance(value, (dict, list)) for value in node.values())
    if len(kinds) != 1 or (inner < len(node) and (inner < 2 or inner < 0.5 * len(node))):
        return False
    fields = sum(_is_field(plain(name)) for name, value in node.items() if isinstance(value, (dict, list)))
    return fields <= 0.2 * inner


def _is_field(name: str) -> bool:
    known_name = name in _CONTAINERS or name in ENVELOPES or any(name in table for table in NAMES.values())
    return known_name or _CONTAINER_WORD.search(name) is not None


def leaves(tree: Any, found: Plan) -> Iterator[Leaf]:
    """Every record of the tree in order. Elements of a list of records that are none come as they are."""
    return _walk(tree, (), "", Inherited(), found)


def _walk(node: Any, kind: Path, pointer: str, around: Inherited, found: Plan) -> Iterator[Leaf]:
    match = found.matches.get(kind)
    if isinstance(node, dict):
        below: list[Leaf] = []
        if kind in found.steps and not (match and _has_pair(node, match)):
            below = list(_below(node, kind, pointer, around, found))
        if below:
            yield from below
        elif match is not None or (kind and kind[-1] in (ITEM, KEYED) and not _is_empty(node, found.steps[kind])):
            yield Leaf(pointer or "/", node, around, kind if match else next(iter(found.matches)))
    elif isinstance(node, list) and found.leads((*kind, ITEM)):
        for i, item in enumerate(node):
            yield from _walk(item, (*kind, ITEM), f"{pointer}/{i}", around, found)
    elif kind and kind[-1] == ITEM:
        yield Leaf(pointer, node, around, kind if match else next(iter(found.matches)))


def _below(node: dict[str, Any], kind: Path, pointer: str, around: Inherited, found: Plan) -> Iterator[Leaf]:
    keyed, steps = is_keyed(node), found.steps[kind]
    inner = around if keyed else _inherit(node, steps, around, topic=bool(kind))
    for name, value in node.items():
        if (KEYED if keyed else name) not in steps or not isinstance(value, (dict, list)):
            continue
        escaped = name.replace("~", "~0").replace("/", "~1").replace("#", "%23")
        given = _keyed(name, inner) if keyed else inner
        yield from _walk(value, (*kind, KEYED if keyed else name), f"{pointer}/{escaped}", given, found)


def _has_pair(node: dict[str, Any], match: Match) -> bool:
    """A record of its own, even if a list that might hold records stands in it."""
    return match.mapping.fields["question"] in node or match.mapping.fields["answer"] in node


def _is_empty(node: dict[str, Any], steps: set[str]) -> bool:
    """An object whose list of records is there and empty: it gives nothing and loses nothing."""
    return not node or any(node.get(step, 0) in ([], {}) for step in steps)


def is_id(key: str) -> bool:
    """A number, a hexadecimal id, or a short word with a number behind it; everything else names something."""
    return _ID.fullmatch(key) is not None


def _keyed(key: str, around: Inherited) -> Inherited:
    """A key is an id, or else the name of the topic; of two nested ones the outer is the category."""
    fields, derived = dict(around.fields), list(around.derived)
    if is_id(key) or ("indicator" in fields and ("indicator" not in derived or "category" in fields)):
        return Inherited(fields, around.metadata | {"key": key}, derived)
    if "indicator" in fields:
        fields["category"] = fields["indicator"]
        derived.append("category")
    return Inherited(fields | {"indicator": key}, dict(around.metadata), sorted({*derived, "indicator"}))


def _inherit(node: dict[str, Any], steps: set[str], around: Inherited, *, topic: bool) -> Inherited:
    """What an object says about all the records below it. With `topic`, its `name` or `title` names their topic."""
    flat = {name: value for name, value in node.items() if name not in steps}
    for name in [name for name in flat if plain(name) in ENVELOPES and isinstance(flat[name], dict)]:
        flat = {key: value for key, value in flat.pop(name).items() if key not in flat} | flat
    fields, used = dict(around.fields), set()
    for ours in _AROUND:
        names = [name for _, name in known(ours, flat)]
        if ours == "indicator" and topic:
            names += [name for name in flat if plain(name) in ("name", "title")]
        if ours == "category" and not names and isinstance(about := flat.get("indicator"), dict):
            flat, names = flat | {"category": about.get("category")}, ["category"]
        for name in names if ours == "sources" else names[:1]:
            value = _around(ours, flat[name])
            used.add(name)
            if value:
                fields[ours] = [*fields.get(ours, []), *value] if isinstance(value, list) else value
    rest = {name: value for name, value in flat.items() if name not in used and value is not None and value != ""}
    derived = [name for name in around.derived if fields.get(name) == around.fields.get(name)]
    return Inherited(fields, around.metadata | rest, derived)


def _around(ours: str, value: Any) -> str | list[str] | None:
    if ours == "sources":
        return as_sources(value)
    return as_text(value) if ours == "context" else as_name(value)
