"""Two questions whose answers are the same in, whether they ask for the same although their words differ out.

Used only where everything else agrees: an answer that says the same lets questions differ in more than elsewhere.
"""

from __future__ import annotations

from functools import cache

from etl.resolve.features import Features
from etl.resolve.lexicon import lexicon
from etl.resolve.matter import plain_matter, stem
from etl.resolve.same.spelling import spelled_alike
from etl.resolve.turns import turn
from etl.resolve.vetoes.cut import cut_elsewhere


def same_but_for_fillers(a: tuple[str, ...], b: tuple[str, ...], said: tuple[Features, Features]) -> bool:
    """Whether two questions (see `matter.matter`) ask the same once filler words are gone and slips are mended.

    `said`: the questions taken apart, for the words that give order a meaning.

    >>> asks("What is the softest mineral in the world?", "What is the softest mineral called?")
    True
    >>> asks("Who plays Lecter?", "Who portrayed Lecter?"), asks("Who is your father?", "Who is your mother?")
    (True, False)
    >>> asks("Which bands feature Anna Simmons?", "Which bands feature Anna Simons?")
    True
    >>> asks("How is childcare run?", "How is child care run?"), asks("Who sang it live?", "Who wrote it live?")
    (True, False)
    >>> asks("In what year was Tron released?", "When was Tron released?"), asks("Who leads Aave?", "Which group leads Aave?")
    (True, True)
    >>> asks("Who won the last final?", "Who won the final?"), asks("Which book won?", "Which book of 3 won?")
    (False, False)
    """  # noqa: E501
    one, other = reduced(a, said[0]), reduced(b, said[1])
    if one == other:
        return bool(one)
    if not one or not other or turn(*said):
        return False
    more, less = ({word for word in x if word not in y} for x, y in ((one, other), (other, one)))
    return not (more or less) or _slips(more, less, *said)


def _slips(more: set[str], less: set[str], a: Features, b: Features) -> bool:
    """Whether each word that stands in one question only is a slip of one in the other, or cut in two there."""
    first, second = (sorted({low for low in text.lows if _plain(low) in left}) for text, left in ((a, more), (b, less)))
    cut = [all(cut_elsewhere(low, own, other) for low in lows) for lows, own, other in ((first, a, b), (second, b, a))]
    if first + second and all(cut):
        return True
    return len(first) == len(second) > 0 and all(spelled_alike(x, y) for x, y in zip(first, second, strict=True))


def reduced(about: tuple[str, ...], said: Features) -> tuple[str, ...]:
    """The words that are left once fillers are gone, and what only says of which kind the answer is."""
    fillers, synonyms, kinds = _fillers(), _synonyms(), _kind_asked_for(said.lows)
    return tuple(synonyms.get(word, word) for word in plain_matter(about) if word not in fillers and word not in kinds)


def _kind_asked_for(lows: tuple[str, ...]) -> frozenset[str]:
    """'year' of 'in what year', 'actor' of 'which actor': the same answer says as much."""
    kinds = lexicon().kinds
    found = {
        stem(low)
        for i, asked in enumerate(lows)
        if asked in ("what", "which", "this")
        for low in lows[i + 1 : i + 3]
        if low in kinds and lows.count(low) == 1
    }
    return frozenset(found | {"who", "wher", "when"})


def _plain(low: str) -> str:
    word = stem(low)
    return _synonyms().get(word, word)


@cache
def _fillers() -> frozenset[str]:
    return frozenset(stem(word) for word in lexicon().fillers)


@cache
def _synonyms() -> dict[str, str]:
    return {stem(word): stem(first) for word, first in lexicon().synonyms.items()}
