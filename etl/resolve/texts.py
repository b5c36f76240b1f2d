"""Rows of two linked pairs in, what their texts hold out; each distinct text is taken apart once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl.resolve.features import Features, features
from etl.resolve.lexicon import plain_words
from etl.resolve.matter import matter
from etl.resolve.plain import bare_letters, plain_letters
from etl.resolve.rules import VETO_LANGUAGES

Row = Mapping[str, Any]  # of `candidates`
TELLING_WORDS = 10  # so many words must a text have for its share in another to tell something


class Texts:
    """The features of texts and the matter of questions, kept for the length of a run."""

    def __init__(self) -> None:
        self._features: dict[str, Features] = {}
        self._matter: dict[str, tuple[str, ...]] = {}
        self._own: tuple[tuple[str, str], tuple[str, str]] = (("", ""), ("", ""))  # the last two questions

    def of(self, text: str) -> Features:
        """What may set a text apart from another."""
        found = self._features.get(text)
        if found is None:
            found = self._features[text] = features(text)
        return found

    def about(self, question: str) -> tuple[str, ...]:
        """What a question is about."""
        found = self._matter.get(question)
        if found is None:
            found = self._matter[question] = matter(question)
        return found

    def questions(self, row: Row) -> tuple[Features, Features]:
        """Both questions without the lines that they share, taken apart."""
        a, b = self._lines(row)
        return self.of(a), self.of(b)

    def matters(self, row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What both questions are about, the lines that they share left out."""
        a, b = self._lines(row)
        return self.about(a), self.about(b)

    def _lines(self, row: Row) -> tuple[str, str]:
        both = (row["question_a"], row["question_b"])
        if self._own[0] != both:
            self._own = both, own_lines(*both)
        return self._own[1]

    def answers(self, row: Row) -> tuple[Features, Features]:
        """Both answers, taken apart."""
        return self.of(row["answer_a"]), self.of(row["answer_b"])

    def very_same_words(self, row: Row) -> bool:
        """Whether question and answer are the same words in the same order, accents aside."""
        return all(self.same_words(row, part) for part in ("question", "answer"))

    def same_words(self, row: Row, part: str) -> bool:
        """The same of one of the two."""
        a, b = row[f"{part}_a"], row[f"{part}_b"]
        if self.of(a).lows == self.of(b).lows or plain_words(plain_letters(a)) == plain_words(plain_letters(b)):
            return True
        return not (a.isascii() or b.isascii()) and bare_letters(a) == bare_letters(b) != ""


def own_lines(a: str, b: str) -> tuple[str, str]:
    """Two texts without the lines that stand in both: a preamble would lend each the words that the other misses.

    >>> own_lines("You may search.\\nWho won?", "You may search.\\nWho lost?"), own_lines("Who won?", "Who won?")
    (('Who won?', 'Who lost?'), ('Who won?', 'Who won?'))
    """
    if "\n" not in a or "\n" not in b or a == b:
        return a, b
    lines = [text.split("\n") for text in (a, b)]
    one, other = ("\n".join(line for line in mine if line not in theirs) for mine, theirs in (lines, lines[::-1]))
    return (one, other) if one.strip() and other.strip() else (a, b)


def word_lists_apply(row: Row) -> bool:
    """Whether all four texts are in a language of the word lists, or undecided and plain ASCII."""
    languages = {row["language_a"], row["language_b"]}
    if languages <= VETO_LANGUAGES:
        return True
    ascii_only = all(row[f"{part}_{side}"].isascii() for part in ("question", "answer") for side in "ab")
    return languages <= VETO_LANGUAGES | {"und"} and ascii_only


def overlap(a: Features, b: Features) -> float:
    """Jaccard over words of the shown texts."""
    union = len(a.words | b.words)
    return len(a.words & b.words) / union if union else float(a.text == b.text)


def contained(a: Features, b: Features) -> float:
    """How much of the smaller text's words the larger one has; 0 where the smaller has too few to tell."""
    small = min(len(a.words), len(b.words))
    return len(a.words & b.words) / small if small >= TELLING_WORDS else 0.0
