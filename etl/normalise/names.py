"""Names of indicators and categories in, one spelling out; and what folder and file names say about them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Self

_SEPARATORS = re.compile(r"[\s_\-/]+")
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
_WORD = re.compile(r"[^\W\d_]+")
_SESSION = re.compile(r"(?i)(?:^|[^a-z0-9])(?:(?:session|sess)[ _-]*0*(\d+)|s0*(\d{2,}))(?!\d)")
CATEGORY, PLACE = "category:", "path:"  # what a key of `aliases` begins with that speaks of something else
_ABOUT_FILES = frozenset({"category", "categories", "trivia", "quiz", "topic", "topics"})
# Words of file names that say nothing about the content.
_NOISE = frozenset(
    {"session", "sess", "s", "qa", "qas", "q", "a", "pair", "pairs", "question", "questions", "answer", "answers"}
    | {"and", "data", "dataset", "indicator", "indicators", "crypto", "part", "final", "new", "export", "v", "of"}
)


@dataclass(frozen=True, slots=True)
class Names:
    """Spellings of indicators by their letters and digits in lower case, and the category of each; synonyms of
    categories likewise; and the category of files whose paths fit a pattern."""

    spellings: Mapping[str, str]
    categories: Mapping[str, str]
    synonyms: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def known(cls, aliases: Mapping[str, str] | None = None) -> Self:
        """The built-in list, with `aliases` (another name -> the name to show) on top of it; see `spoken`."""
        built_in, categories = _built_in()
        if not aliases:
            return cls(built_in, categories)
        given = {kind: {name[len(kind):]: shown for name, shown in aliases.items() if name.startswith(kind)}
                 for kind in (CATEGORY, PLACE)}  # fmt: skip
        synonyms = {_plain(name): category(shown) for name, shown in given[CATEGORY].items()}
        places = {pattern: category(shown) for pattern, shown in given[PLACE].items()}
        aliases = {name: shown for name, shown in aliases.items() if not name.startswith((CATEGORY, PLACE))}
        own = {_plain(name): _spaced(shown) for name, shown in aliases.items()}
        own |= {_plain(shown): _spaced(shown) for shown in aliases.values()}
        moved = {_plain(old): _plain(own[_plain(old)]) for old in set(built_in.values()) if _plain(old) in own}
        listed = {new: categories[old] for old, new in moved.items() if old in categories}
        through = {name: own.get(_plain(shown), shown) for name, shown in built_in.items()}
        return cls(through | own, categories | listed, synonyms, places)

    def indicator(self, name: str) -> str:
        """The one spelling of an indicator; an unknown name only loses superfluous white space."""
        spaced = _spaced(name)
        return self.spellings.get(_plain(spaced), spaced)

    def category(self, name: str) -> str:
        """The one spelling of a category: its synonym's, else `category`'s."""
        return self.synonyms.get(_plain(name), category(name))

    def category_of(self, indicator: str) -> str | None:
        """The category of an indicator of the list."""
        listed = self.categories.get(_plain(indicator))
        return None if listed is None else self.category(listed)

    def from_path(self, path: str) -> dict[str, tuple[str, str]]:
        """Indicator and category as a pattern of the user, the file's name, else the nearest folder with a known name
        says them, each with where it was found: settings, file_name or folder.

        A name counts only as a whole, session numbers and words like 'pairs' aside: `session_101_rsi.json` is about
        RSI, `session_102_macd_stochastic.json` about more than one indicator, so about none.
        """
        pure = PurePosixPath(path)
        found: dict[str, tuple[str, str]] = {}
        for pattern, shown in self.places.items():
            if fnmatchcase(path, pattern) or fnmatchcase(path, f"*/{pattern}"):
                found.setdefault("category", (shown, "settings"))
        known = {_plain(name): self.category(name) for name in _categories()} | dict(self.synonyms)
        for place, name in enumerate((pure.name.partition(".")[0], *reversed(pure.parts[:-1]))):
            where = "folder" if place else "file_name"
            plain = "".join(word for word in _WORD.findall(name.lower()) if word not in _NOISE)
            if plain in self.spellings:
                found.setdefault("indicator", (self.spellings[plain], where))
            if plain in known:
                found.setdefault("category", (known[plain], where))
        return found


def spoken(indicators: Mapping[str, str], categories: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
    """All a user says about names, as one `aliases`: other names of indicators, of categories, and categories of the
    files whose paths fit a pattern."""
    return (
        dict(indicators)
        | {f"{CATEGORY}{name}": shown for name, shown in categories.items()}
        | {f"{PLACE}{pattern}": shown for pattern, shown in places.items()}
    )


def category_of_file(path: str) -> str | None:
    """The category after which a file is named, its words of no meaning aside: `categories__animals` is `animals`."""
    stem = PurePosixPath(path).name.partition(".")[0].lower()
    words = [word for word in _WORD.findall(stem) if word not in _NOISE | _ABOUT_FILES]
    return "_".join(words) or None


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
