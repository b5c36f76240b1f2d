"""Two texts in, whether they say the same but for words that carry nothing there: a wider sameness than equal words.

Used only where everything else agrees: an answer that says the same lets questions differ in filler words.
"""

from __future__ import annotations

from functools import cache

from etl.resolve.features import Features
from etl.resolve.lexicon import lexicon, listed
from etl.resolve.matter import plain_matter, stem

# In an answer these say nothing by themselves; pronouns are not among them (your keys, my keys).
_LIGHT = frozenset(listed("a an the it its that this is are was were be of in on at"))


def same_answer(a: Features, b: Features) -> bool:
    """Whether two answers are the same words in the same order, light words aside.

    >>> from etl.resolve.features import features
    >>> same_answer(features("in the pancreas"), features("Pancreas."))
    True
    >>> same_answer(features("Ron Weasley"), features("Weasley, Ron")), same_answer(features("The"), features("A"))
    (False, False)
    """
    one, other = (tuple(low for low in f.lows if low not in _LIGHT) for f in (a, b))
    return bool(one) and one == other


def same_but_for_fillers(a: tuple[str, ...], b: tuple[str, ...], said: frozenset[str]) -> bool:
    """Whether two questions (see `matter.matter`) ask the same once filler words are gone; only to be asked where the
    answers are the same. `said`: the words of both, for those that give order a meaning.

    >>> from etl.resolve.matter import matter
    >>> one, other = matter("What is the softest mineral in the world?"), matter("What is the softest mineral called?")
    >>> same_but_for_fillers(one, other, frozenset())
    True
    >>> same_but_for_fillers(matter("Who plays Lecter?"), matter("Who portrayed Lecter?"), frozenset())
    True
    >>> same_but_for_fillers(matter("Who is your father?"), matter("Who is your mother?"), frozenset())
    False
    """
    fillers, synonyms = _fillers(), _synonyms()
    one, other = (
        tuple(synonyms.get(word, word) for word in plain_matter(about) if word not in fillers) for about in (a, b)
    )
    return bool(one) and (one == other or (set(one) == set(other) and not said & lexicon().directional))


@cache
def _fillers() -> frozenset[str]:
    return frozenset(stem(word) for word in lexicon().fillers)


@cache
def _synonyms() -> dict[str, str]:
    return {stem(word): stem(first) for word, first in lexicon().synonyms.items()}
