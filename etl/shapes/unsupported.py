"""Shapes of questions and answers that are known and not read yet: refused by name, never half read."""

from __future__ import annotations

import re
from typing import Any

from etl.detect.format import Refusal
from etl.detect.names import known, plain
from etl.detect.outline import Column, Outline
from etl.detect.strict_json import text_of

_OPTIONS = ("options", "choices", "answerchoices", "candidates", "choice")


def recognise_unsupported(outline: Outline) -> Refusal | None:
    """A preference set, a chat, multiple choice without the text of the answer, TAT-QA or CMRC."""
    for rule in (_multiple_choice, _parallel, _table_questions, _cmrc, _intents):
        if refusal := rule(outline):
            return refusal
    return None


def _unsupported(shape: str, evidence: str) -> Refusal:
    return Refusal("unsupported_shape", f"{shape}: {evidence}")


def _multiple_choice(outline: Outline) -> Refusal | None:
    """Options beside the question, and an answer that is only the number or letter of one."""
    lettered = [column for name, column in outline.columns.items() if plain(name) in _LETTERED]
    options = outline.find(*_OPTIONS)
    nested = outline.find("question")
    if nested is not None and nested.share(dict) > 0.5 and any("stem" in q or "choices" in q for q in nested.values):
        return _unsupported("multiple_choice", "the question is an object with its options")
    if options is None and len(lettered) < 3:
        return None
    answers = [outline.columns[name] for _, name in known("answer", outline.columns)]
    answers += [c for name, c in outline.columns.items() if plain(name) in ("answerkey", "label", "correctoption")]
    if answers and not any(_points(column) for column in answers[:1]):
        return None
    return _unsupported("multiple_choice", f"options under {options.name if options else lettered[0].name!r}")


_LETTERED = frozenset(
    {f"{stem}{end}" for stem in ("option", "choice", "opt", "") for end in ("a", "b", "c", "d", "1", "2", "3", "4")}
    - {"a"}
)


def _points(column: Column) -> bool:
    """Numbers or single letters: they name an option and answer nothing by themselves."""
    found = [_plain(value) for value in column.values]
    pointing = sum(len(text) == 1 or (len(text) == 2 and text.isdigit()) for text in found)
    return pointing > 0.8 * len(found)


def _plain(value: Any) -> str:
    return value.strip(" ().[]") if isinstance(value, str) else text_of(value)


def _parallel(outline: Outline) -> Refusal | None:
    """Questions in one list and their answers in another: not one question with many answers."""
    questions, answers = outline.find("question", "questions", "q"), outline.find("answer", "answers", "a")
    if questions is not None and answers is not None:
        both = zip(questions.values, answers.values, strict=False)
        if sum(_several(one) and _several(other) for one, other in both) > 0.5 * outline.rows:
            return _unsupported("parallel_lists", f"{questions.name!r} and {answers.name!r} are lists side by side")
    numbered = [name for name in outline.columns if re.fullmatch(r"(?:answer|response)\d", plain(name))]
    if len(numbered) > 1 and answers is None:
        return _unsupported("numbered_answers", ", ".join(numbered))
    return None


def _several(value: Any) -> bool:
    return isinstance(value, (list, dict)) and len(value) > 1


def _table_questions(outline: Outline) -> Refusal | None:
    questions, table = outline.find("questions"), outline.find("table")
    if questions is None or table is None or outline.find("paragraphs") is None:
        return None
    inner = Outline.of([one for given in questions.values if isinstance(given, list) for one in given])
    if inner.find("question") and not inner.find("answer"):
        return Refusal("questions_only", "the nesting of TAT-QA, but no question has an answer")
    return _unsupported("tatqa", "questions on a table and its paragraphs; answers have parts and scales")


def _cmrc(outline: Outline) -> Refusal | None:
    if outline.find("contexttext") and outline.find("qas"):
        return _unsupported("cmrc", "context_text with qas")
    return None


def _intents(outline: Outline) -> Refusal | None:
    patterns, responses = outline.find("patterns"), outline.find("responses")
    if patterns and responses and patterns.share(list) > 0.5:
        return _unsupported("intents", "patterns and responses of a chat bot")
    return None
