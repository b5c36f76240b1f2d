"""Links, texts and languages in, one verdict for each two linked pairs out, before anybody's overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from etl.resolve.alike import same_answer, same_but_for_fillers
from etl.resolve.candidates import candidates
from etl.resolve.contradiction import excluding
from etl.resolve.features import Features
from etl.resolve.lexicon import lexicon, plain_words
from etl.resolve.matter import plain_matter, same_matter
from etl.resolve.rules import Rules
from etl.resolve.texts import Row, Texts, overlap, word_lists_apply
from etl.resolve.vetoes import Evidence, first_veto, moved

LONG_ANSWER, SAME_ANSWER = 20, 0.85  # words, and their overlap, from which on an answer tells what was asked

VERDICTS = pl.Schema(
    {
        "a": pl.String(), "b": pl.String(), "verdict": pl.String(), "reason": pl.String(), "evidence": pl.String(),
        "question_similarity": pl.Float64(), "answer_similarity": pl.Float64(), "kind": pl.String(),
    }
)  # fmt: skip


@dataclass(slots=True)
class Judged:
    """One verdict with the figures that rank it."""

    verdict: str
    reason: str
    veto: Evidence | None = None
    side: str = ""
    kind: str | None = None


def judge(pairs: pl.DataFrame, links: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Verdicts (see `VERDICTS`), sorted by a, b. `pairs` are live ones with texts, keys, alternatives and language."""
    judging = _Judge(rules)
    found: dict[str, list[Any]] = {name: [] for name in VERDICTS.names()}
    for row in candidates(pairs, links, rules).iter_rows(named=True):
        judged = judging.verdict(row)
        if judged is None:
            continue
        by = "cosine" if judged.reason == "merged_cosine" or not row["alike_lexical"] else "lexical"
        by_cosine = by == "cosine" and row["qc"] is not None
        question, answer = (row["qc"], row["ac"]) if by_cosine else (row["ql"], row["al"])
        values = (
            row["a"], row["b"], judged.verdict, judged.reason, _evidence(row, judged), question, answer, judged.kind,
        )  # fmt: skip
        for name, value in zip(found, values, strict=True):
            found[name].append(value)
    return pl.DataFrame(found, schema=VERDICTS)


class _Judge:
    """Judges rows of `candidates`."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.texts = Texts()

    def verdict(self, row: Row) -> Judged | None:
        """None where the two have nothing to do with each other after all."""
        question_veto, same_matter = self._compare_questions(row)
        equal = self._equal_answers(row)
        if row["alike"] or equal:
            if question_veto is not None:
                return Judged("review", f"review_{question_veto.kind}_veto", question_veto, "question")
            answer_veto = None if row["equal_answer"] else self._answer_veto(row)
            if answer_veto is None:
                return self._merged(row, same_matter, equal=equal)
            if row["same"] and same_matter and (found := self._contradiction(row)) is not None:
                return found
            return Judged("review", f"review_{answer_veto.kind}_veto", answer_veto, "answer")
        if question_veto is not None:
            return None
        if not same_matter:
            return Judged("variant", "variant_question_words")
        return self._contradiction(row) or Judged("variant", "variant_no_evidence")

    def _equal_answers(self, row: Row) -> bool:
        """Whether the answers are the same but for light words; where no word list applies, to the letter."""
        if row["equal_answer"]:
            return True
        return row["same"] and word_lists_apply(row) and same_answer(*self.texts.answers(row))

    def _answer_veto(self, row: Row) -> Evidence | None:
        a, b = self.texts.answers(row)
        return first_veto(a, b) or moved(a, b)

    def _compare_questions(self, row: Row) -> tuple[Evidence | None, bool]:
        if row["equal_question"]:
            return None, True
        a, b = self.texts.questions(row)
        veto = first_veto(a, b)
        if veto is not None:
            return veto, False
        one, other = (self.texts.about(row[f"question_{side}"]) for side in "ab")
        return None, same_matter(one, other, a.words | b.words)

    def _merged(self, row: Row, same_matter: bool, *, equal: bool) -> Judged:
        """A merge, or a review that names the first condition that is missing. `equal`: the answers are."""
        if not (row["merge_cosine"] or row["merge_lexical"] or (equal and row["same"])):
            return Judged("review", "review_similarity")
        if not row["merge_lexical"]:
            if row["truncated"]:
                return Judged("review", "review_truncated")
            if not row["declared"]:
                return Judged("review", "review_language")
        if not word_lists_apply(row) and not self.texts.very_same_words(row):
            return Judged("review", "review_language")
        a, b = self.texts.answers(row)
        if not same_matter and not self._asks_the_same(row, a, b) and not (equal and self._fillers_aside(row)):
            return Judged("review", "review_question_words")
        if not equal and overlap(a, b) < self.rules.answer_words:
            return Judged("review", "review_answer_words")
        by_cosine = row["merge_cosine"] and row["declared"] and not row["truncated"]
        return Judged("merge", "merged_cosine" if by_cosine else "merged_lexical")

    def _asks_the_same(self, row: Row, a: Features, b: Features) -> bool:
        """Whether the questions differ in words of asking only, and the answers are long and nearly the same."""
        if min(len(a.lows), len(b.lows)) < LONG_ANSWER or overlap(a, b) < SAME_ANSWER:
            return False
        one, other = (plain_matter(self.texts.about(row[f"question_{side}"])) for side in "ab")
        return one == other or (set(one) == set(other) and not _turns(row))

    def _fillers_aside(self, row: Row) -> bool:
        one, other = (self.texts.about(row[f"question_{side}"]) for side in "ab")
        a, b = self.texts.questions(row)
        return word_lists_apply(row) and same_but_for_fillers(one, other, a.words | b.words)

    def _contradiction(self, row: Row) -> Judged | None:
        """A conflict with its typed evidence; a variant where a sender accepts both answers; None without evidence."""
        found = excluding(row, self.texts)
        if found is None:
            return None
        if found.evidence is None:
            return Judged("variant", "variant_alternative")
        return Judged("conflict", f"conflict_{found.evidence.kind}", found.evidence, "answer", found.kind)


def _turns(row: Row) -> bool:
    """Whether a question of the two has a word that gives the order of the others a meaning (but a passive's 'by')."""
    said = {word for side in "ab" for word in plain_words(row[f"question_{side}"])}
    return bool(said & (lexicon().directional - {"by"}))


def _evidence(row: Mapping[str, Any], judged: Judged) -> str:
    figures: dict[str, Any] = {}
    for method, question, answer in (("cosine", "qc", "ac"), ("lexical", "ql", "al")):
        if row[question] is not None:
            figures[method] = {"question": row[question], "answer": row[answer]}
    figures["words"] = {"question": row["qo"], "answer": row["ao"]}
    if row["truncated"]:
        figures["truncated"] = True
    if judged.veto is not None:
        figures["veto"] = judged.veto.to_dict() | {"in": judged.side}
    return orjson.dumps(figures).decode("utf-8")
