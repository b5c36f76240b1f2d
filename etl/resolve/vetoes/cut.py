"""A word that another text writes in two, or as a part of one."""

from __future__ import annotations

from etl.resolve.features import Features


def cut_elsewhere(word: str, own: Features, other: Features) -> bool:
    """Whether a word of `own` stands in the other text cut in two, or grown together with its neighbour.

    >>> from etl.resolve.features import features
    >>> one, two = features("the Superbowl of WW II"), features("the Super Bowl of WWII")
    >>> cut_elsewhere("superbowl", one, two), cut_elsewhere("ww", one, two), cut_elsewhere("bowl", two, one)
    (True, True, True)
    >>> cut_elsewhere("eth", features("ETH or BTC"), features("ETC or BTC"))
    False
    """
    if any(first + second == word for first, second in zip(other.lows, other.lows[1:], strict=False)):
        return True
    return any(
        word in (first, second) and first + second in other.words
        for first, second in zip(own.lows, own.lows[1:], strict=False)
    )
