"""What every way of being the same looks at."""

from __future__ import annotations

from dataclasses import dataclass

from etl.resolve.features import Features


@dataclass(frozen=True, slots=True)
class Answers:
    """Both answers taken apart, with the words of both questions."""

    a: Features
    b: Features
    asked: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
