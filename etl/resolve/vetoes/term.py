"""Terms of the domain and tickers: RSI is not MACD, and it is the Relative Strength Index."""

from __future__ import annotations

from etl.resolve.features import Features
from etl.resolve.vetoes.cut import cut_elsewhere
from etl.resolve.vetoes.evidence import SPANS, Evidence, spans


def terms(a: Features, b: Features) -> Evidence | None:
    """Another term of the domain list; synonyms are one term.

    >>> differ(terms, "What is RSI?", "What is MACD?")
    term: relative strength index | moving average convergence divergence
    >>> differ(terms, "What is RSI?", "What is the Relative Strength Index?")
    >>> differ(terms, "What is the RSI?", "What is the stochastic RSI?")
    term: relative strength index | stochastic RSI
    """
    if a.terms == b.terms:
        return None
    return Evidence("term", spans(a.terms - b.terms), spans(b.terms - a.terms))


def tickers(a: Features, b: Features) -> Evidence | None:
    """Another acronym or $ticker, unless the other text has it in small letters or spells it out.

    >>> differ(tickers, "Is XYZ a buy?", "Is XZY a buy?")
    ticker: xyz | xzy
    >>> differ(tickers, "What does DAO stand for?", "What is a Decentralized Autonomous Organization?")
    >>> differ(tickers, "Is COVID-19 a pandemic?", "Is Covid-19 a pandemic?")
    >>> differ(tickers, "When did WWII end?", "When did WW II end?")
    """
    if a.tickers == b.tickers:
        return None
    more = tuple(sorted(t for t in a.tickers - b.tickers if t not in b.words and not _spelled_out(t, a, b)))
    less = tuple(sorted(t for t in b.tickers - a.tickers if t not in a.words and not _spelled_out(t, b, a)))
    return Evidence("ticker", more[:SPANS], less[:SPANS]) if more or less else None


def _spelled_out(acronym: str, own: Features, other: Features) -> bool:
    initials = "".join(word[0] for word in other.lows)
    if len(acronym) > 2 and acronym.removeprefix("$") in initials:
        return True
    return cut_elsewhere(acronym, own, other)
