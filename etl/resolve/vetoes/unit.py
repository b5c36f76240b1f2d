"""Units: percent and percentage points, currencies, weights, lengths."""

from __future__ import annotations

from etl.resolve.features import Features
from etl.resolve.vetoes.evidence import Evidence, same, spans


def units(a: Features, b: Features) -> Evidence | None:
    """The same number in another unit, or with a unit on one side only.

    >>> differ(units, "a stop of 5 percent", "a stop of 5 dollars")
    unit: 5 percent | 5 usd
    >>> differ(units, "a fee of $5", "a fee of 5 dollars")
    """
    if same(a.quantities, b.quantities):
        return None
    return Evidence("unit", spans(a.quantities - b.quantities), spans(b.quantities - a.quantities))
