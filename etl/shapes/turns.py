"""The turns of a conversation in, exchanges out: what was asked, what was answered, and what was said before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from etl.detect.names import plain
from etl.shapes.values import as_text

USER, ASSISTANT, SYSTEM, TOOL = "user", "assistant", "system", "tool"
_ROLES = {
    USER: ("user", "usr", "human", "prompter", "customer", "client", "questioner"),
    ASSISTANT: ("assistant", "gpt", "chatgpt", "bot", "chatbot", "model", "ai", "agent", "bard", "bing", "answerer"),
    SYSTEM: ("system", "developer"),
    TOOL: (
        "tool", "function", "functioncall", "functionresponse", "toolcall", "toolcalls", "toolresponse", "toolresult",
        "observation", "ipython",
    ),
}  # fmt: skip
ROLES = {name: role for role, names in _ROLES.items() for name in names}
ROLE_MEMBERS = ("role", "from", "speaker", "author")
TEXT_MEMBERS = ("content", "value", "text", "message", "utterance")
# Each pair holds all that was said before it, so a conversation costs the square of its turns.
MOST_TURNS = 500


class Turn(NamedTuple):
    """Who spoke, the text, and what of the turn is no text (pictures, calls of tools)."""

    role: str
    text: str
    more: Any = None


class UnknownRole(ValueError):  # noqa: N818 - it says what was found
    """A turn by somebody who is neither user, assistant, system nor tool."""


@dataclass(slots=True)
class Exchange:
    """One pair. `tools` are the turns of tools between question and answer, `media` what stood beside the texts."""

    question: str
    answer: str
    context: str | None
    tools: list[str] = field(default_factory=list)
    media: list[Any] = field(default_factory=list)


def as_turn(value: Any) -> Turn:
    """One turn of any of the known layouts. Raises UnknownRole."""
    if not isinstance(value, dict):
        raise UnknownRole(f"{type(value).__name__} instead of a turn")
    said = next((value[name] for name in ROLE_MEMBERS if name in value), None)
    role = ROLES.get(plain(said)) if isinstance(said, str) else None
    if role is None:
        raise UnknownRole(f"{said!r} is no known role")
    text, more = _content(next((value[name] for name in TEXT_MEMBERS if value.get(name) is not None), None))
    calls = value.get("tool_calls") or value.get("function_call")
    if calls and not text.strip():
        return Turn(TOOL, as_text(calls) or "")
    return Turn(role, text, more)


def _content(value: Any) -> tuple[str, Any]:
    """The text of a content, and its parts that are no text."""
    if not isinstance(value, list):
        return as_text(value) or "", None
    texts, others = [], []
    for part in value:
        text = part if isinstance(part, str) else part.get("text") if isinstance(part, dict) else None
        if isinstance(text, str):
            texts.append(text)
        else:
            others.append(part)
    return "\n".join(texts), others or None


def as_turns(values: Sequence[Any]) -> list[Turn]:
    """All turns of a conversation. Raises UnknownRole."""
    return [as_turn(value) for value in values]


def said(turns: Sequence[Turn]) -> str | None:
    """Earlier turns as one text, each with who spoke; nothing of system and tools."""
    names = {USER: "User", ASSISTANT: "Assistant"}
    lines = [f"{names[turn.role]}: {turn.text}" for turn in turns if turn.role in names and turn.text.strip()]
    return "\n\n".join(lines) or None


def exchanges(turns: Sequence[Turn]) -> list[Exchange]:
    """One exchange for each answered question, in order. What the assistant says after the last call of a tool is the
    answer; questions without an answer stay in the context of the later ones."""
    found: list[Exchange] = []
    before: list[Turn] = []
    asked: list[Turn] = []
    replies: list[Turn] = []

    def close() -> None:
        tools = [i for i, turn in enumerate(replies) if turn.role == TOOL]
        after = [turn.text for turn in replies[tools[-1] + 1 if tools else 0 :] if turn.text.strip()]
        spoken = after or [turn.text for turn in replies if turn.role == ASSISTANT and turn.text.strip()][-1:]
        question = "\n\n".join(turn.text for turn in asked if turn.text.strip())
        if question and spoken:
            media = [turn.more for turn in (*asked, *replies) if turn.more]
            called = [replies[i].text for i in tools]
            found.append(Exchange(question, "\n\n".join(spoken), said(before), called, media))
        before.extend([*asked, *(turn for turn in replies if turn.role != TOOL)])
        asked.clear()
        replies.clear()

    for turn in turns:
        if turn.role == USER and replies:
            close()
        if turn.role == USER:
            asked.append(turn)
        elif turn.role != SYSTEM:
            replies.append(turn)
    close()
    return found
