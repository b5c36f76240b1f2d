"""Records that are pairs already: a question and an answer side by side, and rows that label answers right or wrong."""

from __future__ import annotations

from typing import Any

from etl.detect.format import Refusal
from etl.detect.mapping import by_content, by_names
from etl.detect.names import LABELS, NAMES, plain
from etl.detect.outline import Column, Outline
from etl.shapes.base import Batch, Match, Reject, shorten

_FIELD_NAMES = frozenset(name for table in NAMES.values() for name in table)
_WRONG = frozenset({"0", "false", "no", "n", "incorrect", "wrong", "0.0"})
_RIGHT = frozenset({"1", "true", "yes", "y", "correct", "right", "1.0"})


def recognise_flat(outline: Outline) -> Match | Refusal | None:
    """Question and answer under sure names; refused where what stands there are names of columns themselves."""
    named = by_names(outline)
    if not named.is_sure:
        return None
    values = [outline.columns[named.fields[ours]].texts for ours in ("question", "answer")]
    if all(map(_are_names, values)):
        return Refusal("configuration", f"names of columns such as {values[0][0]!r} stand for question and answer")
    return Match("flat", named)


def _are_names(texts: list[str]) -> bool:
    """Identifiers, a third of which are names of columns: a register of data sets, not the data."""
    names = sum(plain(text) in _FIELD_NAMES for text in texts)
    return names > 0.33 * len(texts) and all(text.isascii() and text.isidentifier() for text in texts)


def recognise_by_content(outline: Outline) -> Match | Refusal | None:
    """Question and answer under unknown names: used if the content is sure, proposed to a person if it is likely."""
    named = by_names(outline)
    found = by_content(outline, named)
    if found.is_sure:
        return Match("flat", found)
    if not {"question", "answer"} <= found.fields.keys() or found.confidence < 0.3:
        return None
    proposal = ", ".join(f"{ours} = {theirs!r}" for ours, theirs in found.fields.items())
    evidence = f"looks like {proposal}, but only with confidence {found.confidence:.2f}; " + "; ".join(found.evidence)
    return Refusal("unmapped", evidence, found.fields)


def recognise_labelled(outline: Outline) -> Match | None:
    """A question, an answer and a label that is 0 or 1 everywhere, with questions that repeat."""
    named = by_names(outline)
    label = next((c for name, c in outline.columns.items() if plain(name) in LABELS and _is_binary(c)), None)
    if not named.is_sure or label is None or label.name in named.fields.values():
        return None
    question = outline.columns[named.fields["question"]]
    if outline.rows >= 10 and question.variety > 0.9 and plain(label.name) == "label":
        return None  # a 0/1 `label` of records that each have their own question says something else
    return Match("labelled_answers", named, {"label": label.name})


def prepare_labelled(batch: Batch, match: Match) -> Batch:
    """Rows labelled wrong are rejected before anything else is looked at."""
    name = match.details["label"]
    keep = []
    for i, record in enumerate(batch.records):
        label = record.get(name) if isinstance(record, dict) else None
        if _plain_label(label) in _WRONG:
            evidence = f"{name} = {label!r}"
            batch.rejects.append(Reject(batch.positions[i], "wrong_answer_label", evidence, shorten(record)))
        else:
            keep.append(i)
    return batch.keep(keep)


def _is_binary(column: Column) -> bool:
    found = {_plain_label(value) for value in column.values}
    return bool(found) and found <= (_WRONG | _RIGHT | {""})


def _plain_label(value: Any) -> str:
    if isinstance(value, (str, int, float)):
        return str(value).strip().lower()
    return "" if value is None else shorten(value).lower()
