"""Two texts in, the same two texts cut into runs that both have and runs that only one has out."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

# Words with their combining marks; each character of a script that puts no spaces between words by itself.
_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0dff\u0e00-\u0eff"
_TOKEN = re.compile(rf"[{_ALONE}]|(?:(?![{_ALONE}])[\w{_MARKS}])+|\s+|[^\w\s]")
MOST_TOKENS = 600
# Long texts that share less than this have nothing to point at: all of it differs.
LEAST_SHARED = 0.35
SHORT_TOKENS = 16

# (text, whether the other side lacks it)
Runs = list[tuple[str, bool]]


def differences(one: str, other: str, *, most: int = MOST_TOKENS) -> tuple[Runs, Runs]:
    """Runs of both texts; joined again, they are the texts.

    Beyond `most` tokens nothing is compared: the rest is marked as a whole where it is not the same. Nothing is marked
    where two longer texts are too unlike for marks to help.
    """
    left, right = _TOKEN.findall(one), _TOKEN.findall(other)
    rest = "".join(left[most:]), "".join(right[most:])
    left, right = left[:most], right[:most]
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
            side.append((tail, rest[0] != rest[1]))
    return _joined(runs[0]), _joined(runs[1])


def _joined(runs: Runs) -> Runs:
    """Neighbours of one kind as one run; a space between two runs that differ belongs to them."""
    found: Runs = []
    for place, (text, differs) in enumerate(runs):
        between = text.isspace() and 0 < place < len(runs) - 1 and runs[place - 1][1] and runs[place + 1][1]
        if found and found[-1][1] == (differs or between):
            found[-1] = (found[-1][0] + text, found[-1][1])
        else:
            found.append((text, differs or between))
    return found


def _shared(matcher: SequenceMatcher[str], left: list[str], right: list[str]) -> float:
    """The share of the longer text's tokens, spaces aside, that both have in the same order."""
    both = sum(not token.isspace() for a, _, size in matcher.get_matching_blocks() for token in left[a : a + size])
    return both / max(1, *(sum(not token.isspace() for token in side) for side in (left, right)))
