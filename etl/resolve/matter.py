"""A question in, what it is about out: stems of its content words in reading order, domain terms under one name."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from etl.resolve.features import MARKS, Features, Reader
from etl.resolve.lexicon import lexicon
from etl.resolve.numerals import NUMBERS, ORDINALS
from etl.resolve.quantities import Quantities
from etl.resolve.turns import turn

# What only asks, at the start of a question or behind it.
_POLITE = re.compile(
    r"^\s*(?:(?:hi|hello|hey)[ ,!.]+)?(?:please\s+)?"
    r"(?:(?:(?:can|could|would|will) (?:you|we)|do you know|i(?: would|'d) like|i (?:need|want))"
    r"(?:\s+(?:some|your)?\s*help(?:\s+with)?|\s+to(?:\s+know)?(?=\s))?\s+(?:please\s+)?)?"
    r"|[,.]?\s+(?:(?:can|could) you (?:please )?help me(?: with (?:that|this|it))?|please)\s*[?.!]*\s*$",
    re.I,
)
_SAME = {
    "purchase": "buy", "purchasing": "buy", "novel": "new", "large": "big", "bigger": "larger", "biggest": "largest",
    "were": "was", "crypto": "cryptocurrency", "calculate": "compute", "calculated": "compute",
    "calculating": "compute",
}  # fmt: skip
_OF_TERMS = frozenset({"indicator", "indicators"})  # the RSI indicator is the RSI
_NO_PLURAL = frozenset({"news", "gas", "always", "perhaps", "across", "less", "us", "his", "its", "this"})


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """A word without its plural, -ed or -ing; coarse, and the same for all forms of a regular verb.

    >>> [stem(w) for w in ("uses", "used", "using", "use", "trades", "trading", "strategies", "bus")]
    ['us', 'us', 'us', 'us', 'trad', 'trad', 'strateg', 'bus']
    """
    if (len(word) < 4 and word != "use") or word in _NO_PLURAL:
        return word if word != "use" else "us"
    for ending in ("ies", "ing", "ied", "es", "ed", "s", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 2 and not word.endswith(("ss", "us")):
            rest = word[: -len(ending)]
            return rest[:-1] if len(rest) > 3 and rest[-1] == rest[-2] and ending in ("ing", "ed") else rest
    return word


@cache
def _asking() -> dict[str, str]:
    classes = lexicon().asking
    return {stem(_SAME.get(word, word)): stem(name) for word, name in classes.items()}


def plain_matter(about: tuple[str, ...]) -> tuple[str, ...]:
    """What a question is about (see `matter`), with words of asking that say the same under one name each.

    >>> plain_matter(matter("How is OBV calculated?")), plain_matter(matter("What is the calculation of OBV?"))
    (('term on balance volume', 'comput'), ('comput', 'term on balance volume'))
    >>> plain_matter(matter("What are the signs of a top?")), plain_matter(matter("What are the costs of a top?"))
    (('sign', 'top'), ('cost', 'top'))
    """
    classes = _asking()
    return tuple(name for word in about if (name := classes.get(word, word)))


def matter(question: str) -> tuple[str, ...]:
    """What a question is about: stems in reading order without soft words, terms under one name each.

    >>> matter("Can you explain what the Relative Strength Index is?") == matter("What is RSI?")
    True
    >>> matter("I need to send an email. Can you help me with that?") == matter("I'd like to send an email, please")
    True
    >>> matter("who won the 1st battle") == matter("who won the first battle")
    True
    >>> matter("What is a fee of $5?") == matter("What is a fee of 5 dollars?")
    True
    >>> matter("who sings i will always love you") == matter("who wrote i will always love you")
    False
    """
    reader = Reader(_POLITE.sub("", question) or question)
    terms = list(reader.terms())
    firsts, of_terms = dict(reader.places), set(reader.used)
    numbers = Quantities(reader.raws, reader.lows, set(reader.used)).covered
    found, behind = [], -1  # the last token of a number
    for i, low in enumerate(reader.lows):
        if i <= behind:
            continue
        if i in firsts:
            found.append(firsts[i])
        elif i in numbers and i not in of_terms:
            behind, number = numbers[i]
            found.append(number)
        elif i not in of_terms and not (terms and low in _OF_TERMS and (i - 1) in of_terms):
            found += _content(low)
    return tuple(found)


def _content(low: str) -> list[str]:
    """What one word is about: nothing, or its stem."""
    if low in MARKS or low in lexicon().soft:
        return []
    if low.endswith("n't") or low == "cannot":
        return ["not"]
    if low in NUMBERS:
        return [str(NUMBERS[low])]
    return [f"{ORDINALS[low]}th" if low in ORDINALS else stem(_SAME.get(low, low))]


def same_matter(a: tuple[str, ...], b: tuple[str, ...], said: tuple[Features, Features]) -> bool:
    """Whether two questions (see `matter`) ask about the same: the same words that matter, and in the same order where
    a word like 'to' or 'above' stands at another object (`said`: the questions taken apart).

    Measured: among NQ-open questions at cosine 0.98 with one answer, 'the eagles win the super bowl' stands beside
    'the eagles win last super bowl'; a share of common words does not tell them apart, only this does.
    """
    return a == b or (set(a) == set(b) and not turn(*said))
