"""Links, texts and languages in, one verdict for each two linked pairs out, before anybody's overrides.

A frame narrows the links down to those that are alike or ask the same; only these have their texts taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from etl.keys import part_key
from etl.resolve.alike import same_answer, same_but_for_fillers
from etl.resolve.features import Features, features
from etl.resolve.lexicon import lexicon, plain_words
from etl.resolve.matter import matter, plain_matter, same_matter
from etl.resolve.plain import plain_letters
from etl.resolve.rules import VETO_LANGUAGES, Rules
from etl.resolve.vetoes import CONTRADICTIONS, Evidence, first_veto, moved

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
COMPARABLE_PART, TELLING_WORDS = 0.7, 10  # a short answer held against a long one that has most of its words
LONG_ANSWER, SAME_ANSWER = 20, 0.85  # words, and their overlap, from which on an answer tells what was asked
SENTENCES = 12  # of each answer that are held against the other's
NAME_WORDS = 8  # and so short that a name in each is the answer
CONFLICT_KINDS = {"ticker": "entity", "term": "entity", "name": "entity", "symbol": "entity", "order": "entity"}

VERDICTS = pl.Schema(
    {
        "a": pl.String(), "b": pl.String(), "verdict": pl.String(), "reason": pl.String(), "evidence": pl.String(),
        "question_similarity": pl.Float64(), "answer_similarity": pl.Float64(), "kind": pl.String(),
    }
)  # fmt: skip

_LINKED = ("key", "question", "answer", "question_key", "answer_key", "context_key", "alternatives", "language")


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
    rows = _candidates(pairs, links, rules)
    judging = _Judge(rules)
    found = {name: [] for name in VERDICTS.names()}  # type: dict[str, list[Any]]
    for row in rows.iter_rows(named=True):
        judged = judging.verdict(row)
        if judged is None:
            continue
        by = "cosine" if judged.reason == "merged_cosine" or not row["alike_lexical"] else "lexical"
        question, answer = (
            (row["qc"], row["ac"]) if by == "cosine" and row["qc"] is not None else (row["ql"], row["al"])
        )
        values = (
            row["a"],
            row["b"],
            judged.verdict,
            judged.reason,
            _evidence(row, judged),
            question,
            answer,
            judged.kind,
        )
        for name, value in zip(found, values, strict=True):
            found[name].append(value)
    return pl.DataFrame(found, schema=VERDICTS)


def _candidates(pairs: pl.DataFrame, links: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """One row two linked pairs that are alike or ask the same, with all texts, in the order of keys."""
    cosine, lexical = pl.col("method") == "cosine", pl.col("method") == "lexical"
    joined = (
        links.filter(pl.col("a") != pl.col("b"))
        .with_columns(a=pl.min_horizontal("a", "b"), b=pl.max_horizontal("a", "b"))
        .group_by("a", "b")
        .agg(
            qc=pl.col("question_similarity").filter(cosine).max(),
            ac=pl.col("answer_similarity").filter(cosine).max(),
            ql=pl.col("question_similarity").filter(lexical).max(),
            al=pl.col("answer_similarity").filter(lexical).max(),
            qo=pl.col("question_overlap").max(), ao=pl.col("answer_overlap").max(),
            truncated=(pl.col("truncated") & cosine).any(),
        )
        .join(pairs.select(pl.col(name).alias(f"{name}_a") for name in _LINKED), left_on="a", right_on="key_a")
        .join(pairs.select(pl.col(name).alias(f"{name}_b") for name in _LINKED), left_on="b", right_on="key_b")
        .filter(pl.col("context_key_a").eq_missing(pl.col("context_key_b")))
    )  # fmt: skip
    declared = pl.lit(value=True)
    if rules.languages is not None:
        declared = pl.col("language_a").is_in(rules.languages) & pl.col("language_b").is_in(rules.languages)
    by_words = (pl.col("qo") >= rules.review_lexical) & (pl.col("ao") >= rules.review_lexical)
    return (
        joined.with_columns(declared=declared)
        .with_columns(
            # a model says nothing about a language that it does not know: there the words must agree as well
            alike_cosine=(_both("c", _threshold(rules, "review_cosine")) & (pl.col("declared") | by_words)),
            alike_lexical=_both("l", _threshold(rules, "review_lexical")),
            merge_cosine=_both("c", _threshold(rules, "merge_cosine")),
            merge_lexical=_both("l", _threshold(rules, "merge_lexical")),
            equal_question=pl.col("question_key_a") == pl.col("question_key_b"),
            equal_answer=pl.col("answer_key_a") == pl.col("answer_key_b"),
        )
        .with_columns(
            alike=pl.col("alike_cosine") | pl.col("alike_lexical"),
            same=pl.col("equal_question")
            | (pl.col("declared") & (pl.col("qc") >= rules.same_question)).fill_null(value=False)
            | (pl.col("ql") >= rules.same_question).fill_null(value=False),
        )
        .filter(pl.col("alike") | pl.col("same"))
        .sort("a", "b")
    )


def _threshold(rules: Rules, name: str) -> pl.Expr:
    """A threshold, or what was calibrated for the language where both pairs are of one."""
    value = pl.lit(getattr(rules, name))
    for language, of, calibrated in rules.by_language:
        if of == name:
            both = (pl.col("language_a") == language) & (pl.col("language_b") == language)
            value = pl.when(both).then(pl.lit(calibrated)).otherwise(value)
    return value


def _both(method: str, least: pl.Expr) -> pl.Expr:
    return ((pl.col(f"q{method}") >= least) & (pl.col(f"a{method}") >= least)).fill_null(value=False)


class _Judge:
    """Judges rows of `_candidates`; takes each distinct text apart once."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._features: dict[str, Features] = {}
        self._matter: dict[str, tuple[str, ...]] = {}

    def verdict(self, row: Mapping[str, Any]) -> Judged | None:
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

    def _equal_answers(self, row: Mapping[str, Any]) -> bool:
        """Whether the answers are the same but for light words; where no word list applies, to the letter."""
        if row["equal_answer"]:
            return True
        return row["same"] and self._word_lists_apply(row) and same_answer(*self._answers(row))

    def _answer_veto(self, row: Mapping[str, Any]) -> Evidence | None:
        a, b = self._answers(row)
        return first_veto(a, b) or moved(a, b)

    def _compare_questions(self, row: Mapping[str, Any]) -> tuple[Evidence | None, bool]:
        if row["equal_question"]:
            return None, True
        a, b = self._of(row["question_a"]), self._of(row["question_b"])
        veto = first_veto(a, b)
        if veto is not None:
            return veto, False
        return None, same_matter(self._about(row["question_a"]), self._about(row["question_b"]), a.words | b.words)

    def _merged(self, row: Mapping[str, Any], same_matter: bool, *, equal: bool) -> Judged:
        """A merge, or a review that names the first condition that is missing. `equal`: the answers are."""
        if not (row["merge_cosine"] or row["merge_lexical"] or (equal and row["same"])):
            return Judged("review", "review_similarity")
        if not row["merge_lexical"]:
            if row["truncated"]:
                return Judged("review", "review_truncated")
            if not row["declared"]:
                return Judged("review", "review_language")
        if not self._word_lists_apply(row) and not self._very_same_words(row):
            return Judged("review", "review_language")
        a, b = self._answers(row)
        if not same_matter and not self._asks_the_same(row, a, b) and not (equal and self._fillers_aside(row)):
            return Judged("review", "review_question_words")
        if not equal and _overlap(a, b) < self.rules.answer_words:
            return Judged("review", "review_answer_words")
        by_cosine = row["merge_cosine"] and row["declared"] and not row["truncated"]
        return Judged("merge", "merged_cosine" if by_cosine else "merged_lexical")

    def _asks_the_same(self, row: Mapping[str, Any], a: Features, b: Features) -> bool:
        """Whether the questions differ in words of asking only, and the answers are long and nearly the same."""
        if min(len(a.lows), len(b.lows)) < LONG_ANSWER or _overlap(a, b) < SAME_ANSWER:
            return False
        one, other = (plain_matter(self._about(row[f"question_{side}"])) for side in "ab")
        return one == other or (set(one) == set(other) and not _turns(row))

    def _fillers_aside(self, row: Mapping[str, Any]) -> bool:
        one, other = (row[f"question_{side}"] for side in "ab")
        said = self._of(one).words | self._of(other).words
        return self._word_lists_apply(row) and same_but_for_fillers(self._about(one), self._about(other), said)

    def _contradiction(self, row: Mapping[str, Any]) -> Judged | None:
        """A conflict with its typed evidence; a variant where a sender accepts both answers; None without evidence."""
        if row["equal_answer"] or all(_CODE.search(row[f"answer_{side}"]) for side in "ab"):
            return None
        if _accepted(row):
            return Judged("variant", "variant_alternative")
        a, b = self._answers(row)
        if (polar := _opposite_starts(a, b)) is not None and self._word_lists_apply(row):
            return Judged("conflict", "conflict_antonym", polar, "answer", "antonym")
        if len(a.lows) <= SHORT_WORDS and len(b.lows) <= SHORT_WORDS:
            matched = [(a, b)]
        elif _overlap(a, b) >= COMPARABLE_OVERLAP or _contained(a, b) >= COMPARABLE_PART:
            matched = list(self._matching_sentences(row["answer_a"], row["answer_b"]))
        else:
            return None
        listed, asks = self._word_lists_apply(row), is_question(row["question_a"])
        for one, other in matched:
            found = contradiction(one, other, listed=listed, asks=asks)
            if found is not None:
                kind = CONFLICT_KINDS.get(found.kind, found.kind)
                return Judged("conflict", f"conflict_{found.kind}", found, "answer", kind)
        return None

    def _matching_sentences(self, a: str, b: str) -> Iterator[tuple[Features, Features]]:
        """Sentences of two answers that say nearly the same, those that stand in both left out."""
        first, second = sentences(a), sentences(b)
        firsts = [self._of(text) for text in first if text not in second][:SENTENCES]
        seconds = [self._of(text) for text in second if text not in first][:SENTENCES]
        for one in firsts:
            nearest = max(seconds, key=lambda other: (_overlap(one, other), other.text), default=None)
            if nearest is not None and _overlap(one, nearest) >= COMPARABLE_OVERLAP:
                yield one, nearest

    def _word_lists_apply(self, row: Mapping[str, Any]) -> bool:
        languages = {row["language_a"], row["language_b"]}
        if languages <= VETO_LANGUAGES:
            return True
        ascii_only = all(row[f"{part}_{side}"].isascii() for part in ("question", "answer") for side in "ab")
        return languages <= VETO_LANGUAGES | {"und"} and ascii_only

    def _very_same_words(self, row: Mapping[str, Any]) -> bool:
        return all(
            self._of(row[f"{part}_a"]).lows == self._of(row[f"{part}_b"]).lows
            or plain_words(plain_letters(row[f"{part}_a"])) == plain_words(plain_letters(row[f"{part}_b"]))
            for part in ("question", "answer")
        )

    def _answers(self, row: Mapping[str, Any]) -> tuple[Features, Features]:
        return self._of(row["answer_a"]), self._of(row["answer_b"])

    def _of(self, text: str) -> Features:
        found = self._features.get(text)
        if found is None:
            found = self._features[text] = features(text)
        return found

    def _about(self, question: str) -> tuple[str, ...]:
        found = self._matter.get(question)
        if found is None:
            found = self._matter[question] = matter(question)
        return found


def contradiction(a: Features, b: Features, *, listed: bool, asks: bool) -> Evidence | None:
    """What makes two short answers, or two matching sentences, exclude each other.

    Numbers, dates and units always do; the rest needs the word lists to apply (`listed`), and, unless the texts share
    enough words, an answer that is hardly more than a name to something that `asks`, or a plain yes and no.
    """
    longest, shared = max(len(a.lows), len(b.lows)), _overlap(a, b)
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


def _overlap(a: Features, b: Features) -> float:
    """Jaccard over words of the shown texts."""
    union = len(a.words | b.words)
    return len(a.words & b.words) / union if union else float(a.text == b.text)


def _contained(a: Features, b: Features) -> float:
    """How much of the smaller text's words the larger one has; 0 where the smaller has too few to tell."""
    small = min(len(a.words), len(b.words))
    return len(a.words & b.words) / small if small >= TELLING_WORDS else 0.0


def _opposite_starts(a: Features, b: Features) -> Evidence | None:
    """A plain yes to one and a plain no to the other."""
    one, other = (next(iter(f.lows), "") for f in (a, b))
    return Evidence("antonym", (one,), (other,)) if {one, other} in ({"yes", "no"}, {"true", "false"}) else None


def _turns(row: Mapping[str, Any]) -> bool:
    """Whether a question of the two has a word that gives the order of the others a meaning (but a passive's 'by')."""
    said = {word for side in "ab" for word in plain_words(row[f"question_{side}"])}
    return bool(said & (lexicon().directional - {"by"}))


def _accepted(row: Mapping[str, Any]) -> bool:
    """Whether one pair's answer stands among the other's alternatives."""
    for one, other in (("a", "b"), ("b", "a")):
        listed = row[f"alternatives_{one}"]
        if listed and row[f"answer_key_{other}"] in {part_key(text) for text in listed}:
            return True
    return False


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
