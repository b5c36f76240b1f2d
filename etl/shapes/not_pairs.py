"""What is no question-and-answer set, each with the reason that says what it is instead."""

from __future__ import annotations

import re

from etl.detect.format import Refusal
from etl.detect.names import NAMES, known, plain
from etl.detect.outline import Column, Outline

_SENTENCES = (
    ("premise", "hypothesis"), ("texta", "textb"), ("htext", "mtext"), ("sentence1", "sentence2"),
    ("sentencea", "sentenceb"), ("1string", "2string"), ("anchor", "positive"), ("src", "tgt"), ("text1", "text2"),
)  # fmt: skip
_ENDING = re.compile(r"(?:[12ab]|one|two|left|right)$|^[12]")
_NEUTRAL = frozenset({"col", "field", "f", "c", "x", "var", "value", "feature", "attr"})
_ASKS = 0.5  # share of texts of which both columns must have more to be questions side by side
_LABELS = frozenset({"label", "labels", "intent", "category", "class", "target", "tag", "topic", "type", "sentiment"})
_DOCUMENTS = frozenset({"doc", "document", "documents", "article", "articles", "abstract", "page"})
_QUESTION_IDS = ("questionid", "qid", "questionno", "questionnumber", "questionindex", "questionkey")
_PREDICTIONS = ("prediction", "predicted", "predictions", "predictedanswer", "modeloutput", "hypothesis")


def recognise_not_pairs(outline: Outline) -> Refusal | None:
    """The first of the rules that fits, from the most to the least specific."""
    for rule in (_two_of_a_kind, _one_side_only, _classification, _documents, _table):
        if refusal := rule(outline):
            return refusal
    return None


def recognise_classification(outline: Outline) -> Refusal | None:
    """Texts with one of a few classes each; asked before the content is, for which a class may look like an answer."""
    label = next((c for name, c in outline.columns.items() if plain(name) in _LABELS), None)
    few = label is not None and outline.rows >= 10 and len(set(label.texts)) <= 0.5 * outline.rows
    return _classification(outline) if few else None


def recognise_two_of_a_kind(outline: Outline) -> Refusal | None:
    """Pairs of questions or of sentences, which must never be taken for question and answer."""
    return _two_of_a_kind(outline)


def _two_of_a_kind(outline: Outline) -> Refusal | None:
    names = {plain(name): column for name, column in outline.columns.items()}
    if "answer" in names or "answers" in names:
        return None
    for first, second in _SENTENCES:
        if first in names and second in names:
            return Refusal("sentence_pairs", f"{names[first].name!r} and {names[second].name!r}")
    stems: dict[str, list[Column]] = {}
    for name, column in names.items():
        if column.is_text and (stem := _ENDING.sub("", name)) not in (name, "column"):  # column_1 is a name of ours
            stems.setdefault(stem, []).append(column)
    pair = next(((stem, found) for stem, found in stems.items() if len(found) == 2 and stem), None)
    if pair is None:
        return None
    stem, (one, two) = pair
    if stem in _NEUTRAL and min(one.asking, two.asking) < _ASKS:
        return None  # `col_a` and `col_b` say nothing of what they hold
    asked = stem in NAMES["question"] or min(one.questions, two.questions) > 0.5
    return Refusal("question_pairs" if asked else "sentence_pairs", f"{one.name!r} and {two.name!r}")


def _one_side_only(outline: Outline) -> Refusal | None:
    questions = [name for worth, name in known("question", outline.columns) if worth >= 0.8]
    questions = [name for name in questions if not outline.columns[name].holds_objects]
    answers = [name for worth, name in known("answer", outline.columns) if worth >= 0.8]
    key = outline.find(*_QUESTION_IDS)
    if key is not None and bool(questions) != bool(answers) and key.name not in (*questions, *answers):
        name, other = (questions[0], "answers") if questions else (answers[0], "questions")
        evidence = (
            f"{name!r} without {other}, which are in another file, numbered by {key.name!r}; 'etl join' joins them"
        )
        return Refusal("half_of_a_pair_of_files", evidence)
    if questions and not answers:
        return Refusal("questions_only", f"{questions[0]!r}, but nothing that looks like an answer")
    if answers and not questions:
        return Refusal("answers_only", f"{answers[0]!r}, but nothing that looks like a question")
    if outline.find(*_PREDICTIONS):
        return Refusal("predictions", "a model's predictions and no answers")
    return None


def _classification(outline: Outline) -> Refusal | None:
    """Texts with a class each: few different short values beside many different texts."""
    label = next((c for name, c in outline.columns.items() if plain(name) in _LABELS), None)
    texts = [column for column in outline.text_columns if column is not label]
    if label is None or not texts or label.length > 60:
        return None
    if label.is_text and label.texts:
        distinct = len(set(label.texts))
        return Refusal("intent_classification", f"{texts[0].name!r} with {distinct} classes under {label.name!r}")
    return Refusal("labels", f"{texts[0].name!r} with labels under {label.name!r}")


def _documents(outline: Outline) -> Refusal | None:
    """Running text, alone or with its name and number."""
    texts = outline.text_columns
    known = [column for column in texts if plain(column.name) in _DOCUMENTS]
    if known:
        return Refusal("documents", f"texts under {known[0].name!r}, mean length {known[0].length:.0f}")
    longest = max(texts, key=lambda column: column.length, default=None)
    plain_text = longest is not None and (plain(longest.name) in ("text", "content", "body") or longest.length > 200)
    if longest is not None and plain_text:
        return Refusal("plain_text", f"texts under {longest.name!r}, mean length {longest.length:.0f}")
    return None


def _table(outline: Outline) -> Refusal | None:
    columns = [column for name, column in outline.columns.items() if "." not in name]
    numeric = [column.name for column in columns if column.is_numeric]
    names = ", ".join(outline.columns)
    if len(columns) >= 2 and len(numeric) >= 0.5 * len(columns):
        return Refusal("tabular", f"{len(numeric)} of {len(columns)} columns are numbers or dates: {names[:200]}")
    if len(columns) == 1 and columns[0].is_text:
        return Refusal("labels", f"one column of short texts: {names[:200]}")
    return None
