"""Numbers: digits, written out, as ranges, fractions and ordinals."""

from __future__ import annotations

from etl.resolve.features import Features
from etl.resolve.vetoes.evidence import Evidence, same, spans


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
    if same(a.numbers, b.numbers):
        return None
    more, less = a.numbers - b.numbers - b.dates, b.numbers - a.numbers - a.dates  # 1,000 is no year, 1000 may be
    if not more and not less:
        return None
    if not more or not less:  # 100 against 1000, which may be a year
        more, less = (more or a.dates - b.dates - b.numbers), (less or b.dates - a.dates - a.numbers)
    if set(more) | set(less) == {"1"} and more["1"] <= b.ones and less["1"] <= a.ones:
        return None  # 'one' against '1'
    return Evidence("number", spans(more), spans(less))
