"""A text in; which kinds of secrets stand in it, and the same text without them, out. Of what leaves by git, handoff,
log or notice.

Only keys, tokens and passwords: names and addresses may well stand in a person's own notes. Patterns know the keys of
known providers; the exact values of what was loaded here (variables, addresses of notices) are looked for as well,
because no pattern knows them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from quality.assess.shapes import Kind

LOADED = "loaded_secret"
SHORTEST = 8  # a shorter value would be found in ordinary words
SEEN_AGAIN = 100  # characters
_NO_TEXT = frozenset((int, float, bool, type(None)))
_PUBLIC = re.compile(r"localhost|\d+|(?:[\w-]+\.)+[a-z]{2,}|(?:\d+\.){3}\d+", re.IGNORECASE)  # hosts and ports


@dataclass(frozen=True, slots=True)
class Redactor:
    """Finds secrets by pattern, and by the exact `values` it was given."""

    values: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, environment: Mapping[str, str], *, names: Iterable[str] = (), addresses: Iterable[str] = ()
    ) -> Redactor:
        """With the values of the variables whose names match `names` (`*_API_KEY`), and what is secret in addresses."""
        wanted = list(names)
        values = {value for name, value in environment.items() if any(fnmatchcase(name, each) for each in wanted)}
        for address in addresses:
            values |= {address, *_parts(address)}
        return cls(tuple(sorted((v for v in values if len(v) >= SHORTEST), key=len, reverse=True)))

    def ready(self) -> None:
        """Load the patterns, which takes half a second the first time: not while a lock is held."""
        _kinds()

    def kinds(self, text: str) -> list[str]:
        """The kinds of secrets in a text, never the secrets."""
        found = [LOADED] if any(value in text for value in self.values) else []
        return found + [kind.name for kind, hint in _kinds() if hint.search(text) and any(_matches(kind, text))]

    def clean(self, text: str) -> str:
        """The text with every secret replaced by its kind."""
        if len(text) < SHORTEST:
            return text
        return _cleaned(self.values, text) if len(text) <= SEEN_AGAIN else self._clean(text)

    def _clean(self, text: str) -> str:
        for value in self.values:
            text = text.replace(value, f"[{LOADED}]")
        for kind, hint in _kinds():
            if hint.search(text):
                for match in _matches(kind, text):
                    text = text.replace(match[0], f"[{kind.name}]")
        return text

    def clean_data(self, data: Any) -> Any:
        """The same for every text in plain values, however deep; keys stay."""
        if isinstance(data, str):
            return self.clean(data)
        if isinstance(data, (dict, Mapping)):  # the books are cleaned at each entry: what holds no text costs no call
            return {k: v if type(v) in _NO_TEXT else self.clean_data(v) for k, v in data.items()}
        if isinstance(data, (list, tuple, Sequence)):
            return [v if type(v) in _NO_TEXT else self.clean_data(v) for v in data]
        return data


BY_PATTERN = Redactor()


@lru_cache(maxsize=4096)  # names, states and times come again and again
def _cleaned(values: tuple[str, ...], text: str) -> str:
    return Redactor(values)._clean(text)


def _matches(kind: Kind, text: str) -> list[re.Match[str]]:
    return [match for match in kind.pattern.finditer(text) if kind.check(match)]


@cache
def _kinds() -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    from quality.assess.shapes import SECRETS

    return tuple((kind, re.compile(kind.hint)) for kind in SECRETS)  # the hint is cheap, and most texts hold none


def _parts(address: str) -> Iterable[str]:
    """The pieces of an address that may be a token: errors of providers tell them in addresses of another form."""
    body = address.partition("://")[2]
    user, at, _ = body.rpartition("@")
    pieces = re.split(r"[/@?&=#,;]", body) + re.split("[:]", user if at else "")
    for piece in pieces:
        plain = piece.partition(":")[0] if _PUBLIC.fullmatch(piece.partition(":")[0]) else piece
        if not _PUBLIC.fullmatch(plain):
            yield from {plain, unquote(plain)}
