"""The table `mappings` in; what people said that still stands, by sender and signature, out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from etl.store import Store

ANYBODY = "*"  # as a sender: whoever delivers such records


@dataclass(frozen=True, slots=True)
class Remembered:
    """A mapping that stands: our field -> the sender's name."""

    id: int
    sender: str | None
    signature: str
    mapping: dict[str, str]
    who: str


def standing(store: Store) -> dict[tuple[str | None, str], Remembered]:
    """What stands now, by sender and signature."""
    if not store.value("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'mappings'"):
        return {}  # a snapshot of an earlier version
    stacks: dict[tuple[str | None, str], list[Remembered]] = {}
    rows = store.query("SELECT id, sender, signature, mapping::VARCHAR AS m, verdict, who FROM mappings ORDER BY id")
    for number, sender, signature, mapping, verdict, who in rows.iter_rows():
        stack = stacks.setdefault((sender, signature), [])
        if verdict == "withdrawn":
            stack.pop()
        else:
            stack.append(Remembered(number, sender, signature, json.loads(mapping), who))
    return {key: stack[-1] for key, stack in stacks.items() if stack}


def lookup(
    known: Mapping[tuple[str | None, str], Remembered], sender: str | None, signature: str | None
) -> Remembered | None:
    """The mapping for records of this signature from this sender; one of the sender's own before one for anybody."""
    if signature is None:
        return None
    return known.get((sender, signature)) or known.get((ANYBODY, signature))
