"""Rows of two linked pairs in, what their texts hold out; each distinct text is taken apart once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl.resolve.features import Features, features
from etl.resolve.lexicon import plain_words
from etl.resolve.matter import matter
from etl.resolve.plain import plain_letters
from etl.resolve.rules import VETO_LANGUAGES

Row = Mapping[str, Any]  # of `candidates`
TELLING_WORDS = 10  # so many words must a text have for its share in another to tell something


class Texts:
    """The features of texts and the matter of questions, kept for the length of a run."""

    def __init__(self) -> None:
        self._features: dict[str, Features] = {}
        self._matter: dict[str, tuple[str, ...]] = {}

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
        """Both questions, taken apart."""
        return self.of(row["question_a"]), self.of(row["question_b"])

    def answers(self, row: Row) -> tuple[Features, Features]:
        """Both answers, taken apart."""
        return self.of(row["answer_a"]), self.of(row["answer_b"])

    def very_same_words(self, row: Row) -> bool:
        """Whether question and answer are the same words in the same order, accents aside."""
        return all(
            self.of(row[f"{part}_a"]).lows == self.of(row[f"{part}_b"]).lows
            or plain_words(plain_letters(row[f"{part}_a"])) == plain_words(plain_letters(row[f"{part}_b"]))
            for part in ("question", "answer")
        )


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
