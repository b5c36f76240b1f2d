"""Negation, however it is worded."""

from __future__ import annotations

import re

from etl.resolve.features import Features
from etl.resolve.lexicon import listed
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


# Of languages without word lists; where texts are merged by anything looser than the very same words, these must agree.
_ELSEWHERE = listed(
    "nicht kein keine keinen keinem keiner keines nie niemals niemand nichts ohne weder "
    "ne pas jamais sans aucun aucune rien ni non no nunca jamás sin ningún ninguna ninguno nada tampoco "
    "mai senza nessuno nessuna né não sem nenhum nenhuma niet geen nooit zonder nie nigdy bez żaden żadna "
    "لا ليس ليست لم لن غير بدون नहीं मत बिना"
)
_DENIALS = re.compile(
    rf"(?<!\w)(?:{'|'.join(sorted(_ELSEWHERE, key=len, reverse=True))})(?!\w)|[不没沒無无非未别]", re.I
)


def denials(a: Features, b: Features) -> Evidence | None:
    """Another number of negations in any of a dozen languages.

    >>> differ(denials, "Kann man krank werden?", "Kann man nicht krank werden?")
    negation: - | nicht
    >>> differ(denials, "高血压能献血", "高血压不能献血")
    negation: - | 不
    >>> differ(denials, "Est-ce que c'est sûr ?", "C'est sûr ?")
    """
    one, other = (sorted(found.casefold() for found in _DENIALS.findall(f.text)) for f in (a, b))
    if len(one) == len(other):
        return None
    return Evidence("negation", tuple(w for w in one if w not in other), tuple(w for w in other if w not in one))
