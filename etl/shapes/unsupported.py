"""Shapes of questions and answers that are known and not read yet: refused by name, never half read."""

from __future__ import annotations

from typing import Any

from etl.detect.format import Refusal
from etl.detect.outline import Outline


def recognise_unsupported(outline: Outline) -> Refusal | None:
    """Questions in one list and their answers in another."""
    return _parallel(outline)


def _unsupported(shape: str, evidence: str) -> Refusal:
    return Refusal("unsupported_shape", f"{shape}: {evidence}")


def _parallel(outline: Outline) -> Refusal | None:
    """Questions in one list and their answers in another: not one question with many answers."""
    questions, answers = outline.find("question", "questions", "q"), outline.find("answer", "answers", "a")
    if questions is not None and answers is not None:
        both = zip(questions.values, answers.values, strict=False)
        if sum(_several(one) and _several(other) for one, other in both) > 0.5 * outline.rows:
            return _unsupported("parallel_lists", f"{questions.name!r} and {answers.name!r} are lists side by side")
    return None


def _several(value: Any) -> bool:
    return isinstance(value, (list, dict)) and len(value) > 1
