"""Opposites: listed ones, and words that an affix turns round."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from etl.resolve.features import Features
from etl.resolve.lexicon import lexicon
from etl.resolve.vetoes.evidence import SPANS, Evidence, same

# A word and the same word after one of these: staked and unstaked, weekly and biweekly, halving and posthalving.
_PREFIXES = (
    "un", "in", "im", "ir", "il", "non", "dis", "anti", "de", "bi", "semi", "mis", "pre", "post", "re", "over", "under",
    "sub", "super", "multi", "counter", "a",
)  # fmt: skip
# Two words that differ in their first part only.
_TURNED = (
    ("over", "under"), ("up", "down"), ("in", "out"), ("pre", "post"), ("on", "off"), ("intra", "inter"),
    ("hyper", "hypo"), ("pro", "anti"), ("in", "de"), ("in", "ex"), ("as", "de"), ("macro", "micro"), ("main", "test"),
    ("uni", "bi"), ("mono", "multi"), ("single", "multi"), ("short", "long"), ("fore", "back"), ("homo", "hetero"),
)  # fmt: skip
# One in place of the other turns a statement round; too frequent to count as opposites wherever they stand.
_PREPOSITIONS = (("to", "by"), ("to", "from"), ("by", "from"), ("on", "off"))
_MADE_WITHOUT = (("less", "ful"), ("less", "ed"), ("proof", "prone"))


def antonyms(a: Features, b: Features) -> Evidence | None:
    """A word on one side where its opposite stands on the other: from the list, or by how the words are made.

    >>> differ(antonyms, "What is the bid price?", "What is the ask price?")
    antonym: bid | ask
    >>> differ(antonyms, "Early kidney disease", "Advanced kidney disease")
    antonym: early | advanced
    >>> differ(antonyms, "Is staking regulated?", "Is staking unregulated?")
    antonym: regulated | unregulated
    >>> differ(antonyms, "It overestimates the risk", "It underestimates the risk")
    antonym: overestimates | underestimates
    >>> differ(antonyms, "The price fell to 5", "The price fell by 5")
    antonym: to | by
    >>> differ(antonyms, "a permissionless chain", "a permissioned chain")
    antonym: permissionless | permissioned
    >>> differ(antonyms, "Does a high RSI mean a low price?", "Does a low price follow a high RSI?")
    """
    if not same(a.poles, b.poles):
        more, less = a.poles - b.poles, b.poles - a.poles
        turned = {(line, side) for line, side in more if (line, 1 - side) in less}
        if turned:
            return Evidence("antonym", _sided(a, b, turned), _sided(b, a, {(line, 1 - side) for line, side in turned}))
    more_words, less_words = a.words - b.words, b.words - a.words
    for word in sorted(less_words):
        bare = _bare(word, a.words)
        if bare and bare not in b.words:
            return Evidence("antonym", (bare,), (word,))
    for word in sorted(more_words):
        bare = _bare(word, b.words)
        if bare and bare not in a.words:
            return Evidence("antonym", (word,), (bare,))
        for made in _opposites(word):
            if made in less_words:
                return Evidence("antonym", (word,), (made,))
    return _prepositions(a, b)


def turned_round(a: str, b: str) -> bool:
    """Whether two words are opposites by how they are made.

    >>> turned_round("staked", "unstaked"), turned_round("inflow", "outflow"), turned_round("model", "models")
    (True, True, False)
    """
    return bool(_bare(a, frozenset({b})) or _bare(b, frozenset({a}))) or b in _opposites(a)


def _prepositions(a: Features, b: Features) -> Evidence | None:
    for pair in _PREPOSITIONS:
        for one, other in (pair, pair[::-1]):
            if a.lows.count(one) > b.lows.count(one) and a.lows.count(other) < b.lows.count(other):
                return Evidence("antonym", (one,), (other,))
    return None


def _bare(word: str, words: frozenset[str]) -> str:
    """The word among `words` that a prefix makes into this one; '' where there is none."""
    for prefix in _PREFIXES:
        bare = word.removeprefix(prefix)
        if bare != word and len(bare) > (3 if prefix != "a" else 5) and bare in words:
            return bare
    return ""


@lru_cache(maxsize=1 << 15)
def _opposites(word: str) -> list[str]:
    found = []
    for one, other in _TURNED:
        for first, second in ((one, other), (other, one)):
            if word.startswith(first) and len(word) - len(first) > 2:
                found.append(second + word[len(first) :])
    for one, other in _MADE_WITHOUT:
        for first, second in ((one, other), (other, one)):
            if word.endswith(first) and len(word) - len(first) > 2:
                found.append(word[: -len(first)] + second)
    return found


def _sided(a: Features, b: Features, turned: set[tuple[int, int]]) -> tuple[str, ...]:
    poles = lexicon().poles
    only = Counter(a.pole_words) - Counter(b.pole_words)
    return tuple(sorted(word for word in only if turned & set(poles[word])))[:SPANS]
