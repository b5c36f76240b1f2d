"""Bytes in, a JSON value of records out, made of the names and texts that deliveries have.

So the fuzzer reaches the shapes behind the parser, where mutated text seldom gets to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

_WORDS = (
    "question answer id category indicator sources context title ask text label options choices answerKey stem "
    "conversations messages from value role content instruction input output prompt chosen rejected completion "
    "intents tag patterns responses data paragraphs qas answers instances turns answer1 answer2 answer3 a b c d "
    "q response clue metadata qa_pairs name body correct table rows questions score is_correct type phrasings "
    "alternatives premise hypothesis intent table_text order rel_paragraphs derivation scale uid url wrong1 rating"
)
_NAMES = _WORDS.split()
_TEXTS = (
    "What is A?", "One.", "", " ", "A", "B", "1", "0", "NONE", "human", "gpt", "system", "user", "assistant", "tool",
    "x;y", "<p>a</p>", "Q: Why? A: So.", "User: Hi\nAssistant: Ho", "true", "RSI", "https://a.example/b", '["a", "b"]',
    '{"text": ["a"], "label": ["A"]}', "yes", "\U0001f600", "?", "a" * 200, "是什么？", "<image>", "{{name}}",
    "- a\n- b",
)  # fmt: skip
_DEEPEST = 5
_LONGEST = 12  # members of an object or a list


def grown(data: bytes) -> Any:
    """The same value for the same bytes. A byte decides one thing; after the last one everything is a short text."""
    return _value(chain(data, repeat(1)), 0)


def _value(given: Iterator[int], depth: int) -> Any:
    kind = next(given) % 16
    if depth < _DEEPEST and kind in (0, 2, 4, 6):
        return {_NAMES[next(given) % len(_NAMES)]: _value(given, depth + 1) for _ in range(next(given) % _LONGEST)}
    if depth < _DEEPEST and kind in (8, 10):
        return [_value(given, depth + 1) for _ in range(next(given) % _LONGEST)]
    if depth < _DEEPEST and kind == 12:  # alike records, as real ones are
        names = [_NAMES[next(given) % len(_NAMES)] for _ in range(1 + next(given) % 6)]
        return [{name: _value(given, depth + 2) for name in names} for _ in range(next(given) % _LONGEST)]
    if kind == 14:
        return (None, True, 0, 1, 2, -1, 1.5, 10**20)[next(given) % 8]
    return _TEXTS[next(given) % len(_TEXTS)]
