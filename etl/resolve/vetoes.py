"""Two texts' features in, the typed difference between them out: what forbids to call look-alikes the same.

A veto looks at the difference of the two texts, never at what stands in both. It errs on the side of speaking up: a
vetoed pair waits for a person, a wrong merge loses a row. The examples in the docstrings are run as tests.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from etl.resolve.features import Features
from etl.resolve.lexicon import lexicon

Veto = Callable[[Features, Features], "Evidence | None"]
SPANS = 8  # how many differing spans of each side are kept as evidence


@dataclass(frozen=True, slots=True)
class Evidence:
    """A typed difference: `a` and `b` hold what stands in that text only."""

    kind: str
    a: tuple[str, ...]
    b: tuple[str, ...]

    @property
    def contradicts(self) -> bool:
        """Both texts have something where the other differs (14 and 21), not one text something more."""
        return bool(self.a and self.b) or self.kind == "negation"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"kind": self.kind, "a": list(self.a), "b": list(self.b)}


def first_veto(a: Features, b: Features) -> Evidence | None:
    """The first veto that speaks, in the order of `VETOES`; None where the texts differ in nothing that counts."""
    if a.text == b.text:
        return None
    for veto in VETOES:
        found = veto(a, b)
        if found is not None:
            return found
    return None


def numbers(a: Features, b: Features) -> Evidence | None:
    """Another number, as a multiset; digits and small written numbers are the same, and so are 1,000 and 1000.

    >>> differ(numbers, "RSI uses 14 periods", "RSI uses 21 periods")
    number: 14 | 21
    >>> differ(numbers, "a fee of 0.1%", "a fee of 1%")
    number: 0.1 | 1
    >>> differ(numbers, "it fell by -5%", "it fell by 5%")
    number: -5 | 5
    >>> differ(numbers, "two lines and 1,000 trades", "2 lines and 1000 trades")
    >>> differ(numbers, "10k coins", "10,000 coins")
    """
    if _same(a.numbers, b.numbers):
        return None
    more, less = a.numbers - b.numbers - b.dates, b.numbers - a.numbers - a.dates  # 1,000 is no year, 1000 may be
    if not more and not less:
        return None
    if not more or not less:  # 100 against 1000, which may be a year
        more, less = (more or a.dates - b.dates - b.numbers), (less or b.dates - a.dates - a.numbers)
    if set(more) | set(less) == {"1"} and more["1"] <= b.ones and less["1"] <= a.ones:
        return None  # 'one' against '1'
    return Evidence("number", _spans(more), _spans(less))


def dates(a: Features, b: Features) -> Evidence | None:
    """Another year, month, weekday or time frame.

    >>> differ(dates, "the halving of 2020", "the halving of 2024")
    date: 2020 | 2024
    >>> differ(dates, "the daily chart", "the weekly chart")
    date: day | week
    >>> differ(dates, "the 1-day RSI", "the 1-week RSI")
    date: 1 day | 1 week
    >>> differ(dates, "the 4h chart", "the 4 hour chart")
    >>> differ(dates, "the annual rate and the term in months", "the annual rate and the term in years")
    date: month | year
    """
    if not _same(a.dates, b.dates):
        years_more, years_less = a.dates - b.dates - b.numbers, b.dates - a.dates - a.numbers
        if years_more or years_less:
            return Evidence("date", _spans(years_more), _spans(years_less))
    if not _same(a.calendar, b.calendar):
        named_more, named_less = a.calendar - b.calendar, b.calendar - a.calendar
        if named_more and named_less:
            return Evidence("date", _spans(named_more), _spans(named_less))
    if a.frames == b.frames and a.spans == b.spans:
        return None
    framed_a, framed_b = a.frames | a.spans, b.frames | b.spans
    more = tuple(
        sorted(f for f in framed_a - framed_b if f"1 {f}" not in framed_b and f.removeprefix("1 ") not in framed_b)
    )
    less = tuple(
        sorted(f for f in framed_b - framed_a if f"1 {f}" not in framed_a and f.removeprefix("1 ") not in framed_a)
    )
    if (more and less) or set(more) & a.frames or set(less) & b.frames:
        return Evidence("date", more, less)
    return None


def units(a: Features, b: Features) -> Evidence | None:
    """The same number in another unit, or with a unit on one side only.

    >>> differ(units, "a stop of 5 percent", "a stop of 5 dollars")
    unit: 5 percent | 5 usd
    >>> differ(units, "a fee of $5", "a fee of 5 dollars")
    """
    if _same(a.quantities, b.quantities):
        return None
    return Evidence("unit", _spans(a.quantities - b.quantities), _spans(b.quantities - a.quantities))


def negation(a: Features, b: Features) -> Evidence | None:
    """Another number of negations, however they are worded.

    >>> differ(negation, "RSI is a leading indicator", "RSI isn't a leading indicator")
    negation: - | isn't
    >>> differ(negation, "You can trade without a stop", "You can trade with a stop")
    negation: without | -
    >>> differ(negation, "custodial wallets", "non-custodial wallets")
    negation: - | non
    >>> differ(negation, "it is not safe", "it isn't safe")
    """
    if a.negations.total() == b.negations.total():
        return None
    return Evidence("negation", _spans(a.negations - b.negations), _spans(b.negations - a.negations))


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
    return Evidence("term", _spans(a.terms - b.terms), _spans(b.terms - a.terms))


def tickers(a: Features, b: Features) -> Evidence | None:
    """Another acronym or $ticker, unless the other text has it in small letters or spells it out.

    >>> differ(tickers, "Is XYZ a buy?", "Is XZY a buy?")
    ticker: xyz | xzy
    >>> differ(tickers, "What does DAO stand for?", "What is a Decentralized Autonomous Organization?")
    >>> differ(tickers, "Is COVID-19 a pandemic?", "Is Covid-19 a pandemic?")
    """
    if a.tickers == b.tickers:
        return None
    more = tuple(sorted(t for t in a.tickers - b.tickers if t not in b.words and not _spelled_out(t, b)))
    less = tuple(sorted(t for t in b.tickers - a.tickers if t not in a.words and not _spelled_out(t, a)))
    return Evidence("ticker", more[:SPANS], less[:SPANS]) if more or less else None


def names(a: Features, b: Features) -> Evidence | None:
    """Another capitalised word inside a sentence, unless the other text has the word in any spelling.

    >>> differ(names, "Who founded Binance in China?", "Who founded Binance in Malta?")
    name: china | malta
    >>> differ(names, "What is a Halving?", "What is a halving?")
    """
    if a.names == b.names:
        return None
    more = tuple(sorted(n for n in a.names - b.names if n not in b.words))
    less = tuple(sorted(n for n in b.names - a.names if n not in a.words))
    return Evidence("name", more[:SPANS], less[:SPANS]) if more or less else None


def symbols(a: Features, b: Features) -> Evidence | None:
    """C#, C++ and C are three things.

    >>> differ(symbols, "Write it in C#", "Write it in C++")
    symbol: c# | c++
    """
    if a.symbols == b.symbols:
        return None
    return Evidence("symbol", _spans(a.symbols - b.symbols), _spans(b.symbols - a.symbols))


def antonyms(a: Features, b: Features) -> Evidence | None:
    """A word on one side where its opposite stands on the other, from the list or by a prefix.

    >>> differ(antonyms, "What is the bid price?", "What is the ask price?")
    antonym: bid | ask
    >>> differ(antonyms, "Early kidney disease", "Advanced kidney disease")
    antonym: early | advanced
    >>> differ(antonyms, "Is staking regulated?", "Is staking unregulated?")
    antonym: regulated | unregulated
    >>> differ(antonyms, "Does a high RSI mean a low price?", "Does a low price follow a high RSI?")
    """
    if not _same(a.poles, b.poles):
        more, less = a.poles - b.poles, b.poles - a.poles
        turned = {(line, side) for line, side in more if (line, 1 - side) in less}
        if turned:
            return Evidence("antonym", _sided(a, b, turned), _sided(b, a, {(line, 1 - side) for line, side in turned}))
    for one, other, swapped in ((a.words, b.words, False), (b.words, a.words, True)):
        for word in sorted(word for word in other - one if word.startswith(_PREFIXES)):
            for prefix in _PREFIXES:
                bare = word.removeprefix(prefix)
                if len(bare) > 3 and bare != word and bare in one and bare not in other:
                    found = ((bare,), (word,))
                    return Evidence("antonym", *(found[::-1] if swapped else found))
    return None


def quotes(a: Features, b: Features) -> Evidence | None:
    """Each text quotes something that the other does not have in any form.

    >>> differ(quotes, "What prints 'echo Hello World'?", "What prints 'echo Hello, World!'?")
    quote: echo hello world | echo hello, world!
    >>> differ(quotes, 'What is "staking"?', "What is staking?")
    """
    if a.quotes == b.quotes or not a.quotes or not b.quotes:
        return None
    more, less = a.quotes - b.quotes, b.quotes - a.quotes
    return Evidence("quote", _spans(more), _spans(less)) if more and less else None


def order(a: Features, b: Features) -> Evidence | None:
    """The same numbers, terms, names and opposites, but changed over.

    >>> differ(order, "Is BTC above ETH?", "Is ETH above BTC?")
    order: bitcoin, ethereum | ethereum, bitcoin
    """
    if a.order == b.order or len(a.order) < 2:
        return None
    common = set(a.order) & set(b.order)
    for kinds in _SWAPPABLE:
        first = [tag for tag in a.order if tag in common and tag.startswith(kinds)]
        second = [tag for tag in b.order if tag in common and tag.startswith(kinds)]
        if first == second or (kinds is _NAMED and sum(tag != "not not" for tag in first) < 2):
            continue
        moved = [i for i, (x, y) in enumerate(zip(first, second, strict=True)) if x != y][:SPANS]
        return Evidence("order", tuple(_bare(first[i]) for i in moved), tuple(_bare(second[i]) for i in moved))
    return None


def assignment(a: Features, b: Features) -> Evidence | None:
    """The same terms or names and the same two numbers or more, but each other's.

    >>> differ(assignment, "RSI takes 14 bars, MACD 26 and 12", "MACD takes 14 bars, RSI 26 and 12")
    order: relative strength index, moving average convergence divergence | moving average convergence divergence, \
relative strength index
    >>> differ(assignment, "Is BTC above ETH?", "Is ETH above BTC?")
    """
    numbers_a, numbers_b = ([tag for tag in f.order if tag.startswith("number ")] for f in (a, b))
    found = order(a, b)
    return found if found is not None and len(numbers_a) >= 2 and numbers_a == numbers_b else None


def moved(a: Features, b: Features) -> Evidence | None:
    """Words that stand once in each text and have changed places, wherever both texts share nearly all their words.

    >>> differ(moved, "The fast line takes 9 bars, the slow one 26", "The slow line takes 9 bars, the fast one 26")
    moved: slow, fast | fast, slow
    >>> differ(moved, "It sums volume over time", "It sums all volume over time")
    """
    soft = lexicon().soft
    seen_a, seen_b = Counter(a.lows), Counter(b.lows)
    once = {word for word, n in seen_a.items() if n == 1 and seen_b.get(word) == 1 and word not in soft}
    first, second = [w for w in a.lows if w in once], [w for w in b.lows if w in once]
    if first == second:
        return None
    place = {word: n for n, word in enumerate(first)}
    stayed = _longest_rising([place[word] for word in second])
    gone = [word for n, word in enumerate(second) if n not in stayed]
    beside = [first[n] if n < len(first) else "" for n, word in enumerate(second) if word in gone]
    return Evidence("moved", tuple(gone[:SPANS]), tuple(beside[:SPANS]))


def _longest_rising(places: list[int]) -> set[int]:
    """Indexes of a longest rising subsequence (patience sorting)."""
    tails: list[int] = []
    before: list[int] = []
    for n, value in enumerate(places):
        at = bisect_left(tails, value, key=lambda i: places[i])
        before.append(tails[at - 1] if at else -1)
        tails[at : at + 1] = [n]
    kept, n = set(), tails[-1] if tails else -1
    while n >= 0:
        kept.add(n)
        n = before[n]
    return kept


# What can change places only among its own kind; which of two names a negation stands at counts as well.
_NAMED = ("term ", "name ", "not ")
_SWAPPABLE = (_NAMED, ("number ",), ("word ", "not "))
VETOES: tuple[Veto, ...] = (numbers, dates, units, negation, terms, tickers, names, symbols, quotes, antonyms, order)
# What can make two answers exclude each other, the plainest first.
CONTRADICTIONS: tuple[Veto, ...] = (
    numbers,
    dates,
    units,
    negation,
    antonyms,
    terms,
    tickers,
    names,
    symbols,
    assignment,
)
_PREFIXES = ("un", "in", "im", "ir", "il", "non", "dis", "anti", "de")


def same_matter(a: tuple[str, ...], b: tuple[str, ...], lows: frozenset[str]) -> bool:
    """Whether two questions (see `features.matter`) ask about the same: the same words that matter, and in the same
    order where a directional word (`lows`: the words of both) gives order a meaning.

    Measured: among NQ-open questions at cosine 0.98 with one answer, 'the eagles win the super bowl' stands beside
    'the eagles win last super bowl'; a share of common words does not tell them apart, only this does.
    """
    if a == b:
        return True
    return set(a) == set(b) and not (lows & lexicon().directional)


# Counter's own == walks through both in Python to let zeros count as absent; ours hold none.
_same = dict.__eq__


def _spans(difference: Counter[str] | Collection[str]) -> tuple[str, ...]:
    spans = difference.elements() if isinstance(difference, Counter) else difference
    return tuple(sorted(spans))[:SPANS]


def _sided(a: Features, b: Features, turned: set[tuple[int, int]]) -> tuple[str, ...]:
    poles = lexicon().poles
    only = Counter(a.pole_words) - Counter(b.pole_words)
    return tuple(sorted(word for word in only if turned & set(poles[word])))[:SPANS]


def _bare(tag: str) -> str:
    return tag.partition(" ")[2]


def _spelled_out(acronym: str, other: Features) -> bool:
    initials = "".join(word[0] for word in other.lows)
    return len(acronym) > 2 and acronym.removeprefix("$") in initials
