"""Reversed trivia in, pairs out: a clue is what is put to the player, so it is the question; the response answers it.

Nothing is swapped silently: where columns called question and answer hold it the other way round, a person is asked.
"""

from __future__ import annotations

import re

from etl.detect.format import Refusal
from etl.detect.mapping import Mapping, by_names
from etl.detect.names import plain
from etl.detect.outline import Outline
from etl.shapes.base import Match

_CLUES = ("clue", "clues", "cluetext")
_RESPONSES = (
    "correctresponse", "response", "answer", "answers", "solution", "correctanswer", "correctquestion", "responses",
)  # fmt: skip
_GAME = frozenset({"round", "airdate", "showno", "shownumber", "value", "dailydouble", "clueid", "gameid", "dollars"})
_PHRASED = re.compile(r"(?:what|who|where|when)(?:'s|’s| is| are| was| were)\s.{1,60}\?", re.IGNORECASE | re.DOTALL)
_POINTS = re.compile(r"\b(?:this|these|he|she|his|her|its?|here)\b", re.IGNORECASE)


def recognise_clues(outline: Outline) -> Match | Refusal | None:
    """A clue with its response, or columns whose contents are the wrong way round."""
    clue, asked = outline.find(*_CLUES), outline.find("question")
    if clue is None:
        return _swapped(outline)
    response = outline.find(*_RESPONSES)
    if response is None and asked is not None and clue.questions < 0.2 and _phrased(asked.texts) >= 0.8:
        response, asked = asked, None  # "What is the Nile?" answers a clue
    if response is None or asked is not None or not clue.is_text:
        return None  # beside a question a clue is a hint
    named = by_names(outline)
    taken = (clue.name, response.name)
    rest = {ours: theirs for ours, theirs in named.fields.items() if theirs not in taken}
    also = {ours: names for ours, names in named.also.items() if ours in rest and ours not in ("question", "answer")}
    evidence = (f"{clue.name!r} is what is asked, {response.name!r} answers it",)
    return Match("clues", Mapping(rest | {"question": clue.name, "answer": response.name}, 0.95, evidence, also))


def _swapped(outline: Outline) -> Refusal | None:
    """Columns of a game show in which the question is the response ("What is the Nile?") and the answer the clue."""
    question, answer = outline.find("question"), outline.find("answer")
    if question is None or answer is None or not _GAME & {plain(name) for name in outline.columns}:
        return None
    pointing = sum(_POINTS.search(text) is not None for text in answer.texts)
    if _phrased(question.texts) < 0.9 or answer.questions > 0.1 or pointing < 0.5 * max(len(answer.texts), 1):
        return None
    evidence = f"{question.name!r} holds responses such as {question.texts[0][:60]!r}, {answer.name!r} the clues"
    return Refusal("unmapped", evidence, {"question": answer.name, "answer": question.name})


def _phrased(texts: list[str]) -> float:
    return sum(_PHRASED.fullmatch(text.strip()) is not None for text in texts) / max(len(texts), 1)
