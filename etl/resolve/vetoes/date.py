"""Dates: years, months, weekdays, decades and time frames."""

from __future__ import annotations

from etl.resolve.features import Features
from etl.resolve.vetoes.evidence import Evidence, same, spans


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
    if not same(a.dates, b.dates):
        years_more, years_less = a.dates - b.dates - b.numbers, b.dates - a.dates - a.numbers
        if years_more or years_less:
            return Evidence("date", spans(years_more), spans(years_less))
    if not same(a.calendar, b.calendar):
        named_more, named_less = a.calendar - b.calendar, b.calendar - a.calendar
        if named_more and named_less:
            return Evidence("date", spans(named_more), spans(named_less))
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
