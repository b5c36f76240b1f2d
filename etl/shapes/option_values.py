"""The values of multiple choice in: lists of options in every layout, keys that point at one. Texts out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from etl.detect.names import plain
from etl.detect.strict_json import BrokenJsonError, parse, text_of
from etl.shapes.values import as_text

_MOST = 26


class Option(NamedTuple):
    """The sender's label of an option, where there is one, and its text."""

    label: str | None
    text: str


def listed(value: Any) -> list[Option]:
    """The options of a list of texts or objects, of `{text: [...], label: [...]}`, or of a dict from label to text."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            value = parse(value.encode("utf-8"))  # a list that a table could only hold as text
        except (BrokenJsonError, UnicodeEncodeError):
            return []
    if isinstance(value, dict):
        texts, labels = value.get("text"), value.get("label")
        if isinstance(texts, list):
            names = labels if isinstance(labels, list) and len(labels) == len(texts) else [None] * len(texts)
            return [Option(as_text(name), as_text(text) or "") for name, text in zip(names, texts, strict=True)]
        return [Option(name, as_text(text) or "") for name, text in value.items()]
    if not isinstance(value, list):
        return []
    return [_option(item) for item in value]


def _option(item: Any) -> Option:
    if isinstance(item, dict):
        label = next((item[name] for name in ("label", "key", "id", "para_id") if item.get(name) is not None), None)
        return Option(as_text(label), as_text(item) or "")
    return Option(None, as_text(item) or "")


def points(values: Iterable[Any]) -> bool:
    """Numbers, single letters or names of options: they answer nothing by themselves. Four in five must."""
    found = [_plain(value) for value in values if value is not None and value != ""]
    return bool(found) and sum(map(_is_pointer, found)) > 0.8 * len(found)


def _is_pointer(text: str) -> bool:
    return len(text) == 1 or (len(text) == 2 and text.isdigit()) or plain(text)[:-1] in ("option", "choice", "answer")


def _plain(value: Any) -> str:
    return value.strip(" ().[]\n") if isinstance(value, str) else text_of(value)


def counted_from(sample: Sequence[tuple[list[Option], Any]], names: Sequence[int | None]) -> int | None:
    """0 or 1, or None where nothing tells. Letters and labels need no counting (0). `names` are the digits in names
    of option columns: what they begin with is what keys begin with, unless the keys say otherwise."""
    numbers = []
    for options, key in sample:
        text = _plain(key)
        if text.isascii() and text.isdigit() and not any(option.label == text for option in options):
            numbers.append((int(text), len(options)))
    if not numbers:
        return 0
    if any(number == 0 for number, _ in numbers):
        return 0 if sum(number >= count for number, count in numbers) <= 0.05 * len(numbers) else None
    if any(number == count for number, count in numbers):
        return 1
    return names[0] if names and names[0] in (0, 1) else None


def chosen(key: Any, options: Sequence[Option], base: int, columns: Sequence[str]) -> str | None:
    """The text of the option that a key names; of several keys the texts in one. None where it names none."""
    if isinstance(key, list):
        texts = [chosen(one, options, base, columns) for one in key]
        return "; ".join(text for text in texts if text) if texts and all(texts) else None
    if isinstance(key, (dict, bool)) or key is None or len(options) > _MOST:
        return None
    text = _plain(key)
    place = next((i for i, option in enumerate(options) if option.label and _plain(option.label) == text), None)
    if place is None and text.isascii() and text.isdigit():
        place = int(text) - base
    elif place is None and len(text) == 1 and text.isascii() and text.isalpha():
        place = ord(text.lower()) - ord("a")
    elif place is None:
        place = next((i for i, name in enumerate(columns) if plain(name) == plain(text)), None)
    if place is None:
        return text if any(option.text.strip() == text for option in options) else None
    return (options[place].text.strip() or None) if 0 <= place < len(options) else None
