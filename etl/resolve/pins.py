"""Rows of `overrides` in, what stands between each two pairs out.

The rows of an unordered pair are a stack: `withdrawn` takes the newest standing one back, so that what stood before
it stands again. A row on top of another replaces it, with exceptions that people mean when they say it: naming the
survivor of a forced merge keeps the merge, keeping both sides of a settled conflict keeps the settlement, and settling
a conflict that a person saw keeps it in the ledger.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

VERDICTS = ("merge", "keep_both", "conflict", "conflict_settled", "survivor", "withdrawn")
BOTH_RIGHT = "both right"  # how the note of a settlement begins when neither is wrong

Two = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Pin:
    """What people decided about two pairs. `id` is the newest standing override."""

    id: int
    merge: bool = False
    keep: bool = False
    conflict: bool = False  # they contradict each other, whatever the rules say; kept apart as well
    prefer: str | None = None  # the key that goes first
    settled: str | None = None  # the key that is right, or 'both'


@dataclass(frozen=True, slots=True)
class Pins:
    """All standing pins by (smaller key, larger key)."""

    by_pair: Mapping[Two, Pin] = field(default_factory=dict)

    @classmethod
    def standing(cls, rows: Iterable[Mapping[str, Any]]) -> Pins:
        """From rows with id, key, other, verdict and note, in any order."""
        return cls({two: _fold(stack) for two, stack in stacks(rows).items() if stack})

    def among(self, keys: frozenset[str] | set[str]) -> Pins:
        """Only pins whose two pairs are both there."""
        return Pins({two: pin for two, pin in self.by_pair.items() if two[0] in keys and two[1] in keys})


def pair_of(a: str, b: str) -> Two:
    """Two keys as the unordered pair they are."""
    return (a, b) if a < b else (b, a)


def stacks(rows: Iterable[Mapping[str, Any]]) -> dict[Two, list[Mapping[str, Any]]]:
    """The standing rows of each pair, oldest first."""
    found: dict[Two, list[Mapping[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: int(row["id"])):
        stack = found[pair_of(row["key"], row["other"])]
        if row["verdict"] != "withdrawn":
            stack.append(row)
        elif stack:
            stack.pop()
    return dict(found)


def _fold(stack: Iterable[Mapping[str, Any]]) -> Pin:
    pin = Pin(0)
    for row in stack:
        number, verdict = int(row["id"]), row["verdict"]
        if verdict == "merge":
            pin = Pin(number, merge=True)
        elif verdict == "keep_both":
            pin = Pin(number, keep=True, conflict=pin.conflict and pin.settled is not None, settled=pin.settled)
        elif verdict == "conflict":
            pin = Pin(number, keep=True, conflict=True)
        elif verdict == "survivor":
            pin = replace(pin, id=number, keep=False, conflict=False, settled=None, prefer=row["key"])
        else:
            both = (row["note"] or "").startswith(BOTH_RIGHT)
            pin = Pin(number, keep=True, conflict=pin.conflict, settled="both" if both else row["key"])
    return pin
