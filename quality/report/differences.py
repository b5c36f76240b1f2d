"""Two texts in, the same two texts cut into runs that both have and runs that only one has out."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
MOST_TOKENS = 600

# (text, whether the other side lacks it)
Runs = list[tuple[str, bool]]


def differences(one: str, other: str) -> tuple[Runs, Runs]:
    """Runs of both texts; joined again, they are the texts. Beyond `MOST_TOKENS` tokens the rest counts as shared."""
    left, right = _TOKEN.findall(one), _TOKEN.findall(other)
    rest = "".join(left[MOST_TOKENS:]), "".join(right[MOST_TOKENS:])
    left, right = left[:MOST_TOKENS], right[:MOST_TOKENS]
    matcher = SequenceMatcher(None, [t.casefold() for t in left], [t.casefold() for t in right], autojunk=False)
    runs: tuple[Runs, Runs] = ([], [])
    for kind, a, b, c, d in matcher.get_opcodes():
        for side, part in zip(runs, ("".join(left[a:b]), "".join(right[c:d])), strict=True):
            if part:
                side.append((part, kind != "equal"))
    for side, tail in zip(runs, rest, strict=True):
        if tail:
            side.append((tail, False))
    return runs
