"""One raw value of a record in, texts out: answers that are lists, dicts or numbers, sources of every kind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from etl.detect.strict_json import BrokenJsonError, parse, text_of

_TEXT_MEMBERS = ("text", "answer", "value", "content", "answer_text", "question")
_NAME_MEMBERS = ("name", "indicator", "title", "label", "text", "id")
_ADDRESS_MEMBERS = ("url", "link", "href", "uri", "doi", "source", "title", "name", "text", "citation", "reference")
_ADDRESSES = re.compile(r"(?:https?://\S+?)(?:[\s,;]+(?=https?://)|\s*$)")


def as_text(value: Any) -> str | None:
    """A text stays as it is; a number or boolean becomes its JSON text; null and empty objects are nothing."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        if not value:
            return None
        inner = next((value[name] for name in _TEXT_MEMBERS if value.get(name) is not None), None)
        return text_of(value) if inner is None or isinstance(inner, (dict, list)) else as_text(inner)
    return text_of(value) if isinstance(value, (list, bool, int, float, msgspec.Raw)) else str(value)


def as_texts(value: Any) -> list[str]:
    """All texts of a value, in order: the items of a list, the `text` list of a dict, or just the one."""
    if isinstance(value, dict):
        inner = next((value[name] for name in _TEXT_MEMBERS if isinstance(value.get(name), list)), None)
        value = value if inner is None else inner
    items = value if isinstance(value, list) else [value]
    return [text for item in items if (text := as_text(item)) is not None]


def first_and_others(texts: Iterable[str]) -> tuple[str | None, list[str]]:
    """The first text that is not blank, and the other distinct ones; a blank one only if there is nothing else."""
    texts = list(texts)
    distinct = list(dict.fromkeys(text for text in texts if text.strip()))
    if not distinct:
        return (texts[0] if texts else None), []
    return distinct[0], distinct[1:]


def as_name(value: Any) -> str | None:
    """The name of a topic or category, trimmed; of an object its name; of a list its first item. Blank is nothing."""
    if type(value) is str:
        return value.strip() or None
    if isinstance(value, dict):
        value = next((value[name] for name in _NAME_MEMBERS if value.get(name) is not None), None)
    if isinstance(value, list):
        value = value[0] if value else None
    text = as_text(value)
    return text.strip() or None if text is not None else None


def as_sources(value: Any) -> list[str]:
    """Distinct sources in order, trimmed. A text with nothing but addresses in it is as many sources."""
    if isinstance(value, str):
        text = value.strip()
        if text[:1] in ("[", "{") and isinstance(inner := _json_or_none(text), (list, dict)):
            return as_sources(inner)  # a list that a table could only hold as text
        if text.count("://") > 1 and (found := _ADDRESSES.findall(text)) and "".join(found) == text:
            return list(dict.fromkeys(part.strip(" ,;\t\r\n") for part in found))
        return [text] if text else []
    if isinstance(value, list):
        if len(value) == 1:
            return as_sources(value[0])
        return list(dict.fromkeys(source for item in value for source in as_sources(item)))
    if isinstance(value, dict):
        known = next((value[name] for name in _ADDRESS_MEMBERS if value.get(name)), None)
        return as_sources(known) if known is not None else as_sources(list(value.values()))
    text_or_none = as_text(value)
    return [text_or_none] if text_or_none is not None else []


def _json_or_none(text: str) -> Any:
    try:
        return parse(text.encode("utf-8"))
    except BrokenJsonError:
        return None


def says_more_than_text(value: Any) -> bool:
    """An object, or a list with objects in it: its other members are worth keeping."""
    if type(value) is list:
        return any(type(item) is dict or type(item) is list for item in value)
    return isinstance(value, dict)
