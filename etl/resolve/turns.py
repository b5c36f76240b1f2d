"""Two texts of the same words in, whether a word that gives order a meaning stands at other words out."""

from __future__ import annotations

from etl.resolve.features import Features
from etl.resolve.lexicon import lexicon

OBJECT_WORDS = 2  # so many words behind it are held against those in the other text
_ASKED = frozenset({"what", "which", "who", "whom", "whose"})


def turn(a: Features, b: Features, *, but: frozenset[str] = frozenset()) -> bool:
    """Whether 'to', 'over', 'beat' and their like have another object in each text; `but`: words to pass over.

    >>> turns("How do I convert BTC to ETH?", "How do I convert ETH to BTC?")
    True
    >>> turns("On the bus to Lake Placid, what has Bob?", "What has Bob on the bus to Lake Placid?")
    False
    >>> turns("From which chain is USDC moved?", "USDC is moved from which chain?")
    False
    >>> turns("Who did Ali beat?", "Who beat Ali?"), turns("Is RSI above MACD?", "Above MACD is RSI?")
    (True, False)
    """
    one, other = _objects(a, but), _objects(b, but)
    if one.keys() != other.keys():
        return True
    return any(
        len(one[word]) != len(other[word]) or not all(map(_agree, sorted(one[word]), sorted(other[word])))
        for word in one
    )


def _objects(text: Features, but: frozenset[str]) -> dict[str, list[tuple[str, ...]]]:
    """What stands behind each directional word; nothing where the question asks for it."""
    words, lows = lexicon(), text.lows
    found: dict[str, list[tuple[str, ...]]] = {}
    for i, low in enumerate(lows):
        if low in words.directional and low not in but and lows[i : i + 2] != ("to", "be"):
            behind = [word for word in lows[i + 1 :] if word not in words.soft or word in _ASKED]
            asked = not behind or behind[0] in _ASKED
            found.setdefault(low, []).append(() if asked else tuple(behind[:OBJECT_WORDS]))
    return found


def _agree(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """Whether one object begins like the other: the sentence may go on behind it."""
    return a == b or (a[:1] == b[:1] and min(len(a), len(b)) == 1)
