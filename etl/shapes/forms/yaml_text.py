"""YAML text in, a tree out that is read as JSON is, or the conversations of a ChatterBot corpus.

Every scalar stays the text that it was written as (`no` is an answer, 1.10 keeps its digits), so nothing is ever
constructed but texts, lists and dicts; what aliases unfold to is limited.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from etl.detect.format import Refusal
from etl.shapes.base import Inherited, Reject, shorten
from etl.shapes.forms.base import Answer, Found, Record, Tree, lines_of, sure

_FIRST = re.compile(r"---\s*$|%YAML |[\w\"][\w \".-]{0,60}:\s*(?:#.*)?$|\s*- +(?:- |[\w\"][\w \".-]{0,60}:(?:\s|$))")
_KEY = re.compile(r"\s*(?:- +)*[\w\"][\w \".-]{0,60}:(?:\s|$)")
_ITEM = re.compile(r"\s*- ")
_NESTS = re.compile(r"\s*- +(?:- |[\w\"][\w \".-]{0,60}:(?:\s|$))|\s*[\w\"][\w \".-]{0,60}:\s*$")
_CHARACTERS = 64 * 1024 * 1024
_DEPTH = 60  # the deepest known delivery needs six
_NODES = 5_000_000  # after aliases are unfolded
_Base: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Loader(_Base):  # type: ignore[misc]  # which of the two it is, is known only when it runs
    """Texts, lists and dicts only, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = super().construct_mapping(node, deep=deep)
        if len(found) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
        return {"" if key is None else key: value for key, value in found.items()}

    def construct_scalar(self, node: yaml.ScalarNode) -> str | None:
        """Libyaml gives plain scalars the style '', the Python loader None."""
        return None if not node.style and node.value in ("", "~", "null") else str(node.value)


def _load(text: str) -> Any:
    """The tree. Its depth is looked at first, on events: the composer recurses, a line of dashes killed it."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH:
            raise ValueError(f"more than {_DEPTH} collections inside each other")
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - the base loader constructs nothing but texts


def load(text: str) -> Any:
    """The tree of a small YAML text, or None where it is broken."""
    try:
        tree = _load(text)
    except (yaml.YAMLError, ValueError, TypeError):
        return None
    return tree if _size(tree, {}) <= _NODES else None


def yaml_text(text: str) -> Answer:
    """Read YAML that is made of keys and items; None for text that has none of the marks."""
    sure_of_it = _looks_like(text)
    if sure_of_it is None:
        return None
    if len(text) > _CHARACTERS:
        return Refusal("file_too_large", f"{len(text):,} characters of YAML, {_CHARACTERS:,} are allowed")
    try:
        tree = _load(text)
    except yaml.YAMLError as error:
        return _broken(error) if sure_of_it else None
    except (ValueError, TypeError) as error:
        return Refusal("broken_yaml", str(error)[:200]) if sure_of_it else None
    if not isinstance(tree, (dict, list)):
        return None
    if _size(tree, {}) > _NODES:
        return Refusal("unsafe_yaml", f"aliases unfold to more than {_NODES:,} values")
    return _conversations(tree) or Tree("yaml", tree)


def _looks_like(text: str) -> bool | None:
    """True for text that begins as YAML does, False for keys with values and something nested below, else None."""
    head = text[:200_000]
    if re.match(r"---[ \t]*\r?\n", head) and re.search(r"\n---[ \t]*\r?\n\s*\S", head):
        return None  # front matter, or several documents in one
    lines = [line for line in lines_of(head) if line.strip() and not line.lstrip().startswith("#")]
    marks = sum(bool(_ITEM.match(line) or _KEY.match(line)) for line in lines)
    if marks < max(2, 0.05 * len(lines)) or not any(map(_NESTS.match, lines)):
        return None
    return True if _FIRST.match(lines[0]) else False if _KEY.match(lines[0]) else None


def _broken(error: yaml.YAMLError) -> Refusal:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return Refusal("broken_yaml", f"begins as YAML does, but {where}{getattr(error, 'problem', None) or error}"[:300])


def _size(node: Any, known: dict[int, int]) -> int:
    """How many values a tree has once every alias stands for a copy."""
    if not isinstance(node, (dict, list)):
        return 1
    if id(node) not in known:
        inner = node.values() if isinstance(node, dict) else node
        known[id(node)] = 1 + sum(_size(value, known) for value in inner)
    return known[id(node)]


def _conversations(tree: Any) -> Found | None:
    """A list of lists of turns. The first answers the second; further ones are answers in some files and turns in
    others, so they stay in the metadata."""
    given = tree.get("conversations") if isinstance(tree, dict) else None
    if not isinstance(given, list) or sum(isinstance(turns, list) for turns in given) <= 0.5 * len(given):
        return None
    records, rejects = [], []
    for i, turns in enumerate(given):
        place, texts = f"/conversations/{i}", [_text(turn) for turn in turns] if isinstance(turns, list) else []
        if not isinstance(turns, list):
            rejects.append(Reject(place, "malformed_record", "no list of turns", shorten(turns)))
        elif len(turns) < 2:
            rejects.append(Reject(place, "no_answer", "a single turn", shorten(turns)))
        else:
            values: dict[str, Any] = {"[0]": texts[0], "[1]": texts[1]}
            values |= {"further": texts[2:]} if texts[2:] else {}
            records.append(Record(place, values, "\n".join(text or "" for text in texts)))
    topics = tree.get("categories")
    names = [name for name in topics if isinstance(name, str)] if isinstance(topics, list) else []
    rest = {key: value for key, value in tree.items() if key not in ("conversations", "categories") and value}
    around = Inherited({"category": names[0]} if names else {}, rest | ({"categories": names} if names[1:] else {}))
    mapping = sure("a list of lists of turns under 'conversations'", question="[0]", answer="[1]")
    return Found("yaml", "conversations", records, mapping, [around] * len(records), rejects)


def _text(turn: Any) -> str | None:
    """A turn that holds a colon is a mapping to YAML: the text it was written as."""
    if isinstance(turn, dict) and len(turn) == 1 and all(isinstance(value, str) for value in turn.values()):
        return next(f"{key}: {value}" for key, value in turn.items())
    return turn if turn is None or isinstance(turn, str) else shorten(turn)
