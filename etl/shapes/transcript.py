"""One text that holds a conversation ("Q: ... A: ...", "Human: ... Assistant: ...", "### Instruction: ...") in, its
pairs out."""

from __future__ import annotations

import re
from typing import Any

from etl.detect.mapping import Mapping, by_names
from etl.detect.outline import Column, Outline
from etl.shapes.base import Batch, Match
from etl.shapes.chat import around, without
from etl.shapes.several import Row, Why, several
from etl.shapes.turns import ASSISTANT, MOST_TURNS, SYSTEM, USER, Turn, exchanges

SOURCE, CONTEXT = "source", "context"
_NAMED = {
    USER: "q|question|human|user|instruction|prompt",
    ASSISTANT: "a|answer|assistant|bot|ai|gpt|response|output",
    SYSTEM: "system",
    SOURCE: "url|source",
    CONTEXT: "context|input",
}
_ROLE = {name: role for role, names in _NAMED.items() for name in names.split("|")}
_NAME = "|".join(sorted(_ROLE, key=len, reverse=True))
_LINE = re.compile(
    rf"(?:^|\n)[ \t]*(?:#{{2,4}}[ \t]*({_NAME})[ \t]*:?|\**({_NAME})[ \t]*\d{{0,4}}\**[ \t]*[:：]\**|<({_NAME})>:?)"
    rf"|<\|(?:im_start\|>)?({_NAME})(?:\|>)?[ \t]*\n?|(\[/?INST\])",
    re.IGNORECASE,
)
_INLINE = re.compile(r"(?:^|\s)(Q|Question|Human|User)[:：]\s|\s(A|Answer|Assistant|Bot)[:：]\s")
_END = re.compile(r"<\|(?:im_end|end|endoftext|eot_id)\|>|</?s>")
_SAMPLE = 200
_SHARE = 0.9  # of the texts of a column that must be conversations for the column to be read as such


def sections(text: str) -> list[Turn]:
    """The marked parts of a text in order, roles `source` and `context` among them; what stands before the first mark
    is a system prompt. Empty unless somebody asks and somebody answers."""
    for pattern in (_LINE, _INLINE):
        found = _cut(text, pattern)
        roles = [turn.role for turn in found]
        if USER in roles and ASSISTANT in roles and roles.index(USER) < roles.index(ASSISTANT):
            return found
    return []


def _cut(text: str, pattern: re.Pattern[str]) -> list[Turn]:
    marks = list(pattern.finditer(text))
    if not marks or len(marks) > MOST_TURNS:
        return []
    turns = [Turn(SYSTEM, text[: marks[0].start()].strip())] if text[: marks[0].start()].strip() else []
    for mark, end in zip(marks, [*(mark.start() for mark in marks[1:]), len(text)], strict=True):
        name = next(group for group in mark.groups() if group).lower()
        role = {"[inst]": USER, "[/inst]": ASSISTANT}.get(name) or _ROLE[name]
        turns.append(Turn(role, _END.sub("", text[mark.end() : end]).strip()))
    return turns


def recognise_transcript(outline: Outline) -> Match | None:
    """A column of texts that are conversations, where names do not tell question from answer."""
    column = next((column for column in outline.text_columns if _holds(column)), None)
    if column is None or by_names(outline).is_sure:
        return None
    fields = {"question": f"{column.name}, after Question:", "answer": f"{column.name}, after Answer:"}
    fields |= {"context": f"{column.name}, before", "sources": f"{column.name}, after URL:"}
    others = {ours: theirs for ours, theirs in around(outline).items() if theirs != column.name}
    also = {"sources": [others.pop("sources")]} if "sources" in others else {}
    evidence = (f"texts under {column.name!r} hold questions and answers",)
    return Match("transcript", Mapping(fields | others, 1.0, evidence, also), {"text": column.name})


def _holds(column: Column) -> bool:
    sample = column.texts[:: max(1, len(column.texts) // _SAMPLE)][:_SAMPLE]
    return bool(sample) and sum(bool(sections(text)) for text in sample) >= _SHARE * len(sample)


def prepare_transcript(batch: Batch, match: Match) -> Batch:
    """One row an exchange."""
    return several(batch, lambda record: _rows(record, match))


def _rows(record: Row, match: Match) -> list[Row] | Why:
    name, fields = match.details["text"], match.mapping.fields
    text = record.get(name)
    found = sections(text) if isinstance(text, str) else []
    if not found:
        return Why("no_answer", "no question with an answer marked in the text")
    given = {role: [turn.text for turn in found if turn.role == role] for role in (SOURCE, CONTEXT, SYSTEM)}
    rest: dict[str, Any] = without(record, name) | ({"system": "\n\n".join(given[SYSTEM])} if given[SYSTEM] else {})
    rows = []
    for one in exchanges([turn for turn in found if turn.role in (USER, ASSISTANT)]):
        around = [*given[CONTEXT], *([one.context] if one.context else [])]
        row = {fields["question"]: one.question, fields["answer"]: one.answer, fields["sources"]: given[SOURCE]}
        rows.append(rest | row | {fields["context"]: "\n\n".join(around) or None})
    return rows or Why("no_answer", "a question and nothing behind it")
