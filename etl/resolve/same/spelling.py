"""Two words, or two runs of words, in, whether they are one and the same but for a slip of the pen out."""

from __future__ import annotations

from collections.abc import Sequence

from etl.resolve.lexicon import lexicon
from etl.resolve.vetoes.antonym import turned_round

LONG_WORD = 6  # letters from which on a slip is likelier than another word


def spelled_alike(a: str, b: str) -> bool:
    """Two long words of letters that differ by one letter more, less, other or moved, not at their start.

    >>> spelled_alike("simmons", "simons"), spelled_alike("modelled", "modeled"), spelled_alike("acheive", "achieve")
    (True, True, True)
    >>> spelled_alike("staked", "unstaked"), spelled_alike("iran", "iraq"), spelled_alike("million", "billion")
    (False, False, False)
    >>> spelled_alike("austria", "australia"), spelled_alike("inbound", "unbound"), spelled_alike("phase22", "phase23")
    (False, False, False)
    """
    if a == b:
        return True
    if min(len(a), len(b)) < LONG_WORD or a[0] != b[0] or not (a.isalpha() and b.isalpha()):
        return False
    known = lexicon()
    if {a, b} & (known.poles.keys() | known.terms.keys()) or turned_round(a, b):
        return False
    return _one_slip(*sorted((a, b), key=len))


def run_together(a: Sequence[str], b: Sequence[str]) -> bool:
    """The same letters in the same order, cut into words elsewhere.

    >>> run_together(["superbowl"], ["super", "bowl"]), run_together(["wwii"], ["ww", "ii"])
    (True, True)
    >>> run_together(["bowl", "super"], ["super", "bowl"]), run_together([], [])
    (False, False)
    """
    return bool(a) and "".join(a) == "".join(b)


def _one_slip(short: str, long: str) -> bool:
    if len(long) - len(short) > 1:
        return False
    n = next((n for n, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    if len(short) < len(long):
        return short[n:] == long[n + 1 :]
    moved = short[n : n + 2] == long[n : n + 2][::-1] and short[n + 2 :] == long[n + 2 :]
    return moved or short[n + 1 :] == long[n + 1 :]
