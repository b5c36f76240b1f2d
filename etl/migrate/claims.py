"""The books of a first version in; what they claim out, each beside what was really found.

The first version counted a file that it could not read as one that was already integrated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etl.migrate.folder import Old
from etl.store import Store

_KNOWN_FILES = re.compile(
    r"[^\n.]{0,60}?\b([\d,]+)\s+(?:\w+\s+){0,3}?files?\b[^.\n]{0,20}?already integrated", re.IGNORECASE
)
_INBOX = re.compile(r"\b(\w+)\s+inbox\b|\binbox/(\w+)", re.IGNORECASE)
_TOTAL = re.compile(
    r"(?:total pairs\W{0,4}([\d,]+)|([\d,]+)\s+pairs\s+(?:total|integrated\b(?!,? from)))", re.IGNORECASE
)
_RANGE = re.compile(r"integrate_sessions_(\d+)_(\d+)$")
_TEXT_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Claim:
    """`kind`: known_files (about an inbox), pairs (in the base), sessions (completed), errors."""

    kind: str
    where: str
    said: str
    value: int
    about: str = ""
    sessions: tuple[int, ...] = ()


def claims(old: Old) -> list[Claim]:
    """What queues, states and handoffs claim, each claim once."""
    found: dict[tuple[str, int, str, tuple[int, ...]], Claim] = {}
    for name in (*old.queues, *old.kept):
        path = old.root / name
        if path.stat().st_size > _TEXT_BYTES:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for claim in (*_in_text(name, text), *_in_json(name, text)):
            found.setdefault((claim.kind, claim.value, claim.about, claim.sessions), claim)
    return sorted(found.values(), key=lambda claim: (claim.kind, claim.where, claim.value))


def _in_text(name: str, text: str) -> Iterator[Claim]:
    for match in _KNOWN_FILES.finditer(text):
        agent = _INBOX.search(match[0])
        about = (agent[1] or agent[2]).lower() if agent else ""
        yield Claim("known_files", name, " ".join(match[0].split()).lstrip('"'), _number(match[1]), about)
    for match in _TOTAL.finditer(text):
        yield Claim("pairs", name, " ".join(match[0].split()), _number(match[1] or match[2]))


def _in_json(name: str, text: str) -> Iterator[Claim]:
    try:
        content = json.loads(text)
    except ValueError:
        return
    for key, entry in _objects(content, ""):
        task = str(entry.get("task_id") or key)
        done, status = entry.get("sessions_completed"), str(entry.get("status") or "").lower()
        if isinstance(done, list) and (numbers := tuple(n for n in done if isinstance(n, int))):
            yield Claim("sessions", name, f"{len(numbers)} sessions completed", len(numbers), sessions=numbers)
        if (ranged := _RANGE.search(task)) and status in ("completed", "complete", "done"):
            numbers = tuple(range(int(ranged[1]), int(ranged[2]) + 1))
            yield Claim("sessions", name, f"{task} completed", len(numbers), sessions=numbers)
        if isinstance(entry.get("errors_encountered"), int):
            yield Claim(
                "errors", name, f"errors_encountered {entry['errors_encountered']}", entry["errors_encountered"]
            )


def _objects(value: Any, key: str, depth: int = 0) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if depth > 8:
        return
    if isinstance(value, Mapping):
        yield key, value
        for name, inner in value.items():
            yield from _objects(inner, str(name), depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner, key, depth + 1)


def compared(store: Store, given: list[Claim], sheet: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each claim with what was found: `found`, `true`, and in `note` what makes the difference."""
    return [_compared(store, claim, sheet) for claim in given]


def _compared(store: Store, claim: Claim, sheet: Mapping[str, Any]) -> dict[str, Any]:
    found, note = _FOUND[claim.kind](store, claim, sheet)
    told = {"kind": claim.kind, "where": claim.where, "said": claim.said, "claimed": claim.value}
    return told | {"found": found, "true": found == claim.value, "note": note}


def _known_files(store: Store, claim: Claim, sheet: Mapping[str, Any]) -> tuple[int, str]:
    """Files whose every pair other files hold as well; what new pairs and unreadable files say against the claim."""
    del store
    begin = f"inbox/{claim.about}/" if claim.about else "inbox/"
    files = [row for row in sheet["sources"] if row["path"].startswith(begin)]
    known = [row for row in files if row["state"] == "accepted" and row["candidates"] and not row["new"]]
    fresh = {row["path"]: row["new"] for row in files if row["new"]}
    refused = {row["path"]: row["reason"] for row in files if row["state"] in ("refused", "unmapped")}
    notes = [f"{len(files)} files are there"]
    notes += [f"{path} holds {n} pairs that were nowhere else" for path, n in fresh.items()]
    notes += [f"{path} cannot be read: {reason}" for path, reason in refused.items()]
    return len(known), "; ".join(notes)


def _pairs(store: Store, claim: Claim, sheet: Mapping[str, Any]) -> tuple[int, str]:
    del store, claim
    holds = [row for row in sheet["tables"] if row["why"] is None]
    return sum(row["there"] for row in holds), "rows of the base: " + (
        ", ".join(f"{row['table']} {row['there']:,}" for row in holds) or "there is none"
    )


def _sessions(store: Store, claim: Claim, sheet: Mapping[str, Any]) -> tuple[int, str]:
    del sheet
    rows = store.query(
        "SELECT DISTINCT source_session AS s FROM occurrences UNION SELECT DISTINCT source_session FROM deliveries"
        " WHERE candidates > 0"
    )
    there = {int(digits[-1]) for text in rows["s"].drop_nulls() if (digits := re.findall(r"\d+", text))}
    lost = [n for n in claim.sessions if n not in there]
    shown = ", ".join(map(str, lost[:12])) + (" ..." if len(lost) > 12 else "")
    return len(claim.sessions) - len(lost), f"no pair says that it is of session {shown}" if lost else ""


def _errors(store: Store, claim: Claim, sheet: Mapping[str, Any]) -> tuple[int, str]:
    del store, claim
    totals = sheet["totals"]
    return totals["not_read"] + totals[
        "rejects"
    ], f"{totals['not_read']} files not read, {totals['rejects']} records rejected"


_FOUND = {"known_files": _known_files, "pairs": _pairs, "sessions": _sessions, "errors": _errors}


def _number(text: str) -> int:
    return int(text.replace(",", ""))
