"""A reviewer's choice about two pairs in, rows of `overrides` out; and taking them back."""

from __future__ import annotations

from dataclasses import dataclass

from etl import overrides
from etl.errors import MotherlodeError, NotFoundError
from etl.resolve.pins import BOTH_RIGHT, pair_of, stacks
from etl.store import Store

# What a reviewer can say, and how it reads; 'left' stays where the two are merged, 'right' would join it.
CHOICES = {
    "merge": "merged",
    "merge_swapped": "merged, the other one survives",
    "keep_both": "both kept",
    "conflict": "they contradict each other",
    "left_right": "the first is right",
    "right_right": "the second is right",
    "both_right": "both are right",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What was written down: the id of its newest row, the two keys, the choice, how it reads."""

    id: int
    stays: str
    other: str
    choice: str
    text: str


def decide(store: Store, stays: str, other: str, choice: str, *, who: str, note: str | None = None) -> Decision:
    """Write one choice about two whole keys down, in one unit.

    Raises `NotFoundError` where somebody decided about the two in the meantime.
    """
    if choice not in CHOICES:
        raise MotherlodeError(f"{choice!r} is no choice; known are {', '.join(CHOICES)}")
    stack = _stack(store, stays, other)
    if stack:
        top = stack[-1]
        raise NotFoundError(f"{top[3]} decided about these two already ({top[2]}, decision {top[0]}): nothing was done")
    first, second = (other, stays) if choice in ("merge_swapped", "right_right") else (stays, other)
    said = f": {note}" if note else ""
    verdicts: tuple[str, ...] = (choice,)
    if choice == "merge_swapped":
        verdicts = ("merge", "survivor")
    elif choice in ("left_right", "right_right", "both_right"):
        verdicts = ("conflict_settled",)
        note = (BOTH_RIGHT if choice == "both_right" else "key right") + said
    number = overrides.append(store, first, second, *verdicts, who=who, note=note or None)
    return Decision(number, stays, other, choice, f"{stays[:10]} and {other[:10]}: {CHOICES[choice]}")


def newest(store: Store, *, who: str | None = None) -> int:
    """The id of the newest standing decision, of this person where `who` is given."""
    rows = store.query("SELECT * FROM overrides ORDER BY id").rows(named=True)
    standing = [row["id"] for stack in stacks(rows).values() for row in stack[-1:] if who in (None, row["who"])]
    if not standing:
        raise NotFoundError(f"no decision {f'of {who} ' if who else ''}stands that could be taken back")
    return int(max(standing))


def take_back(store: Store, number: int, *, who: str) -> Decision:
    """Withdraw a decision with all the rows that were written for it; what stood before stands again.

    Raises `NotFoundError` when it does not stand, or when a newer one on the same two pairs lies on top.
    """
    rows = store.query("SELECT key, other FROM overrides WHERE id = ?", [number]).rows()
    stack = _stack(store, *rows[0]) if rows else []
    if not stack or stack[-1][0] != number:
        raise NotFoundError(f"decision {number} does not stand on top of its two pairs; `etl override list` shows all")
    _, _, verdict, _, decided_at, key, other = stack[-1]
    below = stack[-2] if len(stack) > 1 else None
    swapped = verdict == "survivor" and below is not None and (below[0], below[2], below[4]) == (
        number - 1, "merge", decided_at
    )  # fmt: skip
    overrides.append(store, key, other, *["withdrawn"] * (2 if swapped else 1), who=who)
    return Decision(number, key, other, verdict, f"{key[:10]} and {other[:10]}: {verdict} is taken back")


def _stack(store: Store, one: str, other: str) -> list[tuple[int, str, str, str, object, str, str]]:
    """What stands between two pairs, oldest first: (id, note, verdict, who, when, key, other)."""
    rows = store.query(
        "SELECT * FROM overrides WHERE (key = $1 AND other = $2) OR (key = $2 AND other = $1)", [one, other]
    ).rows(named=True)
    found = stacks(rows).get(pair_of(one, other), [])
    return [(r["id"], r["note"], r["verdict"], r["who"], r["decided_at"], r["key"], r["other"]) for r in found]
