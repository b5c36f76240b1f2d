"""Two texts in, the same two texts cut into runs that both have and runs that only one has out."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
MOST_TOKENS = 600
# Long texts that share less than this have nothing to point at: all of it differs.
LEAST_SHARED = 0.35
SHORT_TOKENS = 16

# (text, whether the other side lacks it)
Runs = list[tuple[str, bool]]


def differences(one: str, other: str) -> tuple[Runs, Runs]:
    """Runs of both texts; joined again, they are the texts.

    Beyond `MOST_TOKENS` tokens the rest counts as shared, and so does
    everything where two longer texts are too unlike for marks to help.
    """
    left, right = _TOKEN.findall(one), _TOKEN.findall(other)
    rest = "".join(left[MOST_TOKENS:]), "".join(right[MOST_TOKENS:])
    left, right = left[:MOST_TOKENS], right[:MOST_TOKENS]
    matcher = SequenceMatcher(None, [t.casefold() for t in left], [t.casefold() for t in right], autojunk=False)
    if max(len(left), len(right)) > SHORT_TOKENS and _shared(matcher, left, right) < LEAST_SHARED:
        return [(one, False)] if one else [], [(other, False)] if other else []
    runs: tuple[Runs, Runs] = ([], [])
    for kind, a, b, c, d in matcher.get_opcodes():
        for side, part in zip(runs, ("".join(left[a:b]), "".join(right[c:d])), strict=True):
            if part:
                side.append((part, kind != "equal"))
    for side, tail in zip(runs, rest, strict=True):
        if tail:
            side.append((tail, False))
    return runs


def _shared(matcher: SequenceMatcher[str], left: list[str], right: list[str]) -> float:
    """The share of the longer text's tokens, spaces aside, that both have in the same order."""
    both = sum(not token.isspace() for a, _, size in matcher.get_matching_blocks() for token in left[a : a + size])
    return both / max(1, *(sum(not token.isspace() for token in side) for side in (left, right)))
