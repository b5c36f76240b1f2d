"""Multiple choice in, pairs out: the answer is the text of the right option, all options stay in the metadata."""

from __future__ import annotations

import re
from typing import Any

from etl.detect.format import Refusal
from etl.detect.mapping import Mapping, by_names
from etl.detect.names import known, plain
from etl.detect.outline import Column, Outline
from etl.shapes.base import Batch, Match
from etl.shapes.chat import around
from etl.shapes.option_values import Option, chosen, counted_from, listed, points
from etl.shapes.several import Row, Why, several

OPTIONS = ("options", "choices", "answerchoices", "answeroptions", "candidates", "choice", "endings")
_KEYS = ("answerkey", "label", "correctoption", "answeridx", "answerindex", "correctindex", "cop", "correct", "gold")
_LETTERED = re.compile(r"(?:option|choice|opt|op|answer|)([a-h])|(?:option|choice|opt)s?(\d)")
_STEMS = ("stem", "text", "question")


def recognise_options(outline: Outline) -> Match | Refusal | None:
    """Options beside the question, and an answer that is only the number or letter of one; an answer in words needs
    no options."""
    columns = [name for name in outline.columns if _LETTERED.fullmatch(plain(name)) and plain(name) != "a"]
    if any(plain(name) == "a" for name in outline.columns) and any(plain(name) == "b" for name in columns):
        columns.insert(0, next(name for name in outline.columns if plain(name) == "a"))
    headless = _without_header(outline)
    listed_in = outline.find(*OPTIONS)
    nested = _nested(outline)
    if not (headless or nested or listed_in or len(columns) >= 2):
        return None
    if headless:
        question, columns, key = headless
    else:
        found = nested or by_names(outline).fields.get("question")
        keys = _keys(outline, columns)
        pointing = next((column for column in keys[:1] if points(column.values)), None)
        if pointing is None and nested and not any(column.texts for column in keys):
            return Refusal("questions_only", "questions with options, and none says which is right", whole=True)
        if pointing is None or found is None:
            return None
        question, key = found, pointing
    if (column := outline.columns.get(question)) is not None and outline.rows >= 20 and column.variety < 0.1:
        return Refusal("unsupported_shape", f"multiple_choice: {question!r} holds the same few texts again and again")
    source = [] if nested or listed_in else columns
    details: dict[str, Any] = {"key": key.name, "columns": source, "question": question}
    details["options"] = None if source else (listed_in.name if listed_in else question.partition(".")[0])
    return _match(outline, details, key)


def _match(outline: Outline, details: dict[str, Any], key: Column) -> Match | Refusal:
    """Whether numbers count from 0 or from 1 is told by the sample, and by nothing else."""
    sample = _sample(outline, details)
    base = counted_from(sample, [_position(name) for name in details["columns"]])
    if base is None:
        return Refusal(
            "unsupported_shape", f"multiple_choice: cannot tell whether {key.name!r} counts options from 0 or from 1"
        )
    where = details["options"] or f"{details['columns'][0]} to {details['columns'][-1]}"
    fields = {"question": details["question"], "answer": f"{where}[{key.name}]"} | around(outline)
    context = by_names(outline).fields.get("context")
    fields |= {"context": context} if context else {}
    evidence = (f"options under {where!r}, {key.name!r} says which is right",)
    return Match("multiple_choice", Mapping(fields, 1.0, evidence), details | {"counted_from": base}, whole=True)


def _sample(outline: Outline, details: dict[str, Any]) -> list[tuple[list[Option], Any]]:
    """Options and key of the sampled records that have both."""
    keys = outline.columns[details["key"]].values
    if details["columns"]:
        count = len(details["columns"])
        return [([Option(None, "")] * count, key) for key in keys]
    values = outline.columns[details["options"]].values
    return [(listed(given), key) for given, key in zip(values, keys, strict=False)] if len(values) == len(keys) else []


def _position(name: str) -> int | None:
    """The digit of choice0 or option1."""
    found = _LETTERED.fullmatch(plain(name))
    return int(found.group(2)) if found and found.group(2) else None


def _nested(outline: Outline) -> str | None:
    """A question that is an object with its options: the name of its text."""
    column = outline.find("question")
    if column is None or column.share(dict) < 0.5:
        return None
    inner = Outline.of(column.values)
    stem = next((name for name in _STEMS if name in inner.columns), None)
    return f"{column.name}.{stem}" if stem and inner.find(*OPTIONS) else None


def _keys(outline: Outline, options: list[str]) -> list[Column]:
    """The columns that may say which option is right, best first."""
    names = [name for _, name in known("answer", outline.columns) if name not in options]
    names += [name for name in outline.columns if plain(name) in _KEYS and name not in names]
    found = [outline.columns[name] for name in names if outline.columns[name].values]
    return [column for column in found if not column.holds_objects]


def _without_header(outline: Outline) -> tuple[str, list[str], Column] | None:
    """A table without a header: a question, options, and letters in the last column."""
    names = list(outline.columns)
    if len(names) < 4 or any(name != f"column_{i}" for i, name in enumerate(names, 1)):
        return None
    last = outline.columns[names[-1]]
    letters = [text.strip() for text in last.texts]
    most = chr(ord("A") + len(names) - 3)
    fits = sum(len(text) == 1 and "A" <= text <= most for text in letters)
    if fits < 0.95 * outline.rows or len(set(letters)) < 2 or not outline.columns[names[0]].is_text:
        return None
    return names[0], names[1:-1], last


def prepare_options(batch: Batch, match: Match) -> Batch:
    """The text of the right option beside what the sender wrote."""
    return several(batch, lambda record: _row(record, match))


def _row(record: Row, match: Match) -> list[Row] | Why:
    details = match.details
    key = record.get(details["key"])
    if details["columns"]:
        options = listed([record.get(name) for name in details["columns"]])
    else:
        given = record.get(details["options"])
        inner = given if not isinstance(given, dict) or "." not in details["question"] else _inner(given)
        options = listed(inner)
    if key is None or (isinstance(key, str) and not key.strip()):
        return Why("no_answer", f"{details['key']!r} names no option")
    text = chosen(key, options, details["counted_from"], details["columns"])
    if text is None:
        return Why("answer_not_among_options", f"{details['key']} = {key!r}, {len(options)} options")
    return [record | {match.mapping.fields["answer"]: text}]


def _inner(question: dict[str, Any]) -> Any:
    return next((value for name, value in question.items() if plain(name) in OPTIONS), None)
