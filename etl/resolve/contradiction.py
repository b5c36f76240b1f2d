"""Two answers to one question in, what makes them exclude each other out: a conflict, a variant, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from etl.keys import part_key
from etl.resolve.features import Features
from etl.resolve.texts import Row, Texts, contained, overlap, word_lists_apply
from etl.resolve.vetoes import CONTRADICTIONS, Evidence

_SENTENCE = re.compile(
    r"(?<=[.!?])\s+(?=[^a-z])|(?<=[^\d.][.!?])(?=[A-Z][a-z])|(?<=\d[.!?])(?=[A-Z][a-z])|\n+|[•·]|\s-\s"
)
_ASKS = re.compile(
    r"\s*(?:who|whose|whom|what|which|when|where|why|how|is|are|was|were|does|do|did|"
    r"can|could|should|will|has|have|in what|in which|name)\b",
    re.I,
)
# How far two answers may lie apart and still be held against each other; measured on same-question pairs of covid
# FAQs, NQ-open, MedQuAD and chitchat, where whole long texts differ in numbers, names and negations without
# contradicting each other: there only matching sentences are compared.
COMPARABLE_OVERLAP = 0.5
SHORT_WORDS = 15  # two answers this short are about the same thing: their numbers, dates and units can be compared
SAME_BUT_FOR = 0.75  # words in common, from which on one sentence with a negation or another name denies the other
_CODE = re.compile(r"\w\(['\"]|\*\*|[=!]=")  # numbers in programs are not what an answer says
COMPARABLE_PART = 0.7  # a short answer held against a long one that has most of its words
SENTENCES = 12  # of each answer that are held against the other's
NAME_WORDS = 8  # and so short that a name in each is the answer
CONFLICT_KINDS = {"ticker": "entity", "term": "entity", "name": "entity", "symbol": "entity", "order": "entity"}


@dataclass(frozen=True, slots=True)
class Excluding:
    """A conflict with its typed evidence; a variant (`evidence` None) where a sender accepts both answers."""

    evidence: Evidence | None

    @property
    def kind(self) -> str:
        """The kind of conflict as the ledger has it."""
        kind = "" if self.evidence is None else self.evidence.kind
        return CONFLICT_KINDS.get(kind, kind)


def excluding(row: Row, texts: Texts) -> Excluding | None:
    """What two answers to the same question are to each other; None without evidence either way."""
    if row["equal_answer"] or all(_CODE.search(row[f"answer_{side}"]) for side in "ab"):
        return None
    if _accepted(row):
        return Excluding(None)
    a, b = texts.answers(row)
    listed, asks = word_lists_apply(row), is_question(row["question_a"])
    if listed and (polar := _opposite_starts(a, b)) is not None:
        return Excluding(polar)
    if len(a.lows) <= SHORT_WORDS and len(b.lows) <= SHORT_WORDS:
        matched = [(a, b)]
    elif overlap(a, b) >= COMPARABLE_OVERLAP or contained(a, b) >= COMPARABLE_PART:
        matched = list(_matching_sentences(row["answer_a"], row["answer_b"], texts))
    else:
        return None
    for one, other in matched:
        found = contradiction(one, other, listed=listed, asks=asks)
        if found is not None:
            return Excluding(found)
    return None


def contradiction(a: Features, b: Features, *, listed: bool, asks: bool) -> Evidence | None:
    """What makes two short answers, or two matching sentences, exclude each other.

    Numbers, dates and units always do; the rest needs the word lists to apply (`listed`), and, unless the texts share
    enough words, an answer that is hardly more than a name to something that `asks`, or a plain yes and no.
    """
    longest, shared = max(len(a.lows), len(b.lows)), overlap(a, b)
    for veto in CONTRADICTIONS:
        found = veto(a, b)
        if found is None or not found.contradicts:
            continue
        plain = found.kind == "antonym" or longest <= SHORT_WORDS
        near = shared >= (COMPARABLE_OVERLAP if plain else SAME_BUT_FOR)
        if found.kind in ("number", "date", "unit") or (listed and near):
            return found
        if listed and found.kind == "antonym" and {*found.a, *found.b} & {"yes", "no", "true", "false"}:
            return found
        if listed and asks and found.kind in CONFLICT_KINDS and longest <= NAME_WORDS:
            return found
    return None


def sentences(text: str) -> list[str]:
    """A text's sentences and list items, without the space around them."""
    return [part for piece in _SENTENCE.split(text) if (part := " ".join(piece.split()))]


def is_question(text: str) -> bool:
    """Whether a text asks something: a question mark, or an interrogative word at its start."""
    return "?" in text or _ASKS.match(text) is not None


def _matching_sentences(a: str, b: str, texts: Texts) -> Iterator[tuple[Features, Features]]:
    """Sentences of two answers that say nearly the same, those that stand in both left out."""
    first, second = sentences(a), sentences(b)
    firsts = [texts.of(text) for text in first if text not in second][:SENTENCES]
    seconds = [texts.of(text) for text in second if text not in first][:SENTENCES]
    for one in firsts:
        nearest = max(seconds, key=lambda other: (overlap(one, other), other.text), default=None)
        if nearest is not None and overlap(one, nearest) >= COMPARABLE_OVERLAP:
            yield one, nearest


def _opposite_starts(a: Features, b: Features) -> Evidence | None:
    """A plain yes to one and a plain no to the other."""
    one, other = (next(iter(f.lows), "") for f in (a, b))
    return Evidence("antonym", (one,), (other,)) if {one, other} in ({"yes", "no"}, {"true", "false"}) else None


def _accepted(row: Row) -> bool:
    """Whether one pair's answer stands among the other's alternatives."""
    for one, other in (("a", "b"), ("b", "a")):
        listed = row[f"alternatives_{one}"]
        if listed and row[f"answer_key_{other}"] in {part_key(text) for text in listed}:
            return True
    return False
