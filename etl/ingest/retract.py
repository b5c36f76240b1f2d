"""A delivery is taken back, or given back; its pairs are elected anew from the occurrences that count."""

from __future__ import annotations

from typing import Any

from etl.errors import NotFoundError
from etl.ingest.settle import FULL, settle
from etl.ingest.views import find
from etl.store import Store


def retract(store: Store, delivery: str, *, why: str) -> dict[str, Any]:
    """Take a delivery back: its occurrences stay as rows but do not count any more.

    `delivery` is the start of a sha256, or a path. Found again in the inbox it stays retracted. Returns delivery, path,
    state, and how many occurrences, pairs (touched) and left (pairs that no delivery brings now). Raises
    `NotFoundError` where there is no such accepted delivery.
    """
    return _move(store, delivery, ("accepted", "retracted"), reason="retracted_by_user", evidence=why)


def restore(store: Store, delivery: str) -> dict[str, Any]:
    """Take a retraction back; pairs and occurrences are then exactly as before it."""
    return _move(store, delivery, ("retracted", "accepted"), reason=None, evidence=None)


def _move(
    store: Store, which: str, states: tuple[str, str], *, reason: str | None, evidence: str | None
) -> dict[str, Any]:
    found = find(store, which)
    name, (before, after) = found["delivery"], states
    if found["state"] != before:
        raise NotFoundError(f"{found['path']} is {found['state']}; only a delivery that is {before} can be {after}")
    with store.unit("delivery", f"{after} {found['path']}") as unit:
        keys = unit.query("SELECT DISTINCT key FROM occurrences WHERE delivery = ?", [name])
        unit.execute(
            "UPDATE deliveries SET state = ?, reason = ?, evidence = ? WHERE delivery = ?",
            [after, reason, evidence, name],
        )
        settle(unit, fresh=FULL.to_frame(), keys=keys["key"])
        left = unit.query("SELECT count(*) AS n FROM pairs SEMI JOIN keys USING (key) WHERE occurrences = 0", keys=keys)
        unit.counts |= {"occurrences": found["candidates"], "pairs": keys.height, "left": left.item()}
    return {"delivery": name, "path": found["path"], "state": after} | unit.counts
