"""Negation, however it is worded."""

from __future__ import annotations

from etl.resolve.features import Features
from etl.resolve.vetoes.evidence import Evidence, spans


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
    return Evidence("negation", spans(a.negations - b.negations), spans(b.negations - a.negations))
