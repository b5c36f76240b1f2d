"""Two texts' features in, the typed difference between them out: what forbids to call look-alikes the same.

A veto looks at the difference of the two texts, never at what stands in both. It errs on the side of speaking up: a
vetoed pair waits for a person, a wrong merge loses a row. One file a kind; the examples in the docstrings are run as
tests.
"""

from __future__ import annotations

from collections.abc import Callable

from etl.resolve.features import Features
from etl.resolve.vetoes.address import addresses
from etl.resolve.vetoes.antonym import antonyms
from etl.resolve.vetoes.comparative import bounds, degrees
from etl.resolve.vetoes.date import dates
from etl.resolve.vetoes.evidence import Evidence
from etl.resolve.vetoes.name import names, quotes, symbols
from etl.resolve.vetoes.negation import denials, negation
from etl.resolve.vetoes.number import numbers
from etl.resolve.vetoes.order import assignment, moved, order
from etl.resolve.vetoes.term import terms, tickers
from etl.resolve.vetoes.unit import units

__all__ = ["CONTRADICTIONS", "VETOES", "Evidence", "Veto", "denials", "first_veto", "moved"]

Veto = Callable[[Features, Features], "Evidence | None"]
VETOES: tuple[Veto, ...] = (
    numbers, dates, units, bounds, negation, terms, tickers, names, symbols, addresses, quotes, antonyms, degrees,
    order,
)  # fmt: skip
# What can make two answers exclude each other, the plainest first.
CONTRADICTIONS: tuple[Veto, ...] = (
    numbers, dates, units, negation, antonyms, terms, tickers, names, symbols, assignment,
)  # fmt: skip


def first_veto(a: Features, b: Features, excused: Callable[[Evidence], bool] = lambda _: False) -> Evidence | None:
    """The first veto that speaks and is not excused, in the order of `VETOES`; None where there is none."""
    if a.text == b.text:
        return None
    for veto in VETOES:
        found = veto(a, b)
        if found is not None and not excused(found):
            return found
    return None
