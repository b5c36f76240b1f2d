"""One text in, what may set it apart from a look-alike out: numbers, units, dates, negations, terms, names, word order.

Each distinct text is taken apart once; the vetoes then only compare.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from etl.resolve.lexicon import (
    DECADES,
    DOUBTFUL_MONTHS,
    FRAME_NOUNS,
    FRAME_WORDS,
    MONTHS,
    TOKEN,
    UNITS,
    WEEKDAYS,
    lexicon,
)
from etl.resolve.numerals import canonical
from etl.resolve.plain import plain
from etl.resolve.quantities import CURRENCIES, ENDS, NUMBER_STARTS, Quantities

MARKS = CURRENCIES | ENDS | {"%", "°"}
_ARTICLES = frozenset({"the", "a", "an", "of", "and"})
_NO_NAMES = _ARTICLES | MONTHS | WEEKDAYS
_POLAR = frozenset({"yes", "no", "true", "false"})
_EVERYDAY = frozenset({"tv", "url", "ok", "faq", "pdf", "id"})  # acronyms that name nothing
_BACK = {"can't": "cannot", "won't": "not"}
NAME_PHRASE_WORDS = 6  # an answer this short, all capitals at the start of its words, is a name as a whole


@dataclass(frozen=True, slots=True)
class Features:
    """What the vetoes compare. Counters are multisets; sets hold what a text may repeat at will."""

    text: str
    lows: tuple[str, ...]  # words and numbers, casefolded, in reading order
    words: frozenset[str]
    numbers: Counter[str]
    ones: int  # the word 'one' without a unit: a number or a pronoun
    quantities: Counter[str]  # "5 percent"
    bounds: Counter[str]  # "at least 5"
    dates: Counter[str]  # years, months, weekdays
    frames: frozenset[str]  # daily, 1-week: a time frame that is said outright
    spans: frozenset[str]  # day, week: nouns that may or may not be one
    calendar: Counter[str]  # how often each of them is named, yearly and year alike
    negations: Counter[str]
    poles: Counter[tuple[int, int]]  # (antonym line, side)
    pole_words: tuple[str, ...]
    terms: frozenset[str]
    tickers: frozenset[str]
    names: frozenset[str]
    symbols: frozenset[str]  # C#, C++
    quotes: frozenset[str]  # what stands in quotation marks, to the letter
    order: tuple[str, ...]  # first occurrences of what could change places


def features(text: str) -> Features:
    """Take a text apart. About 20 to 40 microseconds for a sentence."""
    return Reader(text).read()


class Reader:
    """The passes over one text's tokens."""

    frames: set[str]
    dates: Counter[str]

    def __init__(self, text: str) -> None:
        self.text = text = plain(text)
        self.raws: list[str] = TOKEN.findall(text)
        self.lows = [_low(raw) for raw in self.raws]
        self.used: set[int] = set()
        self.places: list[tuple[int, str]] = []

    def read(self) -> Features:
        """All passes, the terms first: what belongs to one is nothing else."""
        terms = frozenset(self.terms())
        read = Quantities(self.raws, self.lows, self.used)
        self.places += read.places
        self.frames, self.dates = read.frames, read.dates
        negations, poles, pole_words, spans, calendar = self._read_words()
        tickers, names, symbols = self._read_names()
        lows = tuple(low for low in self.lows if low not in MARKS)
        self.places.sort()
        return Features(
            self.text, lows, frozenset(lows), read.numbers, read.ones, read.quantities, read.bounds, self.dates,
            frozenset(self.frames), frozenset(spans), calendar, negations, poles, pole_words, terms, tickers,
            names, symbols, _quoted(self.text), tuple(dict.fromkeys(tag for _, tag in self.places)),
        )  # fmt: skip

    def terms(self) -> Iterator[str]:
        """The canonical names of the domain terms, as they come; marks their tokens as used."""
        table = lexicon().terms
        if table.keys().isdisjoint(self.lows) and "$" not in self.text:
            return
        words = [i for i, low in enumerate(self.lows) if low not in ENDS]
        lows = [self.lows[i].removeprefix("$") for i in words] if "$" in self.text else [self.lows[i] for i in words]
        behind = -1  # the last word of the term before
        for n in [n for n, low in enumerate(lows) if low in table]:
            if n <= behind:
                continue
            for spelled, exact, name in table[lows[n]]:
                size = len(spelled)
                if size > 1 and tuple(lows[n + 1 : n + size]) != spelled[1:]:
                    continue
                if exact is not None and self.raws[words[n]].removesuffix("'s") != exact:
                    continue
                yield name
                self.used.update(words[n : n + size])
                self.places.append((words[n], f"term {name}"))
                behind = n + size - 1
                break

    def _read_words(
        self,
    ) -> tuple[Counter[str], Counter[tuple[int, int]], tuple[str, ...], set[str], Counter[str]]:
        words = lexicon()
        negations: Counter[str] = Counter()
        poles: Counter[tuple[int, int]] = Counter()
        pole_words, spans = [], set()
        calendar: Counter[str] = Counter()
        for i, low in [(i, low) for i, low in enumerate(self.lows) if low in words.telling or low[-3:] == "n't"]:
            if low in words.negations or low.endswith("n't"):
                negations[low] += 1
                self.places.append((i, "not not"))
            if low in words.poles and i not in self.used:
                poles.update(words.poles[low])
                pole_words.append(low)
                self.places.append((i, f"word {low}"))
            if UNITS.get(low) in FRAME_NOUNS and len(low) > 2 and i not in self.used:
                calendar[UNITS[low]] += 1
            if low in FRAME_WORDS:
                self.frames.add(UNITS.get(low, low))
            elif i not in self.used and UNITS.get(low) in FRAME_NOUNS and len(low) > 2:
                spans.add(UNITS[low])
            if low in MONTHS or low in WEEKDAYS or (low in DOUBTFUL_MONTHS and self._beside_number(i)):
                self.dates[low if low in WEEKDAYS else low[:3]] += 1
            if low in DECADES:
                self.dates[low] += 1
        return negations, poles, tuple(pole_words), spans, calendar

    def _read_names(self) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        symbols = set()
        if "+" in self.text or "#" in self.text:
            symbols = {low for low in self.lows if low[-1] in "+#" and len(low) > 1}
        capitals = [i for i, raw in enumerate(self.raws) if raw[0].isupper()]
        if not capitals and "$" not in self.text:
            return frozenset(), frozenset(), frozenset(symbols)
        plain = [i for i, low in enumerate(self.lows) if low not in MARKS and low not in _ARTICLES]
        shouted = len(plain) > 3 and 2 * sum(self.raws[i].isupper() for i in capitals) > len(plain)
        whole = 0 < len(plain) <= NAME_PHRASE_WORDS and all(not self.raws[i][0].islower() for i in plain)
        tickers, names, soft = set(), set(), lexicon().soft
        for i in capitals:
            low, raw = self.lows[i], self.raws[i]
            if i in self.used or low in _POLAR or len(low) < 2 or (low in DOUBTFUL_MONTHS and self._beside_number(i)):
                continue
            if 2 <= len(raw.removesuffix("'s")) <= 6 and raw.removesuffix("'s").isupper():
                if not shouted and low not in _EVERYDAY:
                    tickers.add(low)
                    self.places.append((i, f"name {low}"))
            elif low not in _NO_NAMES and (whole or (i and self.lows[i - 1] not in ENDS)) and low not in soft:
                names.add(low)
                self.places.append((i, f"name {low}"))
        if "$" in self.text:
            tickers |= {low for i, low in enumerate(self.lows) if low[0] == "$" and len(low) > 1 and i not in self.used}
        return frozenset(tickers), frozenset(names), frozenset(symbols)

    def _at(self, i: int) -> str:
        return self.lows[i] if 0 <= i < len(self.lows) else ""

    def _beside_number(self, i: int) -> bool:
        return any(self._at(n)[:1].isdigit() for n in (i - 1, i + 1))


@lru_cache(maxsize=1 << 16)
def _low(raw: str) -> str:
    if raw[0] in NUMBER_STARTS:
        return canonical(raw)
    low = raw.casefold()
    if "'" in low:
        low = low.removesuffix("'s")
        low = _BACK.get(low, low)
    return low


_QUOTED = re.compile(r"""(?<![\w])(?:"([^"\n]{1,120})"|“([^”\n]{1,120})”|'([^'\n]{1,120})')(?![\w])""")


def _quoted(text: str) -> frozenset[str]:
    if '"' not in text and "'" not in text and "“" not in text:
        return frozenset()
    return frozenset("".join(found).casefold() for found in _QUOTED.findall(text))
