"""Questions on a table and its paragraphs (TAT-QA) in, pairs out: table and paragraphs as text are the context, the
parts of an answer are one answer, and a number comes with its scale."""

from __future__ import annotations

from typing import Any

from etl.detect.format import Refusal
from etl.detect.mapping import Mapping, by_names
from etl.detect.outline import Outline
from etl.shapes.base import Batch, Inherited, Match
from etl.shapes.values import as_text


def recognise_table_questions(outline: Outline) -> Match | Refusal | None:
    """Questions with a scale and a derivation; refused where the nesting is this one and no question has an answer."""
    questions, table = outline.find("questions"), outline.find("table")
    if questions is not None and table is not None and outline.find("paragraphs"):
        inner = Outline.of([one for given in questions.values if isinstance(given, list) for one in given])
        if inner.find("question") and not inner.find("answer"):
            return Refusal("questions_only", "the nesting of TAT-QA, but no question has an answer", whole=True)
        return None
    named = by_names(outline)
    if not named.is_sure or outline.find("scale") is None or outline.find("derivation", "answertype") is None:
        return None
    kind = outline.find("answertype")
    fields = {"context": "table and paragraphs"} | named.fields | ({"category": kind.name} if kind else {})
    return Match("tatqa", Mapping(fields, named.confidence, named.evidence, named.also))


def prepare_table_questions(batch: Batch, match: Match) -> Batch:
    """Answers as one text with their scale; what stands around a question as its context."""
    answer = match.mapping.fields["answer"]
    for i, record in enumerate(batch.records):
        if isinstance(record, dict) and answer in record:
            batch.records[i] = record | {answer: _answer(record[answer], record.get("scale"))}
    if batch.inherited is not None:
        around = {id(given): given for given in batch.inherited}  # questions on one table share what stands around
        told = {which: _with_context(given) for which, given in around.items()}
        batch.inherited = [told[id(given)] for given in batch.inherited]
    return batch


def _answer(value: Any, scale: Any) -> str | None:
    """The parts in one text. A scale of numbers stands behind them: -12.6 million, -22.22 percent."""
    parts = [as_text(part) or "" for part in (value if isinstance(value, list) else [value])]
    said = "; ".join(part.strip() for part in parts if part.strip())
    if not said or not isinstance(scale, str) or not scale.strip() or not any(map(str.isdigit, said)):
        return said or (None if value is None or value == [] else "")
    return f"{said} {scale.strip()}"


def _with_context(around: Inherited) -> Inherited:
    """Table and paragraphs moved from the metadata to the context."""
    rest = dict(around.metadata)
    table, paragraphs = rest.pop("table", None), rest.pop("paragraphs", None)
    texts = [_rows(table.get("table") if isinstance(table, dict) else table)]
    if isinstance(paragraphs, list):
        texts += [as_text(paragraph) or "" for paragraph in paragraphs]
    context = "\n\n".join(text for text in texts if text.strip())
    fields = around.fields | ({"context": context} if context else {})
    return Inherited(fields, rest, around.derived)


def _rows(table: Any) -> str:
    """A table as lines of cells; rows of nothing but blanks are left out."""
    if not isinstance(table, list):
        return as_text(table) or ""
    rows = [[(as_text(cell) or "").strip() for cell in (row if isinstance(row, list) else [row])] for row in table]
    return "\n".join(" | ".join(row) for row in rows if any(row))
