"""Named things: people, firms and places, C# and C++, and what stands in quotation marks."""

from __future__ import annotations

from etl.resolve.features import Features
from etl.resolve.plain import plain_letters
from etl.resolve.vetoes.cut import cut_elsewhere
from etl.resolve.vetoes.evidence import SPANS, Evidence, spans


def names(a: Features, b: Features) -> Evidence | None:
    """Another capitalised word inside a sentence, unless the other text has the word in any spelling.

    >>> differ(names, "Who founded Binance in China?", "Who founded Binance in Malta?")
    name: china | malta
    >>> differ(names, "What is a Halving?", "What is a halving?")
    >>> differ(names, "Who won the first Superbowl?", "Who won the first Super Bowl?")
    >>> differ(names, "It is Earths sister planet", "It is the sister planet of Earth")
    """
    if a.names == b.names:
        return None
    more = tuple(sorted(n for n in a.names - b.names if not _written(n, a, b)))
    less = tuple(sorted(n for n in b.names - a.names if not _written(n, b, a)))
    return Evidence("name", more[:SPANS], less[:SPANS]) if more or less else None


def _written(name: str, own: Features, other: Features) -> bool:
    """Whether a name stands in the other text: an s at its end, accents or a space inside more or less."""
    words = other.words
    if name in words or f"{name}s" in words or (name.endswith("s") and name[:-1] in words):
        return True
    plain = plain_letters(name)
    return any(plain == plain_letters(word) for word in words if word[0] == name[0]) or cut_elsewhere(name, own, other)


def symbols(a: Features, b: Features) -> Evidence | None:
    """C#, C++ and C are three things.

    >>> differ(symbols, "Write it in C#", "Write it in C++")
    symbol: c# | c++
    """
    if a.symbols == b.symbols:
        return None
    return Evidence("symbol", spans(a.symbols - b.symbols), spans(b.symbols - a.symbols))


def quotes(a: Features, b: Features) -> Evidence | None:
    """Each text quotes something that the other does not have in any form.

    >>> differ(quotes, "What prints 'echo Hello World'?", "What prints 'echo Hello, World!'?")
    quote: echo hello world | echo hello, world!
    >>> differ(quotes, 'What is "staking"?', "What is staking?")
    """
    if a.quotes == b.quotes or not a.quotes or not b.quotes:
        return None
    more, less = a.quotes - b.quotes, b.quotes - a.quotes
    return Evidence("quote", spans(more), spans(less)) if more and less else None
