"""Comparatives: what bounds a number, and the degree of an adjective."""

from __future__ import annotations

from etl.resolve.features import Features
from etl.resolve.lexicon import listed
from etl.resolve.vetoes.evidence import SPANS, Evidence, same, spans

_ADJECTIVES = listed(
    "high low large small big fast slow strong weak great long short wide narrow easy hard cheap safe risky "
    "early late deep old new young tight loose heavy light near close simple volatile rare tall thin thick "
    "smooth sharp steep"
)


def _grades(word: str) -> tuple[str, str, str]:
    """A short adjective, its comparative and its superlative."""
    if word.endswith("y"):
        stem = f"{word[:-1]}i"
    elif word == "big" or word == "thin":
        stem = word + word[-1]
    else:
        stem = word.removesuffix("e")
    return word, f"{stem}er", f"{stem}est"


_FAMILIES = (*map(_grades, _ADJECTIVES), ("good", "better", "best"), ("bad", "worse", "worst"), ("more", "most"),
             ("less", "least"), ("few", "fewer", "fewest"))  # fmt: skip
_FAMILY = {word: family[0] for family in _FAMILIES for word in family}


def bounds(a: Features, b: Features) -> Evidence | None:
    """The same number, bounded otherwise: more than 5 is not at least 5, and not 5.

    >>> differ(bounds, "It needs more than 5 peers", "It needs at least 5 peers")
    comparative: more than 5 | at least 5
    >>> differ(bounds, "RSI stays above the 70 level", "RSI stays at the 70 level")
    comparative: more than 70 | -
    >>> differ(bounds, "over 70", "greater than 70")
    >>> differ(bounds, "no more than 2% a trade", "at most 2% a trade")
    """
    if same(a.bounds, b.bounds):
        return None
    return Evidence("comparative", spans(a.bounds - b.bounds), spans(b.bounds - a.bounds))


def degrees(a: Features, b: Features) -> Evidence | None:
    """An adjective in another degree.

    >>> differ(degrees, "Bitcoin has high fees", "Bitcoin has higher fees")
    comparative: high | higher
    >>> differ(degrees, "a good time to buy", "the best time to buy")
    comparative: good | best
    >>> differ(degrees, "It reaches a high price", "It reaches a price that is high")
    """
    more, less = a.words - b.words, b.words - a.words
    families = {_FAMILY[word] for word in more if word in _FAMILY} & {_FAMILY[word] for word in less if word in _FAMILY}
    if not families:
        return None
    first, second = (
        tuple(sorted(word for word in words if _FAMILY.get(word) in families))[:SPANS] for words in (more, less)
    )
    return Evidence("comparative", first, second)
