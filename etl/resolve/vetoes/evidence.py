"""What a veto says: the kind of a difference and the spans that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

SPANS = 8  # how many differing spans of each side are kept


@dataclass(frozen=True, slots=True)
class Evidence:
    """A typed difference: `a` and `b` hold what stands in that text only."""

    kind: str
    a: tuple[str, ...]
    b: tuple[str, ...]

    @property
    def contradicts(self) -> bool:
        """Both texts have something where the other differs (14 and 21), not one text something more."""
        return bool(self.a and self.b) or self.kind == "negation"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"kind": self.kind, "a": list(self.a), "b": list(self.b)}


def spans(difference: Counter[str] | Collection[str]) -> tuple[str, ...]:
    """What differs, as evidence keeps it."""
    found = difference.elements() if isinstance(difference, Counter) else difference
    return tuple(sorted(found))[:SPANS]


# Counter's own == walks through both in Python to let zeros count as absent; ours hold none.
same = dict.__eq__
