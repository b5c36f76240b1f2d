"""Answers in, thresholds with their evidence out. Pure arithmetic.

The interval is Clopper and Pearson's (1934), exact for answers of equal weight. Where a sample took more from some
bands than others, each answer stands for its share of the store's pairs, and the count of answers is Kish's effective
one, (sum of weights)² / sum of squared weights (Kish 1965), which is never above the true count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

STEP = 0.01  # thresholds are tried in these steps
REVIEW_WORTH = 0.1  # a band is worth a reviewer's time while one in ten of its pairs is a duplicate
REVIEW_BAND = 0.05
MOST_MORE = 100_000


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered pair. `similarity` is that of the side that is less alike; `mergeable`: every other condition of a
    merge holds; `weight`: how many pairs of the store it stands for."""

    similarity: float
    duplicate: bool
    mergeable: bool
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Fit:
    """What answers bear out. `merge` is None where the wanted precision cannot be shown; then `more` right answers,
    none of them wrong, at `at` or above would show it. `low` and `high` bound the precision at `at`; the true one lies
    above `low` with `confidence`."""

    merge: float | None
    review: float | None
    at: float
    wanted: float
    confidence: float
    precision: float
    low: float
    high: float
    answers: int
    right: int
    effective: float
    more: int
    bands: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the name of the interval."""
        return asdict(self) | {"interval": "Clopper-Pearson on Kish's effective count"}


def fit(given: Sequence[Answer], *, floor: float, wanted: float = 0.9, confidence: float = 0.95) -> Fit:
    """The lowest merge threshold whose precision is `wanted` or more with this confidence, and a review threshold.

    Thresholds are tried from the highest one that has enough answers to show it, downwards, until one fails: in this
    fixed order no correction for trying many is needed. The review threshold goes down from there, a band of 0.05 at a
    time, as long as one pair in ten is a duplicate. No threshold lies below `floor`, from which pairs are known at all.
    """
    tried = [_stand(given, at, confidence) for at in _grid(floor)]
    able = [n for n, stand in enumerate(tried) if _low(stand["effective"], stand["effective"], confidence) >= wanted]
    chosen = None
    for place in sorted(able, reverse=True):
        if tried[place]["low"] < wanted:
            break
        chosen = tried[place]
    told = chosen or max(tried, key=lambda stand: (stand["low"], -stand["at"]))
    merge = None if chosen is None else told["at"]
    more = 0 if chosen is not None else _more(told, wanted, confidence)
    review = None if merge is None else _review(given, floor, merge)
    return Fit(merge, review, wanted=wanted, confidence=confidence, more=more, bands=_bands(given, floor), **told)


def interval(right: float, answers: float, confidence: float) -> tuple[float, float]:
    """Clopper and Pearson's bounds of a share; each of them holds with `confidence` by itself."""
    from scipy.special import betaincinv

    wrong = answers - right
    low = 0.0 if right <= 0 else float(betaincinv(right, wrong + 1, 1 - confidence))
    high = 1.0 if wrong <= 0 else float(betaincinv(right + 1, wrong, confidence))
    return low, high


def _low(right: float, answers: float, confidence: float) -> float:
    return interval(right, answers, confidence)[0]


def _grid(floor: float) -> list[float]:
    steps = round((1 - floor) / STEP)
    return [round(floor + STEP * n, 2) for n in range(steps)]


def _stand(given: Sequence[Answer], at: float, confidence: float) -> dict[str, Any]:
    """What the mergeable answers at or above a threshold say about the precision of merging there."""
    above = [a for a in given if a.mergeable and a.similarity >= at]
    weight = sum(a.weight for a in above)
    share = sum(a.weight for a in above if a.duplicate) / weight if weight else 0.0
    effective = weight**2 / sum(a.weight**2 for a in above) if weight else 0.0
    low, high = interval(share * effective, effective, confidence)
    return {
        "at": at,
        "precision": round(share, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "answers": len(above),
        "right": sum(a.duplicate for a in above),
        "effective": round(effective, 1),
    }


def _more(stand: dict[str, Any], wanted: float, confidence: float) -> int:
    """How many more right answers would show the wanted precision, if none of them were wrong."""
    right, count = stand["precision"] * stand["effective"], stand["effective"]
    low, high = 0, 1
    while _low(right + high, count + high, confidence) < wanted and high < MOST_MORE:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if _low(right + middle, count + middle, confidence) < wanted:
            low = middle
        else:
            high = middle
    return high


def _review(given: Sequence[Answer], floor: float, merge: float) -> float:
    review = merge
    while review > floor:
        lower = max(floor, round(review - REVIEW_BAND, 2))
        inside = [a for a in given if lower <= a.similarity < review]
        weight = sum(a.weight for a in inside)
        if not weight or sum(a.weight for a in inside if a.duplicate) / weight < REVIEW_WORTH:
            break
        review = lower
    return review


def _bands(given: Sequence[Answer], floor: float) -> list[dict[str, Any]]:
    width = round((1 - floor) / 5, 4)
    rows = []
    for n in range(5):
        low, high = round(floor + n * width, 4), round(floor + (n + 1) * width, 4)
        inside = [a for a in given if low <= a.similarity < high or (n == 4 and a.similarity >= high)]
        rows.append({
            "from": low, "to": high, "answers": len(inside), "duplicates": sum(a.duplicate for a in inside),
            "mergeable": sum(a.mergeable for a in inside),
            "mergeable_duplicates": sum(a.mergeable and a.duplicate for a in inside),
        })  # fmt: skip
    return rows
