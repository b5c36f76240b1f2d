"""Word order: the same things, but each in the other's place."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

from etl.resolve.features import Features
from etl.resolve.lexicon import lexicon
from etl.resolve.vetoes.evidence import SPANS, Evidence

# What can change places only among its own kind; which of two names a negation stands at counts as well.
_NAMED = ("term ", "name ", "not ")
_SWAPPABLE = (_NAMED, ("number ",), ("word ", "not "))


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


def _bare(tag: str) -> str:
    return tag.partition(" ")[2]
