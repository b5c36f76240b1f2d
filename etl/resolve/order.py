"""Grades, merge edges and pins in, who stays and who joins whom out.

From best to worst (grade, completeness, key) a pair stays unless it is alike directly to one that already stays, and
then it joins the most alike of those. So a group keeps one row and grows no chains; only people can put two pairs
together that are not directly alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from etl.resolve.pins import Pin, Pins, Two, pair_of

Edge = tuple[str, str, float, float]  # a, b, question similarity, answer similarity


@dataclass(frozen=True, slots=True)
class Grouping:
    """`joined`: merged key -> survivor. `through`: key put there by people -> the better pair they named it the same
    as. `blocked`: pairs that people called the same and kept apart at once. `rank`: 0 is the best."""

    rank: Mapping[str, int]
    joined: Mapping[str, str]
    through: Mapping[str, str] = field(default_factory=dict)
    blocked: frozenset[Two] = frozenset()


def group(ranked: Sequence[str], edges: Iterable[Edge], pins: Pins) -> Grouping:
    """`ranked`: every linked or pinned key, best first. `edges`: what may merge by itself, pinned pairs left out."""
    edges = list(edges)
    chosen, blocked = _forced(pins)
    ranked = _preferred(ranked, edges, pins, chosen)
    rank = {key: place for place, key in enumerate(ranked)}
    heads = _heads(chosen, rank)
    apart = _apart(pins, heads)
    oriented = []
    for a, b, question, answer in edges:
        worse, better = (a, b) if rank[a] > rank[b] else (b, a)
        if heads.get(worse, worse) == worse and heads.get(better, better) == better:  # others follow their head
            oriented.append((rank[worse], -question, -answer, better, worse))
    joined: dict[str, str] = {}
    pinned: dict[str, set[str]] = {key: {key} for key in apart}  # survivor -> those of its group that are kept apart
    # in the order of the worse pair's rank everybody better is settled already, and its most alike comes first
    for _, _, _, better, worse in sorted(oriented):
        if worse in joined or better in joined:
            continue
        if worse in apart:
            if not apart[worse].isdisjoint(pinned.get(better, ())):
                continue
            pinned.setdefault(better, set()).add(worse)
        joined[worse] = better
    through = {}
    for key, head in heads.items():
        if key != head:
            joined[key] = joined.get(head, head)
            through[key] = head
    return Grouping(rank, joined, through, blocked)


def _apart(pins: Pins, heads: Mapping[str, str]) -> dict[str, set[str]]:
    """Head -> the heads that people keep apart from it, both ways."""
    apart: dict[str, set[str]] = {}
    for (a, b), pin in pins.by_pair.items():
        if pin.keep:
            first, second = heads.get(a, a), heads.get(b, b)
            apart.setdefault(first, set()).add(second)
            apart.setdefault(second, set()).add(first)
    return apart


def _forced(pins: Pins) -> tuple[list[Two], frozenset[Two]]:
    """The pairs that people merged, newest first, without those that would put together what they keep apart."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.get(key, key) != key:
            key = parent[key]
        return key

    apart = [two for two, pin in pins.by_pair.items() if pin.keep]
    chosen, blocked = [], set()
    for two, _ in sorted(_merges(pins), key=lambda found: -found[1].id):
        first, second = root(two[0]), root(two[1])
        if first != second and any({root(a), root(b)} == {first, second} for a, b in apart):
            blocked.add(two)
            continue
        chosen.append(two)
        parent[max(first, second)] = min(first, second)
    return chosen, frozenset(blocked)


def _merges(pins: Pins) -> list[tuple[Two, Pin]]:
    return [(two, pin) for two, pin in pins.by_pair.items() if pin.merge]


def _heads(chosen: Iterable[Two], rank: Mapping[str, int]) -> dict[str, str]:
    """Every key that people merged -> the best of those that hang together by their word."""
    head: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    for a, b in chosen:
        first, second = sorted((head.get(a, a), head.get(b, b)), key=rank.__getitem__)
        if first != second or first not in members:
            together = sorted({*members.pop(first, [first]), *members.pop(second, [second])})
            members[first] = together
            head.update(dict.fromkeys(together, first))
    return head


def _preferred(ranked: Sequence[str], edges: Iterable[Edge], pins: Pins, chosen: Iterable[Two]) -> list[str]:
    """The order after `survivor` pins: a preferred key moves to just before the one it is preferred to.

    Only where the two are in one merge. A circle of preferences loses its oldest member.
    """
    wanted = [(pin.id, pin.prefer, two) for two, pin in pins.by_pair.items() if pin.prefer is not None]
    if not wanted:
        return list(ranked)
    mergeable = {pair_of(a, b) for a, b, _, _ in edges} | set(chosen)
    below: dict[str, set[str]] = {}
    for _, better, two in sorted(wanted, reverse=True):
        other = two[1] if better == two[0] else two[0]
        if two in mergeable and better not in _reached(other, below):
            below.setdefault(better, set()).add(other)
    base = {key: place for place, key in enumerate(ranked)}
    places: dict[str, tuple[int, int]] = {}

    def place(key: str) -> tuple[int, int]:
        """(rank of the best it goes before, minus the steps to it)."""
        if key not in places:
            under = [place(other) for other in below.get(key, ())]
            places[key] = min([(base[key], 0), *((anchor, step - 1) for anchor, step in under)])
        return places[key]

    return sorted(ranked, key=lambda key: (*place(key), base[key]))


def _reached(key: str, below: Mapping[str, set[str]]) -> set[str]:
    seen, waiting = {key}, [key]
    while waiting:
        for other in below.get(waiting.pop(), ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen
