"""A veto on two questions whose answers are the same in, why it does not count there out."""

from __future__ import annotations

from etl.resolve.features import Features
from etl.resolve.same.spelling import spelled_alike
from etl.resolve.turns import turn
from etl.resolve.vetoes import Evidence


def excuse(found: Evidence, a: Features, b: Features, *, passage: bool, said: frozenset[str] = frozenset()) -> str:
    """'' where the veto stands. `passage`: both questions are about one passage, which fixes who is meant; `said`: the
    words that stand in both answers.

    >>> why("Which band has Simone Simmons?", "Which band has Simone Simons?")
    'spelling'
    >>> why("In Full House, what did Michelle say?", "What did Michelle say in Full House?")
    'order of the question'
    >>> why("How old was Peyton Manning?", "How old was Manning?", passage=True)
    'the passage names it'
    >>> why("How old was Peyton Manning?", "How old was Manning?"), why("Does Rebecca follow Jesse?", "Does Jesse follow Rebecca?")
    ('', '')
    >>> why("How many live in Brazil?", "How many live in the country?", answer="In Brazil live 214 million")
    'the answer names it'
    >>> why("How many live in Brazil?", "How many live in Chile?", answer="In Brazil and Chile live 234 million")
    ''
    >>> why("Who is Eli Manning?", "Who is Peyton Manning?", passage=True)
    ''
    """  # noqa: E501
    if found.kind in ("name", "ticker") and not (found.a and found.b) and {*found.a, *found.b} <= said:
        return "the answer names it"
    if found.kind == "name":
        if len(found.a) == len(found.b) and all(spelled_alike(x, y) for x, y in zip(found.a, found.b, strict=True)):
            return "spelling"
        if passage and (not found.a or not found.b):
            own, other = (a, b) if found.a else (b, a)
            if all(_beside_shared(name, own, other) for name in found.a + found.b):
                return "the passage names it"
    if found.kind == "order" and not turn(a, b) and _of_names(found, a, b):
        return "order of the question"
    return ""


def _of_names(found: Evidence, a: Features, b: Features) -> bool:
    """Whether what changed places are names; numbers, terms, opposites and negations mean something in their order."""
    return {*found.a, *found.b} <= (a.names & b.names)


def _beside_shared(name: str, own: Features, other: Features) -> bool:
    """Whether a name stands beside another that both texts have: Peyton beside Manning."""
    shared = own.names & other.words
    lows = own.lows
    return any(
        low == name and ({*lows[max(0, i - 1) : i], *lows[i + 1 : i + 2]} & shared) for i, low in enumerate(lows)
    )
