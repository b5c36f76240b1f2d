"""Broken JSON in; the values that are whole before the break, with the open containers around them, out.

Whole values are parsed as strictly as any others. Only the containers that the break leaves open are gone through piece
by piece; each knows where it began, so that a record which was not whole can be given up altogether.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from etl.detect.strict_json import BrokenJsonError, parse

_DEEPEST = 64
_WHITE = " \t\r\n"
_SCAN = json.JSONDecoder().raw_decode  # finds the end of a value; what the value is `parse` says


@dataclass(slots=True)
class Open:
    """A list or an object that the break left open: where it begins, its whole members, the key of the open one."""

    start: int
    value: Any
    key: str | int | None = None


@dataclass(slots=True)
class Salvage:
    """`tree` holds what is whole. `spine` are the open containers from the root down; `end` is where the part that was
    taken ends (characters), `why` what broke."""

    tree: Any
    spine: list[Open]
    end: int
    why: str

    def give_up(self, depth: int) -> None:
        """Take the open container at this depth out of the tree: it is not whole."""
        gone, parent = self.spine[depth], self.spine[depth - 1].value
        del parent[self.spine[depth - 1].key]
        self.end = gone.start
        del self.spine[depth:]


def salvage(text: str, *, why: str) -> Salvage | None:
    """What is whole in a broken JSON text; None where nothing is, or where the text is not one list or object."""
    start = _white(text, 0)
    if text[start : start + 1] not in ("{", "["):
        return None
    try:
        _whole(text, start)
    except BrokenJsonError:
        spine: list[Open] = []
        end = _descend(text, start, spine)
        return Salvage(spine[0].value, spine, end, why)
    return _stream(text, start, why)


def _stream(text: str, start: int, why: str) -> Salvage | None:
    """A whole value with something behind it; where that is one object after the other, the whole ones as a list."""
    value, end = _whole(text, start)
    values, at = [value], _between(text, end)
    while text[at : at + 1] == "{":
        try:
            value, end = _whole(text, at)
        except BrokenJsonError:
            break
        values.append(value)
        at = _between(text, end)
    return Salvage(values[0] if len(values) == 1 else values, [], end, why)


def _between(text: str, at: int) -> int:
    at = _white(text, at)
    return _white(text, at + 1) if text[at : at + 1] == "," else at


def _descend(text: str, start: int, spine: list[Open]) -> int:
    """Follow the open containers down to the break; returns where the last whole piece ends."""
    is_list = text[start] == "["
    opened = Open(start, [] if is_list else {})
    spine.append(opened)
    at = end = start + 1
    while True:
        at = _white(text, at)
        key: str | int = len(opened.value) if is_list else ""
        if not is_list:
            name, at = _key(text, at)
            if name is None or name in opened.value:
                return end
            key = name
        try:
            value, at = _whole(text, at)
        except BrokenJsonError:
            if text[at : at + 1] not in ("{", "[") or len(spine) >= _DEEPEST:
                return end
            depth = len(spine)
            end = _descend(text, at, spine)
            opened.key = key
            _put(opened.value, key, spine[depth].value)
            return end
        if at == len(text) and text[at - 1] not in '"]}':
            return end  # a number that may have had more digits
        _put(opened.value, key, value)
        end = at
        at = _white(text, at)
        if text[at : at + 1] != ",":
            return end
        at += 1


def _put(container: Any, key: str | int, value: Any) -> None:
    if isinstance(container, list):
        container.append(value)
    else:
        container[key] = value


def _key(text: str, at: int) -> tuple[str | None, int]:
    """The name of a member and where its value begins; None where there is no whole name."""
    if text[at : at + 1] != '"':
        return None, at
    try:
        name, at = _whole(text, at)
    except BrokenJsonError:
        return None, at
    at = _white(text, at)
    return (name, _white(text, at + 1)) if text[at : at + 1] == ":" else (None, at)


def _whole(text: str, at: int) -> tuple[Any, int]:
    """The strict value that begins here and where it ends. Raises BrokenJsonError."""
    try:
        _, end = _SCAN(text, at)
    except (json.JSONDecodeError, RecursionError) as error:
        raise BrokenJsonError(str(error)) from None
    return parse(text[at:end].encode("utf-8")), end


def _white(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _WHITE:
        at += 1
    return at
