"""Texts in, keys out: the careful content key, the keys of its parts, and the key of an exact text.

Two pairs share a content key only if question, answer and context differ in nothing but Unicode composition, case,
runs of white space, typographic quotes and sentence-final `. ? !`. Anything looser (1.4 and 14, -5% and 5, C# and C
fall together once punctuation goes) is a link for `resolve`, never a key.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable

_QUOTES = str.maketrans(dict.fromkeys("‘’‚‛′", "'") | dict.fromkeys("“”„‟″«»", '"'))
_FINAL = ".?!\u3002\uff1f\uff01\u061f "


def normal_form(text: str) -> str:
    """The text as the content key sees it."""
    if text.isascii():  # nine texts in ten; NFC and the quote table have nothing to do there
        folded = " ".join(text.casefold().split())
        return folded.rstrip(_FINAL) or folded
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    folded = " ".join(folded.translate(_QUOTES).split())
    return folded.rstrip(_FINAL) or folded


def _digest(parts: Iterable[str]) -> str:
    """32 hex digits of sha256 over length-prefixed UTF-8; a lone surrogate counts as its three bytes."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()[:32]


def part_key(text: str) -> str:
    """The key of one normalised part: a question, an answer or a context."""
    return _digest([normal_form(text)])


def content_key(question: str, answer: str, context: str | None = None) -> str:
    """The key of a pair. No context and an empty context are the same."""
    return _digest([normal_form(question), normal_form(answer), normal_form(context or "")])


def pair_keys(question: str, answer: str, context: str | None = None) -> tuple[str, str, str, str | None]:
    """The content key and the keys of its parts, each text normalised once; no context has no key."""
    parts = [normal_form(question), normal_form(answer), normal_form(context or "")]
    return _digest(parts), _digest(parts[:1]), _digest(parts[1:2]), _digest(parts[2:]) if context else None


def text_key(text: str) -> str:
    """The key of one exact text, byte for byte: what a vector belongs to."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
