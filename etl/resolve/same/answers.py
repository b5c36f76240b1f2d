"""Two answers in, the way in which they are the same out: light words aside, letters, lists, calls, the bare fact."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from etl.resolve.features import Features
from etl.resolve.lexicon import lexicon, listed
from etl.resolve.numerals import NUMBERS
from etl.resolve.same.both import Answers
from etl.resolve.same.calls import calls
from etl.resolve.same.spelling import run_together, spelled_alike
from etl.resolve.vetoes.address import addresses
from etl.resolve.vetoes.antonym import antonyms
from etl.resolve.vetoes.comparative import bounds
from etl.resolve.vetoes.number import numbers

# In an answer these say nothing by themselves; pronouns are not among them (your keys, my keys).
LIGHT = frozenset(listed("a an the it its that this is are was were be of in on at"))
# What may stand around a fact that repeats its question.
_FRAME = LIGHT | frozenset(
    listed("according my calculations based information provided you your i here as for has have been will would")
)
LONGEST_NAME = 3  # words of a person's name
LONG_ENOUGH = 12  # words from which on one misspelt does not carry the answer
_PARTS = re.compile(r"\s*(?:,|;|\band\b|&)\s*", re.I)
_POINTERS = LIGHT | NUMBERS.keys() | frozenset(listed("yes no true false all none both these those above below any"))
_TITLES = frozenset(
    listed(
        "sir lady lord captain dr doctor mr mrs ms professor general president king queen prince princess pope "
        "inc ltd corp"
    )
)
_DIGIT = re.compile(r"\d")
_RANKED = frozenset(listed("first then next finally respectively order followed after before"))


def light_words(both: Answers) -> bool:
    """The same words in the same order, light words aside.

    >>> same(light_words, "in the pancreas", "Pancreas.")
    True
    >>> same(light_words, "Ron Weasley", "Weasley, Ron"), same(light_words, "The", "A")
    (False, False)
    """
    one, other = (tuple(low for low in f.lows if low not in LIGHT) for f in (both.a, both.b))
    return bool(one) and one == other


def letters(both: Answers) -> bool:
    """The same letters, however they are spaced, hyphenated or marked; numbers and symbols need more than that.

    >>> same(letters, "Turbo-Man", "Turbo Man"), same(letters, "Alan ODay", "Alan O'Day")
    (True, True)
    >>> same(letters, "1.4", "14"), same(letters, "C#", "C"), same(letters, "-", "*"), same(letters, "no", "No, no")
    (False, False, False, False)
    """
    a, b = both.a, both.b
    if a.symbols or b.symbols or a.negations.total() != b.negations.total() or _DIGIT.search(a.text + b.text):
        return False
    one, other = (_letters(f.text) for f in (a, b))
    return len(one) > 2 and one == other


def lists(both: Answers) -> bool:
    """The same things, listed in another order, unless one of the answers says that order matters.

    >>> same(lists, "Nicky and Alex", "Alex and Nicky"), same(lists, "RSI, MACD and OBV", "MACD, OBV, RSI")
    (True, True)
    >>> same(lists, "first RSI, then MACD", "first MACD, then RSI"), same(lists, "BTC over ETH", "ETH over BTC")
    (False, False)
    >>> same(lists, "10, 20", "20, 10"), same(lists, "RSI and MACD", "RSI and OBV")
    (False, False)
    """
    a, b = both.a, both.b
    if a.numbers or b.numbers or a.dates or b.dates or (a.words | b.words) & (_RANKED | lexicon().directional):
        return False
    if both.asked[0] & _RANKED or both.asked[1] & _RANKED:
        return False
    one, other = (_items(f.text) for f in (a, b))
    return len(one) > 1 and one == other


def bare_fact(both: Answers) -> bool:
    """One or both repeat the question around the fact: what is left without its words is the same, and is not nothing.

    >>> same(bare_fact, "The fifth planet from the Sun is Jupiter.", "Jupiter", asked="What is the fifth planet from the Sun?")
    True
    >>> same(bare_fact, "RSI uses 14 periods.", "14 periods", asked="How many periods does RSI use?")
    False
    >>> same(bare_fact, "Gas fell.", "It fell by half.", asked="Did gas fall?")
    False
    >>> same(bare_fact, "I'm well. How are you?", "I'm well.", asked="How do you do?")
    False
    >>> same(bare_fact, "Not Jupiter", "Jupiter", asked="What is the fifth planet?")
    False
    """  # noqa: E501
    a, b = both.a, both.b
    if a.negations.total() != b.negations.total() or "?" in a.text + b.text:
        return False
    if antonyms(a, b) is not None or bounds(a, b) is not None or addresses(a, b) is not None:
        return False
    left = [
        [
            low
            for low in f.lows
            if low not in asked and low not in _FRAME and (low != "to" or "according" not in f.words)
        ]
        for f, asked in ((a, both.asked[0]), (b, both.asked[1]))
    ]
    return bool(left[0]) and left[0] == left[1]


def title(both: Answers) -> bool:
    """One names a title or form of firm that the other leaves out.

    >>> same(title, "Sir Edmund Hillary", "Edmund Hillary"), same(title, "Apple", "Apple Inc.")
    (True, True)
    >>> same(title, "King Charles", "Prince Charles"), same(title, "Queen", "Elizabeth")
    (False, False)
    """
    one, other = ([low for low in f.lows if low not in LIGHT] for f in (both.a, both.b))
    short, long = sorted((one, other), key=len)
    return bool(short) and len(long) == len(short) + 1 and [low for low in long if low not in _TITLES] == short


def full_name(both: Answers) -> bool:
    """One gives a person's whole name, the other the surname; only where a question asks who.

    >>> same(full_name, "Jack Nicklaus", "Nicklaus", asked="Who won most?")
    True
    >>> same(full_name, "Jack Nicklaus", "Jack", asked="Who won?"), same(full_name, "North Korea", "Korea", asked="Who won?")
    (False, False)
    >>> same(full_name, "Bitcoin Cash", "Cash", asked="What is it?")
    False
    """  # noqa: E501
    short, long = sorted((both.a, both.b), key=lambda f: len(f.lows))
    if not all("who" in asked for asked in both.asked) or not 0 < len(short.lows) < len(long.lows) <= LONGEST_NAME:
        return False
    if long.lows[-len(short.lows) :] != short.lows or not set(long.lows) <= long.names | short.names:
        return False
    known = lexicon()
    return len(short.lows[-1]) > 3 and not set(long.lows) & (known.poles.keys() | known.terms.keys())


def slips(both: Answers) -> bool:
    """The same words but for slips of the pen: in names of a short answer, in any long word of a longer one.

    >>> same(slips, "Matt Monroe Jackson", "Matt Munroe Jackson"), same(slips, "contact", "contract")
    (True, False)
    >>> same(slips, "Chris Evans", "Chris Pratt"), same(slips, "Nobel", "Nobel Peace")
    (False, False)
    """
    a, b = both.a, both.b
    more, less = ([low for low in f.lows if low not in g.words] for f, g in ((a, b), (b, a)))
    if a.negations.total() != b.negations.total() or numbers(a, b) is not None or not more or not less:
        return False
    if min(len(a.lows), len(b.lows)) < LONG_ENOUGH and not {*more, *less} <= a.names | b.names:
        return False
    if len(more) != len(less):
        return run_together(more, less)
    return all(spelled_alike(x, y) for x, y in zip(more, less, strict=True)) or run_together(more, less)


# The plainest first; the second kind is asked only where the questions are about the very same.
WAYS: tuple[tuple[str, Callable[[Answers], bool]], ...] = (
    ("light words", light_words), ("letters", letters), ("order of a list", lists), ("call", calls), ("title", title),
)  # fmt: skip
WAYS_OF_ONE_QUESTION: tuple[tuple[str, Callable[[Answers], bool]], ...] = (
    ("bare fact", bare_fact), ("full name", full_name), ("spelling", slips),
)  # fmt: skip


def same_answers(both: Answers, *, same_question: bool) -> str:
    """The first way in which two answers are the same; '' where there is none."""
    ways = WAYS + WAYS_OF_ONE_QUESTION if same_question else WAYS
    return next((name for name, way in ways if way(both)), "")


def _left(answer: Features, asked: frozenset[str]) -> list[str]:
    """What an answer says beyond its question."""
    framed = _FRAME | {"to"} if "according" in answer.words else _FRAME
    return [low for low in answer.lows if low not in asked and low not in framed]


@lru_cache(maxsize=1 << 16)
def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


@lru_cache(maxsize=1 << 16)
def _items(text: str) -> list[str]:
    """What a text lists, sorted."""
    return sorted(part for piece in _PARTS.split(text) if (part := _letters(piece)))


def telling(answer: Features) -> bool:
    """Whether an answer is more than a number, a year, a yes or a pointer: what few questions have in common.

    >>> from etl.resolve.features import features
    >>> [telling(features(text)) for text in ("Lady Gaga", "39", "in 1987", "Yes", "all of these", "16,000 coins")]
    [True, False, False, False, False, True]
    """
    return any(len(low) > 2 and low not in _POINTERS and not low[0].isdigit() for low in answer.lows)
