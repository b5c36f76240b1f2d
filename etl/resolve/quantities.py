"""The tokens of a text in, its numbers out: each with its unit, its bound (more than, at most) and its place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from etl.resolve.lexicon import FRAME_NOUNS, UNITS
from etl.resolve.numerals import (
    FRACTIONS,
    MULTIPLIERS,
    NUMBERS,
    ORDINAL_ENDINGS,
    ORDINALS,
    SMALL,
    TENS,
    times,
    written,
)

CURRENCIES = frozenset("$€£¥₿")
ENDS = frozenset(".!?:;\n")
NUMBER_STARTS = frozenset("0123456789+-")
_WORDS = NUMBERS.keys() | ORDINALS.keys() | FRACTIONS.keys()
_CALENDAR = re.compile(r"\d{1,2}\.\d{1,2}\.(?:19|20)?\d\d|(?:19|20)\d\d\.\d\d\.\d\d")
_YEAR = re.compile(r"1\d\d\d|20\d\d|2100")
_BETWEEN = frozenset({"the", "a", "an", "about", "around", "of", "level", "value", "mark", "line"}) | CURRENCIES
_MORE, _LEAST, _LESS, _MOST = "more than", "at least", "less than", "at most"
# What may stand before a number, the longest first; a negated bound is the other one.
_BEFORE = {
    ("no", "more", "than"): _MOST, ("not", "more", "than"): _MOST, ("no", "less", "than"): _LEAST,
    ("not", "less", "than"): _LEAST, ("no", "fewer", "than"): _LEAST,
    ("more", "than"): _MORE, ("greater", "than"): _MORE, ("higher", "than"): _MORE, ("larger", "than"): _MORE,
    ("bigger", "than"): _MORE, ("longer", "than"): _MORE, ("less", "than"): _LESS, ("fewer", "than"): _LESS,
    ("lower", "than"): _LESS, ("smaller", "than"): _LESS, ("shorter", "than"): _LESS, ("at", "least"): _LEAST,
    ("at", "most"): _MOST, ("up", "to"): _MOST, ("minimum", "of"): _LEAST, ("maximum", "of"): _MOST,
    ("over",): _MORE, ("above",): _MORE, ("exceeds",): _MORE, ("exceed",): _MORE, ("exceeding",): _MORE,
    ("under",): _LESS, ("below",): _LESS, ("beneath",): _LESS,
}  # fmt: skip
_AFTER = {
    ("or", "more"): _LEAST, ("or", "higher"): _LEAST, ("or", "above"): _LEAST, ("and", "above"): _LEAST,
    ("or", "less"): _MOST, ("or", "lower"): _MOST, ("or", "below"): _MOST, ("and", "below"): _MOST,
    ("or", "fewer"): _MOST,
}  # fmt: skip


class Quantities:
    """Reads once, at construction. `used` marks the tokens that belong to a number or to its unit."""

    def __init__(self, raws: Sequence[str], lows: Sequence[str], used: set[int]) -> None:
        self.raws, self.lows, self.used = raws, lows, used
        self.numbers: Counter[str] = Counter()
        self.ones = 0  # the word 'one' without a unit: a number or a pronoun
        self.quantities: Counter[str] = Counter()
        self.bounds: Counter[str] = Counter()
        self.dates: Counter[str] = Counter()
        self.frames: set[str] = set()
        self.places: list[tuple[int, str]] = []
        self.covered: dict[int, tuple[int, str]] = {}  # first token of a number -> its last one, and how it reads
        self._bare: tuple[int, str] | None = None  # the number before without a unit: where it ends, and its value
        behind = -1  # the last token that belongs to a number already read
        for i in [i for i, low in enumerate(lows) if low in _WORDS or low[0] in NUMBER_STARTS]:
            if i > behind:
                behind = max(behind, self._read(i))

    def _read(self, i: int) -> int:
        low = self.lows[i]
        if low[0] in NUMBER_STARTS:
            if _CALENDAR.fullmatch(low):
                self.dates[low] += 1
                return i
            return self._number(i, i, low, written=False)
        if i in self.used:
            return i
        if low in TENS and self._at(i + 1) in ORDINALS and ORDINALS[self._at(i + 1)] < 10:
            self._count(i, f"{TENS[low] + ORDINALS[self._at(i + 1)]}th", i + 1)
            return i + 1
        if low in NUMBERS:
            if low in SMALL and FRACTIONS.get(self._at(i + 1), 2) > 2 and self._at(i + 2) == "of":
                self._count(i, f"{SMALL[low]}/{FRACTIONS[self._at(i + 1)]}", i + 1)
                return i + 1
            value, last = written(self.lows, i)
            return self._number(i, last, value, written=True)
        if low in FRACTIONS and (FRACTIONS[low] == 2 or self._at(i + 1) == "of"):
            self._count(i, f"1/{FRACTIONS[low]}")
        elif low in ORDINALS and i and self.lows[i - 1] not in ENDS:
            self._count(i, f"{ORDINALS[low]}th")
        return i

    def _number(self, start: int, last: int, value: str, *, written: bool) -> int:
        """Note the number of tokens start to last; returns the last token that belongs to it."""
        after = self._at(last + 1)
        first = start
        if self._at(start - 1) in ("minus", "negative"):
            first = start - 1
            value = value.removeprefix("-") if value.startswith("-") else f"-{value}"
        if after in ORDINAL_ENDINGS:
            self._count(start, f"{value}th", last + 1)
            self.used.add(last + 1)
            return last + 1
        grown = False
        while after in MULTIPLIERS and value.lstrip("-").replace(".", "", 1).isdigit():
            value, last, grown = times(value, MULTIPLIERS[after]), last + 1, True
            after = self._at(last + 1)
        unit = UNITS.get(after) or UNITS.get(self._at(start - 1) if self._at(start - 1) in CURRENCIES else "")
        self._unit(start, last, value, unit)
        if value == "1" and written and not unit:
            self.ones += 1
        elif not (written or grown or unit) and self.raws[start] == value and _YEAR.fullmatch(value):
            self.dates[value] += 1
            self.places.append((start, f"number {value}"))
        else:
            self._count(start, value)
        end = last + 1 if unit and UNITS.get(after) else last
        if value != "1" or not written or unit:
            self.covered[first] = (end, f"{value} {unit}" if unit else value)
        bound = self._bound(start, end)
        if bound:
            self.bounds[f"{bound} {value}"] += 1
        return last

    def _unit(self, start: int, last: int, value: str, unit: str | None) -> None:
        """Give a number its unit, and the start of a range (50-70%) that of its end."""
        if unit:
            self.quantities[f"{value} {unit}"] += 1
            if unit in FRAME_NOUNS:
                self.frames.add(f"{value} {unit}")
            if UNITS.get(self._at(last + 1)):
                self.used.add(last + 1)
            if self._bare is not None:
                end, first = self._bare
                if start == end + 1 or (start == end + 2 and self._at(end + 1) in ("to", "and", "or")):
                    self.quantities[f"{first} {unit}"] += 1
        self._bare = None if unit else (last, value)

    def _bound(self, start: int, last: int) -> str:
        after = _AFTER.get((self._at(last + 1), self._at(last + 2)))
        if after:
            return after
        n = start - 1
        while n >= 0 and start - n < 4 and self.lows[n] in _BETWEEN:
            n -= 1
        for size in (3, 2, 1):
            before = tuple(self.lows[max(0, n - size + 1) : n + 1])
            if before in _BEFORE:
                return _BEFORE[before]
        return ""

    def _at(self, i: int) -> str:
        return self.lows[i] if 0 <= i < len(self.lows) else ""

    def _count(self, i: int, value: str, last: int | None = None) -> None:
        self.numbers[value] += 1
        self.places.append((i, f"number {value}"))
        self.covered[i] = (i if last is None else last, value)
