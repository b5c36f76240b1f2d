"""Names of indicators and categories in, one spelling out; and what folder and file names say about them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Self

_SEPARATORS = re.compile(r"[\s_\-/]+")
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
_WORD = re.compile(r"[^\W\d_]+")
_SESSION = re.compile(r"(?i)(?:^|[^a-z0-9])(?:(?:session|sess)[ _-]*0*(\d+)|s0*(\d{2,}))(?!\d)")
# Words of file names that say nothing about the content.
_NOISE = frozenset(
    {"session", "sess", "s", "qa", "qas", "q", "a", "pair", "pairs", "question", "questions", "answer", "answers"}
    | {"and", "data", "dataset", "indicator", "indicators", "crypto", "part", "final", "new", "export", "v", "of"}
)


@dataclass(frozen=True, slots=True)
class Names:
    """Spellings of indicators by their letters and digits in lower case, and the category of each."""

    spellings: Mapping[str, str]
    categories: Mapping[str, str]

    @classmethod
    def known(cls, aliases: Mapping[str, str] | None = None) -> Self:
        """The built-in list, with `aliases` (another name -> the name to show) on top of it."""
        built_in, categories = _built_in()
        if not aliases:
            return cls(built_in, categories)
        own = {_plain(name): _spaced(shown) for name, shown in aliases.items()}
        own |= {_plain(shown): _spaced(shown) for shown in aliases.values()}
        moved = {_plain(old): _plain(own[_plain(old)]) for old in set(built_in.values()) if _plain(old) in own}
        listed = {new: categories[old] for old, new in moved.items() if old in categories}
        through = {name: own.get(_plain(shown), shown) for name, shown in built_in.items()}
        return cls(through | own, categories | listed)

    def indicator(self, name: str) -> str:
        """The one spelling of an indicator; an unknown name only loses superfluous white space."""
        spaced = _spaced(name)
        return self.spellings.get(_plain(spaced), spaced)

    def category_of(self, indicator: str) -> str | None:
        """The category of an indicator of the list."""
        return self.categories.get(_plain(indicator))

    def from_path(self, path: str) -> tuple[str | None, str | None]:
        """(indicator, category) as the file's name, else the nearest folder with a known name, says them.

        A name counts only as a whole, session numbers and words like 'pairs' aside: `session_101_rsi.json` is about
        RSI, `session_102_macd_stochastic.json` about more than one indicator, so about none.
        """
        pure = PurePosixPath(path)
        indicator = category = None
        for name in (pure.name.partition(".")[0], *reversed(pure.parts[:-1])):
            plain = "".join(word for word in _WORD.findall(name.lower()) if word not in _NOISE)
            indicator = indicator or self.spellings.get(plain)
            category = category or next((known for known in _categories() if plain == known.replace("_", "")), None)
        return indicator, category


def category(name: str) -> str:
    """Lower case, with `_` for runs of white space, hyphens and slashes: `On-Chain` and `on chain` are `on_chain`."""
    return _SEPARATORS.sub("_", name.strip().lower()).strip("_") or name.strip()


def source_session(path: str) -> str | None:
    """The sender's session number in a file's name, else in the nearest folder's: session_101, sess-7, s101."""
    for part in reversed(PurePosixPath(path).parts):
        found = _SESSION.search(part)
        if found:
            return found.group(1) or found.group(2)
    return None


@cache
def _built_in() -> tuple[dict[str, str], dict[str, str]]:
    listed = tomllib.loads(files("etl.normalise").joinpath("indicators.toml").read_text(encoding="utf-8"))
    spellings: dict[str, str] = {}
    categories: dict[str, str] = {}
    for group, indicators in listed.items():
        for shown, others in indicators.items():
            categories[_plain(shown)] = group
            spellings |= {_plain(name): shown for name in (shown, *others)}
            spellings |= {_plain(f"{other} ({shown})"): shown for other in others}
            spellings |= {_plain(f"{shown} ({other})"): shown for other in others}
    return spellings, categories


@cache
def _categories() -> tuple[str, ...]:
    return tuple(dict.fromkeys(_built_in()[1].values()))


def _plain(name: str) -> str:
    return _NOT_ALPHANUMERIC.sub("", name.casefold())


def _spaced(name: str) -> str:
    return " ".join(name.split())
