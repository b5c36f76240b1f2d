"""An outline of columns in, a field mapping out, by names first and by content where names do not say enough."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from etl.detect.format import MAPPING_CONFIDENCE
from etl.detect.names import NAMES, known
from etl.detect.outline import Column, Outline

Similarity = Callable[[Sequence[str], Sequence[str]], Sequence[float]]  # of the texts of each place, -1 to 1
_COMPARED = 40  # records
_LIFT = 0.15
_WORDS = re.compile(r"\w+")
_ASKING = 0.95  # words that ask say a little less than question marks


@dataclass(frozen=True, slots=True)
class Mapping:
    """`fields` goes from our field to the sender's name; `also` has further names of the same field.

    For question and answer, `also` names stand in where the first one is missing from a record; sources are united.
    """

    fields: dict[str, str]
    confidence: float
    evidence: tuple[str, ...] = ()
    also: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_sure(self) -> bool:
        """Good enough to be used without asking a person."""
        return {"question", "answer"} <= self.fields.keys() and self.confidence >= MAPPING_CONFIDENCE


@lru_cache(maxsize=4)  # every shape asks it: 2.2 s became 1.5 s for 2,000 records of 120 columns
def by_names(outline: Outline) -> Mapping:
    """What the names alone say. `confidence` is that of the weaker of question and answer, 0.0 if one is missing."""
    fields: dict[str, str] = {}
    also: dict[str, list[str]] = {}
    trust = {"question": 0.0, "answer": 0.0}
    notes = []
    for name in NAMES:
        usable = [name_ for name_, column in outline.columns.items() if _fits(name, column)]
        found = [(worth, sender) for worth, sender in known(name, usable) if sender not in fields.values()]
        if not found:
            continue
        fields[name] = found[0][1]
        if name in trust:
            trust[name] = found[0][0]
            others = [sender for worth, sender in found[1:] if worth >= MAPPING_CONFIDENCE]
            also[name] = [sender for sender in others if _stand_in(outline, found[0][1], sender)]
            if rivals := [sender for sender in others if sender not in also[name]]:
                notes.append(f"{name}: {found[0][1]!r} rather than {', '.join(map(repr, rivals))}")
                if found[1][0] == found[0][0]:
                    trust[name] = min(trust[name], 0.7)
        elif name == "sources":
            also[name] = [sender for _, sender in found[1:]]
    return _made(fields, also, min(trust.values()), notes)


def _made(fields: dict[str, str], also: dict[str, list[str]], confidence: float, notes: list[str]) -> Mapping:
    said = [f"{ours} = {theirs!r} by name" for ours, theirs in fields.items() if ours in ("question", "answer")]
    return Mapping(fields, confidence, tuple(said + notes), {name: rest for name, rest in also.items() if rest})


def by_content(outline: Outline, named: Mapping, *, similarity: Similarity | None = None) -> Mapping:
    """Let the content confirm weak names, or find question and answer among the text columns where names are silent.

    Which column ends in question marks, begins with words that ask, is shorter and more various is the question. Sure
    only if there are just two text columns besides what names explain, what only sorts the records (short texts that
    repeat), what repeats another column in HTML, and identifiers. Lists of texts are proposed and never sure: options
    look like answers. `similarity`, where a model is at hand, tells which of several columns belongs to the question.
    """
    taken = {theirs for ours, theirs in named.fields.items() if ours not in ("question", "answer")}
    texts = [column for column in outline.text_columns if column.name not in taken and not column.is_id]
    if not texts:
        return named
    question = _by_name_or(named, "question", outline) or max(
        texts, key=lambda column: (column.questions, column.asking, -column.length)
    )
    rest = _may_answer(question, texts)
    answer, lifts = _by_name_or(named, "answer", outline), {}
    if answer is None and similarity is not None and len(rest) > 1:
        lifts = {column.name: _lift(question, column, similarity) for column in rest}
    answer = answer or max(rest, key=lambda column: (lifts.get(column.name, 0.0), column.length), default=None)
    if answer is None:
        return _with_lists(outline, named, question, taken)
    told_apart = _told_apart(lifts)
    confidence = _content_confidence(question, answer, rivals=0 if told_apart else len(rest) - 1)
    evidence = [_say("question", question), _say("answer", answer)]
    if rest[1:] and not told_apart:
        others = ", ".join(repr(column.name) for column in rest if column.name != answer.name)
        evidence.append(f"could be the answer too: {others}")
    if lifts:
        said = ", ".join(f"{name!r} {lift:+.2f}" for name, lift in lifts.items())
        evidence.append(f"similarity to its own question less that to the next one: {said}")
    fields = named.fields | {"question": question.name, "answer": answer.name}
    return Mapping(fields, confidence, tuple(evidence), named.also) if confidence > named.confidence else named


def _may_answer(question: Column, texts: Sequence[Column]) -> list[Column]:
    """The text columns besides the question, less those that sort, name, or repeat another one as HTML."""
    rest = [column for column in texts if column.name != question.name and not _sorts(column) and not column.is_name]
    plain = [column for column in rest if not column.is_markup]
    return [column for column in rest if column in plain or not any(_repeats(column, other) for other in plain)]


def _repeats(markup: Column, plain: Column) -> bool:
    """The words of the plain text stand in the HTML, in most of the first records."""
    if len(markup.values) != len(plain.values):
        return False
    both = [pair for pair in zip(markup.values, plain.values, strict=True) if all(isinstance(one, str) for one in pair)]
    same = [_holds_words(html, text) for html, text in both[:_COMPARED] if html.strip() and text.strip()]
    return bool(same) and sum(same) >= 0.8 * len(same)


def _holds_words(html: str, text: str) -> bool:
    words = set(_WORDS.findall(text)[:_COMPARED])
    return len(words & set(_WORDS.findall(html))) >= 0.8 * len(words)


def _with_lists(outline: Outline, named: Mapping, question: Column, taken: set[str]) -> Mapping:
    """No column of texts is left: propose one of lists of texts, as questions with several answers have."""
    lists = [
        column
        for name, column in outline.columns.items()
        if name not in taken and "." not in name and len(column.lists) >= 0.8 * max(len(column.values), 1) > 0
    ]
    answer = max(lists, key=lambda column: len(set(column.lists)), default=None)
    marks = max(question.questions, _ASKING * question.asking)
    confidence = round(min(0.75, 0.8 * marks), 4)
    if answer is None or confidence <= named.confidence:
        return named
    said = (
        f"answer = {answer.name!r} by content: lists of texts, {len(set(answer.lists))} of {len(answer.lists)} differ"
    )
    fields = named.fields | {"question": question.name, "answer": answer.name}
    evidence = (_say("question", question), said, "options of a choice look the same")
    return Mapping(fields, confidence, evidence, named.also)


def _say(ours: str, column: Column) -> str:
    figures = f"{column.questions:.0%} end in a question mark, {column.asking:.0%} ask"
    return f"{ours} = {column.name!r} by content: {figures}, mean length {column.length:.0f}"


def _sorts(column: Column) -> bool:
    """Short texts that repeat: a topic, a level, a language. They say something about a record and answer nothing."""
    few = 0.3 if column.length < 40 else 0.1
    return len(column.texts) >= 10 and column.variety < few and column.length < 80


def _lift(question: Column, column: Column, similarity: Similarity) -> float:
    """How much more alike the texts of one record are than those of neighbouring ones."""
    both = list(zip(question.values, column.values, strict=False))[:_COMPARED]
    rows = [(one, other) for one, other in both if isinstance(one, str) and isinstance(other, str)]
    if len(rows) < 5:
        return 0.0
    ours, theirs = [one for one, _ in rows], [other for _, other in rows]
    own = similarity(ours, theirs)
    next_ones = similarity(ours, [*theirs[1:], theirs[0]])
    return round((sum(own) - sum(next_ones)) / len(rows), 4)


def _told_apart(lifts: dict[str, float]) -> bool:
    """One column clearly belongs to the question and the next best clearly less."""
    best = sorted(lifts.values(), reverse=True)
    return len(best) > 1 and best[0] >= _LIFT and best[0] - best[1] >= _LIFT


def _by_name_or(named: Mapping, ours: str, outline: Outline) -> Column | None:
    return outline.columns[named.fields[ours]] if ours in named.fields else None


def _content_confidence(question: Column, answer: Column, *, rivals: int) -> float:
    """0 to 0.9. Calibrated by hand on the development deliveries: nine in ten questions with a mark, few answers with
    one, and no third text column give 0.85 or more; any rival column keeps it below the line of 0.8."""
    marks = max(question.questions - answer.questions, _ASKING * (question.asking - answer.asking))
    longer = 0.05 if answer.length > question.length else 0.0
    various = 0.05 * min(question.variety, 1.0)
    confidence = 0.8 * marks + longer + various if marks > 0 else 0.0
    return round(min(confidence, 0.9, 0.75 if rivals > 0 else 0.9), 4)


def _fits(ours: str, column: Column) -> bool:
    """Names lie less than people think, but a `questions` column of objects is a container, not a text."""
    if not column.values:
        return True
    if ours == "question":
        return column.share(dict) < 0.5 and not column.holds_objects
    return not (ours in ("context", "indicator", "category", "licence") and column.share(list, dict) > 0.5)


def _stand_in(outline: Outline, first: str, second: str) -> bool:
    """Two names of one field that hardly ever stand in the same record: some records use one, some the other."""
    return outline.columns[first].presence + outline.columns[second].presence <= 1.02
