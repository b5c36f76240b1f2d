"""What people say about fields whose names say nothing goes in and stays; `ingest` reads what stands.

A mapping is remembered for a sender and a signature (the field names of the records): the waiting delivery and later
ones like it are read with it, without asking again. Nothing is changed or deleted here: taking a mapping back is one
more row, and what stood before stands again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from etl.detect.names import NAMES
from etl.errors import MotherlodeError, NotFoundError
from etl.ingest.remembered import ANYBODY, lookup, standing
from etl.ingest.views import find
from etl.overrides import Outcome
from etl.store import Store

JOB = "mapping"
Row = dict[str, Any]
_DETAILS = "d.format->'$.details'"


def accept(store: Store, which: str, *, who: str, sender: str | None = None, note: str | None = None) -> Outcome:
    """Take the mapping that is proposed for a waiting delivery (the start of its sha256, or its path).

    `sender` remembers it for another sender than the delivery's, '*' for all. Raises `NotFoundError` where nothing
    is proposed.
    """
    found = _signed(store, which)
    proposal = found["format"].get("proposal")
    if not proposal:
        raise NotFoundError(
            f"{found['path']} is {found['state']} and nothing is proposed for it; "
            f"'etl mapping edit {which} question=FIELD answer=FIELD' says what is what"
        )
    return _append(store, found, proposal, "accepted", who=who, sender=sender, note=note)


def edit(
    store: Store,
    which: str,
    changes: Mapping[str, str],
    *,
    who: str,
    sender: str | None = None,
    note: str | None = None,
) -> Outcome:
    """Say which fields of a delivery are what, beginning with what is proposed or stands; an empty name takes one out.

    Works for accepted deliveries too, which are then read again. Raises `MotherlodeError` for fields that there are
    not.
    """
    found = _signed(store, which)
    fields = found["format"]["details"]["fields"]
    before = lookup(standing(store), found["sender"], found["format"]["details"]["signature"])
    made = dict(before.mapping if before else found["format"].get("proposal") or {})
    for ours, theirs in changes.items():
        if ours not in NAMES:
            raise MotherlodeError(f"{ours!r} is no field of ours; they are {', '.join(NAMES)}")
        if theirs and theirs not in fields and theirs.partition(".")[0] not in fields:
            raise MotherlodeError(f"{found['path']} has no field {theirs!r}; it has {', '.join(fields)}")
        made[ours] = theirs
    made = {ours: theirs for ours, theirs in made.items() if theirs}
    if not {"question", "answer"} <= made.keys():
        raise MotherlodeError("a mapping names at least question and answer: question=FIELD answer=FIELD")
    if made["question"] == made["answer"]:
        raise MotherlodeError(f"question and answer cannot both be {made['question']!r}")
    return _append(store, found, made, "edited", who=who, sender=sender, note=note)


def withdraw(store: Store, number: int, *, who: str, note: str | None = None) -> Outcome:
    """Take a mapping back, by its id; what stood before it stands again, and what was read with it is read anew."""
    row = next((row for row in standing(store).values() if row.id == number), None)
    if row is None:
        raise NotFoundError(f"no mapping {number} stands; 'etl mapping list' shows those that do")
    _insert(store, row.sender, row.signature, [], {}, "withdrawn", who, note)
    after = lookup(standing(store), row.sender, row.signature)
    then = f"mapping {after.id} stands again" if after else "such files are mapped by names and content again"
    return Outcome(f"mapping {number} is withdrawn; {then}", {"withdrew": number, "stands": after and after.id})


def listed(store: Store) -> dict[str, list[Row]]:
    """`mappings`: every row, oldest first, with `stands`; `waiting`: deliveries without one, with what is proposed."""
    stands = standing(store)
    ids = {row.id for row in stands.values()}
    rows = store.query("SELECT * REPLACE (mapping::VARCHAR AS mapping) FROM mappings ORDER BY id").to_dicts()
    mappings = [row | {"mapping": json.loads(row["mapping"]), "stands": row["id"] in ids} for row in rows]
    found = store.query(
        f"""
        SELECT d.delivery, d.path, d.sender, {_DETAILS}->>'signature' AS signature,
               ({_DETAILS}->'fields')::VARCHAR AS fields, (d.format->'proposal')::VARCHAR AS proposal, d.evidence
        FROM deliveries d WHERE d.state = 'unmapped' ORDER BY d.path
        """
    ).to_dicts()
    waiting = [
        row
        | {
            "fields": json.loads(row["fields"] or "[]"),
            "proposal": json.loads(row["proposal"] or "{}"),
            "next_run": lookup(stands, row["sender"], row["signature"]) is not None,
        }
        for row in found
    ]
    return {"mappings": mappings, "waiting": waiting}


def _signed(store: Store, which: str) -> Row:
    """The delivery, its format as a dict. Raises `NotFoundError` where its records have no fields to map."""
    found = find(store, which)
    decided = json.loads(found["format"]) if found["format"] else {}
    if "signature" not in decided.get("details", {}):
        raise NotFoundError(f"{found['path']} ({found['state']}) has no fields that could be mapped")
    return found | {"format": decided}


def _append(
    store: Store, found: Row, mapping: dict[str, str], verdict: str, *, who: str, sender: str | None, note: str | None
) -> Outcome:
    whose = found["sender"] if sender is None else sender
    details = found["format"]["details"]
    number = _insert(store, whose, details["signature"], details["fields"], mapping, verdict, who, note)
    said = ", ".join(f"{ours} = {theirs!r}" for ours, theirs in mapping.items())
    of = "of any sender" if whose == ANYBODY else f"of {whose}" if whose else "without a sender"
    text = f"mapping {number}: {said}, for files {of} with the fields {', '.join(details['fields'])}"
    data = {"id": number, "sender": whose, "signature": details["signature"], "mapping": mapping}
    return Outcome(text, data | {"delivery": found["delivery"], "path": found["path"]})


def _insert(
    store: Store,
    sender: str | None,
    signature: str,
    fields: list[str],
    mapping: dict[str, str],
    verdict: str,
    who: str,
    note: str | None,
) -> int:
    if not who.strip():
        raise MotherlodeError("a mapping needs a name: say who decides (--who)")
    with store.unit(JOB, f"{verdict} {signature}") as unit:
        number = int(unit.query("SELECT coalesce(max(id), 0) + 1 AS id FROM mappings").item())
        unit.execute(
            "INSERT INTO mappings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [number, sender, signature, fields, json.dumps(mapping, sort_keys=True), verdict, who.strip(),
             store.now().replace(tzinfo=None), note],
        )  # fmt: skip
        unit.counts["mappings"] = 1
    return number
