"""Questions with several answers or wordings beside each other in, one pair each out: `answer1` to `answer5` with
`NONE`, answers joined by semicolons, patterns and responses of a chat bot."""

from __future__ import annotations

import re

from etl.detect.mapping import Mapping, by_names
from etl.detect.names import plain
from etl.detect.outline import Column, Outline
from etl.shapes.base import Batch, Match
from etl.shapes.chat import around, without

_NUMBERED = re.compile(r"(?:correct|acceptable|ground)?(?:answer|response|ans)s?\d{1,2}")
_NOTHING = frozenset({"none", "n/a", "null", "-", ""})
_JOINED_SHARE, _JOINED_LENGTH = 0.3, 40.0  # of the values; mean characters of a part: names and numbers, no sentences


def recognise_numbered(outline: Outline) -> Match | None:
    """Two or more numbered answers and no column that is the answer."""
    names = [name for name in outline.columns if "." not in name and _NUMBERED.fullmatch(plain(name))]
    named = by_names(outline)
    if len(names) < 2 or "question" not in named.fields or outline.find("answer", "answers", "correctanswer", "label"):
        return None
    fields = {"question": named.fields["question"], "answer": f"{names[0]} to {names[-1]}"} | around(outline)
    evidence = (f"acceptable answers under {', '.join(map(repr, names))}",)
    return Match("numbered_answers", Mapping(fields, 0.9, evidence), {"answers": names})


def prepare_numbered(batch: Batch, match: Match) -> Batch:
    """The answers of a record as one list. `NONE` fills up; a first answer "None" may be meant."""
    names, answer = match.details["answers"], match.mapping.fields["answer"]
    for i, record in enumerate(batch.records):
        if isinstance(record, dict):
            given = [record.get(name) for name in names]
            kept = [value for n, value in enumerate(given) if not _is_filler(value, first=n == 0)]
            batch.records[i] = without(record, *names) | {answer: kept}
    return batch


def _is_filler(value: object, *, first: bool) -> bool:
    if value is None or not isinstance(value, str):
        return value is None
    return value.strip() in ("NONE", "") if first else value.strip().casefold() in _NOTHING


def recognise_joined(outline: Outline) -> Match | None:
    """Short answers under a plural name, many of them several with semicolons between."""
    named = by_names(outline)
    if not named.is_sure or not plain(named.fields["answer"]).endswith("answers"):
        return None
    column = outline.columns[named.fields["answer"]]
    return Match("joined_answers", named) if _is_joined(column) else None


def _is_joined(column: Column) -> bool:
    texts = column.texts
    parts = [part for text in texts for part in split(text)]
    many = sum(";" in text for text in texts) >= max(_JOINED_SHARE * len(texts), 1)
    return column.is_text and many and sum(map(len, parts)) <= _JOINED_LENGTH * max(len(parts), 1)


def prepare_joined(batch: Batch, match: Match) -> Batch:
    """Texts with semicolons as lists; the first is the answer, the others are acceptable as well."""
    name = match.mapping.fields["answer"]
    for i, record in enumerate(batch.records):
        if isinstance(record, dict) and isinstance(given := record.get(name), str) and ";" in given:
            batch.records[i] = record | {name: split(given) or [""]}
    return batch


def split(text: str) -> list[str]:
    """The parts between semicolons that are not blank, trimmed."""
    return [part.strip() for part in text.split(";") if part.strip()]


def recognise_intents(outline: Outline) -> Match | None:
    """Patterns and responses: the first pattern is the question, the others are other wordings of it."""
    patterns, responses = outline.find("patterns"), outline.find("responses")
    if patterns is None or responses is None or patterns.share(list) < 0.5:
        return None
    tag = outline.find("tag", "intent", "name")
    fields = {"question": patterns.name, "answer": responses.name} | ({"indicator": tag.name} if tag else {})
    return Match("intents", Mapping(fields, 1.0, ("patterns and responses of a chat bot",)), whole=True)
