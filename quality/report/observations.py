"""Figures in, sentences out: what is true of this data and not seen at a glance. Computed, never written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Observation:
    """One sentence. `weight` orders them: how much it should matter to the reader, 0 to 1."""

    text: str
    weight: float


def observations(figures: Mapping[str, Any], *, most: int = 12) -> list[Observation]:
    """At most `most` sentences, the weightiest first; none about an empty store."""
    if not figures["counts"]["live"]:
        return []
    found = [
        *_sums(figures),
        *_not_read(figures),
        *_duplicates(figures),
        *_senders(figures),
        *_columns(figures),
        *_answers(figures),
        *_gates(figures),
        *_contradictions(figures),
        *_categories(figures),
        *_languages(figures),
        *_grades(figures),
    ]
    return sorted(found, key=lambda seen: (-seen.weight, seen.text))[:most]


def share(part: int, whole: int) -> str:
    """A share as one says it: '1 in 9', '42%' from a third on, 'all', 'none'."""
    if not part or not whole:
        return "none"
    if part >= whole:
        return "all"
    if part * 3 > whole:
        return f"{min(round(100 * part / whole), 99)}%"
    return f"1 in {round(whole / part):,}"


def plural(count: int, noun: str) -> str:
    """'1 pair', '1,204 pairs', '2 categories'."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("y") else f"{count:,} {noun}s"


def _sums(figures: Mapping[str, Any]) -> list[Observation]:
    wrong = [name for name, holds in figures["counts"]["adds_up"].items() if not holds]
    return [Observation(f"The books do not balance: {name}. Run 'etl doctor'.", 1.0) for name in wrong]


def _not_read(figures: Mapping[str, Any]) -> list[Observation]:
    files, counts = len(figures["not_read"]), figures["counts"]
    found = []
    if files:
        first = figures["not_read"][0]
        found.append(
            Observation(
                f"{plural(files, 'file')} of {counts['deliveries']:,} could not be read, among them {first['path']} "
                f"({_spoken(first['reason'])}).",
                0.95,
            )
        )
    if figures["rejects"]:
        top = figures["rejects"][0]
        found.append(
            Observation(
                f"{plural(counts['rejected'], 'record')} inside readable files gave no pair, most often for "
                f"{_spoken(top['reason'])} ({top['records']:,}).",
                0.6,
            )
        )
    return found


def _duplicates(figures: Mapping[str, Any]) -> list[Observation]:
    counts, found = figures["counts"], []
    again = counts["duplicates_at_delivery"]
    if again:
        found.append(
            Observation(
                f"{_first_up(share(again, counts['candidates']))} of the pairs delivered had been delivered before, "
                f"word for word ({again:,} of {counts['candidates']:,}).",
                0.75,
            )
        )
    if figures["samples"]["duplicates"]:
        top = figures["samples"]["duplicates"][0]
        by = f"by {plural(top['senders'], 'sender')}" if top["senders"] > 1 else "by one sender"
        found.append(
            Observation(f"One question was delivered {top['occurrences']:,} times, {by}: “{top['question']}”", 0.7)
        )
    if counts["merged"]:
        found.append(
            Observation(
                f"{plural(counts['merged'], 'pair')} merged into one that says the same in other words; "
                f"{plural(counts['review'], 'pair')} in doubt, for a person to decide.",
                0.72,
            )
        )
    return found


def _senders(figures: Mapping[str, Any]) -> list[Observation]:
    found = []
    if figures["overlaps"]:
        top = figures["overlaps"][0]
        one, other = _named(top["one"]), _named(top["other"])
        found.append(Observation(f"{one} and {other} delivered {plural(top['pairs'], 'pair')} in common.", 0.8))
    bringing = [s for s in figures["senders"] if s["candidates"] >= 20]
    if len(bringing) > 1:
        worst = max(bringing, key=lambda s: (s["duplicates"] / s["candidates"], s["sender"]))
        if worst["duplicates"] * 4 > worst["candidates"]:
            part = _first_up(share(worst["duplicates"], worst["candidates"]))
            found.append(Observation(f"{part} of what {_named(worst['sender'])} delivered was already here.", 0.65))
    return found


def _columns(figures: Mapping[str, Any]) -> list[Observation]:
    live, without = figures["counts"]["live"], figures["counts"]["without_sources"]
    if not without:
        return [Observation("Every answer names a source.", 0.5)]
    if without == live:
        return [Observation("No answer names a source.", 0.74)]
    said = share(without, live)
    who = f"{said} answers names" if said.startswith("1 in") else f"{said} of the answers name"
    return [Observation(f"{who} no source ({without:,} of {live:,}).", 0.74)]


def _answers(figures: Mapping[str, Any]) -> list[Observation]:
    words = figures["answer_words"]
    return [
        Observation(
            f"Half of the answers have at most {plural(round(words['median']), 'word')}; "
            f"the longest has {words['longest']:,}.",
            0.45,
        )
    ]


def _gates(figures: Mapping[str, Any]) -> list[Observation]:
    gated = [row for row in figures["flags"] if row["gate"] and row["pairs"]]
    found = []
    if gated:
        top = gated[0]
        found.append(
            Observation(
                f"Releases leave out what carries {', '.join(_spoken(r['flag']) for r in gated[:3])}"
                f"{' and others' if len(gated) > 3 else ''} unless told otherwise; most frequent is "
                f"{_spoken(top['flag'])} with {plural(top['pairs'], 'pair')}.",
                0.55,
            )
        )
    secret = next((row["pairs"] for row in gated if row["flag"] == "secret"), 0)
    if secret:
        said = f"A key, token or password stands in {plural(secret, 'pair')}; on this page they are masked."
        found.append(Observation(said, 0.9))
    return found


def _contradictions(figures: Mapping[str, Any]) -> list[Observation]:
    kinds, settled = figures["conflict_kinds"], figures["counts"]["conflicts_settled"]
    if not kinds:
        return []
    total = sum(kind["conflicts"] for kind in kinds)
    often = f"most often in a {_spoken(kinds[0]['kind'])} ({kinds[0]['conflicts']:,})"
    said = f"{plural(total, 'contradiction')} between answers to the same question, {often}; "
    return [Observation(said + f"{settled:,} settled by a person.", 0.85)]


def _categories(figures: Mapping[str, Any]) -> list[Observation]:
    named = [row for row in figures["categories"] if row["category"]]
    kept = sum(row["pairs"] for row in figures["categories"])
    if len(named) < 2:
        return []
    top, least = named[0], named[-1]
    return [
        Observation(
            f"The largest of {len(named):,} categories, {top['category'][:60]}, holds "
            f"{share(top['pairs'], kept)} of the kept pairs; the smallest, {least['category'][:60]}, "
            f"{plural(least['pairs'], 'pair')}.",
            0.5,
        )
    ]


def _languages(figures: Mapping[str, Any]) -> list[Observation]:
    spoken = [row for row in figures["languages"] if row["language"] != "und"]
    if len(spoken) < 2:
        return []
    others = sum(row["pairs"] for row in spoken[1:])
    return [
        Observation(
            f"{plural(others, 'pair')} in {plural(len(spoken) - 1, 'language')} other than "
            f"'{spoken[0]['language']}', mostly '{spoken[1]['language']}' ({spoken[1]['pairs']:,}).",
            0.58,
        )
    ]


def _grades(figures: Mapping[str, Any]) -> list[Observation]:
    grades = figures["grades"]
    total = sum(grades.values())
    if not total:
        return []
    said = share(grades["A"] + grades["B"], total)
    who = f"{_first_up(said)} {'pairs is' if said.startswith('1 in') else 'of the pairs are'} graded A or B"
    failed = f"{plural(grades['F'], 'pair')} {'is' if grades['F'] == 1 else 'are'} graded F"
    return [Observation(f"{who}; {failed}.", 0.57)]


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def _spoken(name: str | None) -> str:
    return (name or "an unknown reason").replace("_", " ")


def _named(sender: str) -> str:
    return sender or "files without a sender"
