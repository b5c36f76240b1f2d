"""Links, texts and languages in, one verdict for each two linked pairs out, before anybody's overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from etl.resolve.candidates import candidates
from etl.resolve.contradiction import excluding
from etl.resolve.matter import plain_matter, same_matter
from etl.resolve.rules import Rules
from etl.resolve.same import Answers, same_answers, same_but_for_fillers
from etl.resolve.same.answers import LONG_ENOUGH, slips, telling
from etl.resolve.same.calls import ask_for_one_thing
from etl.resolve.same.excuses import excuse
from etl.resolve.texts import Row, Texts, overlap, word_lists_apply
from etl.resolve.turns import turn
from etl.resolve.vetoes import Evidence, denials, first_veto, moved

LONG_ANSWER, SAME_ANSWER = 20, 0.85  # words, and their overlap, from which on an answer tells what was asked
EQUAL, THE_SAME, CALL = "equal", "the same", "call"

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
    because: tuple[str, ...] = ()  # ways in which the two say the same although words differ, see `same`


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
        veto, same_matter = self._compare_questions(row)
        how = self._same_answers(row, same_matter)
        if row["alike"] or how:
            because: list[str] = []
            if veto is not None and how:
                veto = self._unexcused(row, because)
            if veto is not None:
                return Judged("review", f"review_{veto.kind}_veto", veto, "question")
            answer_veto = self._answer_veto(row) if how in ("", "light words") else None
            if answer_veto is None:
                return self._merged(row, same_matter, how, because)
            if row["same"] and same_matter and (found := self._contradiction(row)) is not None:
                return found
            return Judged("review", f"review_{answer_veto.kind}_veto", answer_veto, "answer")
        if veto is not None:
            return None
        if not same_matter:
            return Judged("variant", "variant_question_words")
        return self._contradiction(row) or Judged("variant", "variant_no_evidence")

    def _same_answers(self, row: Row, same_matter: bool) -> str:
        """In what way the answers are the same ('' in none); where no word list applies, to the letter or to a slip."""
        if row["equal_answer"]:
            return EQUAL
        a, b = self.texts.answers(row)
        if word_lists_apply(row):
            questions = self.texts.questions(row)
            both = Answers(a, b, (questions[0].words, questions[1].words))
            if not (row["same"] or row["alike"]):
                return ""
            how = same_answers(both, same_question=same_matter or self._fillers_aside(row))
            return "" if how == CALL and not ask_for_one_thing(questions, (a, b)) else how
        if self.texts.same_words(row, "answer"):
            return "letters"
        resent = row["equal_question"] and min(len(a.lows), len(b.lows)) >= LONG_ENOUGH
        return "spelling" if resent and denials(a, b) is None and slips(Answers(a, b)) else ""

    def _unexcused(self, row: Row, because: list[str]) -> Evidence | None:
        """The first veto on the questions that the same answers do not excuse; notes what excused the others."""
        a, b = self.texts.questions(row)
        one, other = self.texts.answers(row)
        passage = row["context_key_a"] is not None and telling(one)

        def excused(found: Evidence) -> bool:
            said = excuse(found, a, b, passage=passage, said=one.words & other.words)
            if said:
                because.append(said)
            return bool(said)

        return first_veto(a, b, excused)

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
        one, other = self.texts.matters(row)
        return None, same_matter(one, other, (a, b))

    def _merged(self, row: Row, same_matter: bool, how: str, because: list[str]) -> Judged:
        """A merge, or a review that names the first condition that is missing. `how`: the answers are the same."""
        if not (row["merge_cosine"] or row["merge_lexical"] or (how and row["same"])):
            return Judged("review", "review_similarity")
        listed, passage = word_lists_apply(row), self._of_one_passage(row, how)
        very_same = not listed and self.texts.very_same_words(row)
        if not row["merge_lexical"] and not passage and not very_same:
            if row["truncated"]:
                return Judged("review", "review_truncated")
            if not row["declared"] and not row["equal_question"]:
                return Judged("review", "review_language")
        if not listed and not passage and not very_same and not (how and row["equal_question"]):
            return Judged("review", "review_language")
        a, b = self.texts.answers(row)
        asks = self._asks(row, how, same_matter=same_matter or not listed, passage=passage)
        if not asks:
            return Judged("review", "review_question_words")
        if not how and overlap(a, b) < self.rules.answer_words:
            return Judged("review", "review_answer_words")
        by_cosine = row["merge_cosine"] and row["declared"] and not row["truncated"]
        because += [name for name in (how, asks) if name not in ("", EQUAL, THE_SAME)]
        return Judged("merge", "merged_cosine" if by_cosine else "merged_lexical", because=tuple(because))

    def _asks(self, row: Row, how: str, *, same_matter: bool, passage: bool) -> str:
        """In what way the questions ask for the same; '' in none."""
        if same_matter:
            return THE_SAME
        a, b = self.texts.answers(row)
        one, other = self.texts.matters(row)
        said = self.texts.questions(row)
        if min(len(a.lows), len(b.lows)) >= LONG_ANSWER and overlap(a, b) >= SAME_ANSWER:
            first, second = plain_matter(one), plain_matter(other)
            if first == second or (set(first) == set(second) and not turn(*said, but=frozenset({"by"}))):
                return "words of asking"
        if how and self._fillers_aside(row):
            return "fillers and synonyms"
        if how == CALL:
            return "what the call fetches"
        return "one passage, one answer" if passage else ""

    def _fillers_aside(self, row: Row) -> bool:
        one, other = self.texts.matters(row)
        return word_lists_apply(row) and same_but_for_fillers(one, other, self.texts.questions(row))

    def _of_one_passage(self, row: Row, how: str) -> bool:
        """Whether both questions are about one passage and have an answer in common that few questions have.

        Where the model does not know the language, the questions share most of their shingles instead."""
        if row["context_key_a"] is None or not how or not telling(self.texts.answers(row)[0]):
            return False
        alike = row["same"] or row["alike_lexical"] or row["alike_cosine"]
        return bool(alike) and denials(*self.texts.questions(row)) is None

    def _contradiction(self, row: Row) -> Judged | None:
        """A conflict with its typed evidence; a variant where a sender accepts both answers; None without evidence."""
        found = excluding(row, self.texts)
        if found is None:
            return None
        if found.evidence is None:
            return Judged("variant", "variant_alternative")
        return Judged("conflict", f"conflict_{found.evidence.kind}", found.evidence, "answer", found.kind)


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
    if judged.because:
        figures["same"] = list(judged.because)
    return orjson.dumps(figures).decode("utf-8")
