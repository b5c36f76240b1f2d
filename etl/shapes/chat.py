"""Conversations of user and assistant (ShareGPT `conversations[{from, value}]`, `messages[{role, content}]`) in, one
pair a turn out. Earlier turns are the context; system prompts, tool turns and pictures stay in the metadata."""

from __future__ import annotations

from typing import Any

from etl.detect.format import Refusal
from etl.detect.mapping import Mapping, by_names
from etl.detect.names import plain
from etl.detect.outline import Column, Outline
from etl.shapes.base import Batch, Match
from etl.shapes.several import Row, Why, several
from etl.shapes.turns import (
    ASSISTANT,
    MOST_TURNS,
    ROLE_MEMBERS,
    ROLES,
    SYSTEM,
    TEXT_MEMBERS,
    USER,
    Turn,
    UnknownRole,
    as_turns,
    exchanges,
)

CHATS = ("conversations", "conversation", "messages", "dialog", "dialogue", "dialogs", "turns", "utterances")


def recognise_chat(outline: Outline) -> Match | Refusal | None:
    """A list of turns, most of them by roles that are known; refused where it is not known who answers whom."""
    turns = outline.find(*CHATS)
    if turns is None or turns.share(list) < 0.5 or by_names(outline).is_sure:
        return None
    names = turn_names(turns)
    if names is None:
        if turns.name in CHATS[:3]:
            return Refusal("unsupported_shape", f"chat: turns under {turns.name!r} without user and assistant")
        return None
    evidence = (f"turns under {turns.name!r}",)
    fields = {"question": names[USER], "answer": names[ASSISTANT], "context": f"{turns.name}[before]"}
    return Match("chat", Mapping(fields | around(outline), 1.0, evidence), {"turns": turns.name}, whole=True)


def turn_names(turns: Column) -> dict[str, str] | None:
    """How the sender names the texts of user and assistant, as `conversations[from=human].value`; None where most
    turns are by nobody that is known."""
    inner = [turn for given in turns.values[:200] if isinstance(given, list) for turn in given]
    objects = [turn for turn in inner if isinstance(turn, dict)]
    role = next((name for name in ROLE_MEMBERS if any(name in turn for turn in objects)), None)
    if role is None:
        return None
    text = next((name for name in TEXT_MEMBERS if any(name in turn for turn in objects)), "content")
    spoken = [turn.get(role) for turn in objects]
    known = [name for name in spoken if isinstance(name, str) and plain(name) in ROLES]
    if len(known) < 0.5 * len(inner):
        return None
    first: dict[str, str] = {}
    for name in known:
        first.setdefault(ROLES[plain(name)], f"{turns.name}[{role}={name}].{text}")
    return first if {USER, ASSISTANT} <= first.keys() else None


def around(outline: Outline) -> dict[str, str]:
    """What names say of everything but question, answer and context."""
    fields = by_names(outline).fields
    return {ours: fields[ours] for ours in ("indicator", "category", "sources", "licence") if ours in fields}


def prepare_chat(batch: Batch, match: Match) -> Batch:
    """One row an exchange."""
    return several(batch, lambda record: _rows(record, match))


def _rows(record: Row, match: Match) -> list[Row] | Why:
    turns = turns_of(record.get(match.details["turns"]))
    if isinstance(turns, Why):
        return turns
    rest = without(record, match.details["turns"]) | system(record, turns)
    rows = [rest | pair for pair in pairs(turns, match)]
    return rows or Why("no_answer", "no turn of a user that is answered")


def turns_of(value: Any) -> list[Turn] | Why:
    """The turns of a conversation, or why it cannot be read."""
    if not isinstance(value, list) or not value:
        return Why("no_question", "no turns")
    if len(value) > MOST_TURNS:
        return Why("too_many_turns", f"{len(value)} turns, {MOST_TURNS} are allowed")
    try:
        return as_turns(value)
    except UnknownRole as unknown:
        return Why("unknown_role", str(unknown))


def pairs(turns: list[Turn], match: Match) -> list[Row]:
    """The exchanges under the names of the mapping."""
    fields = match.mapping.fields
    rows = []
    for one in exchanges(turns):
        row: Row = {fields["question"]: one.question, fields["answer"]: one.answer, fields["context"]: one.context}
        row |= {"tool_turns": one.tools} if one.tools else {}
        rows.append(row | ({"media": one.media} if one.media else {}))
    return rows


def system(record: Row, turns: list[Turn]) -> Row:
    """The system prompt, for the metadata; one that the record names itself stays."""
    texts = [turn.text for turn in turns if turn.role == SYSTEM and turn.text.strip()]
    return {"system": "\n\n".join(texts)} if texts and not record.get("system") else {}


def without(record: Row, *names: str) -> Row:
    """A record less some of its members."""
    return {name: value for name, value in record.items() if name not in names}
