"""A delivery is taken back, or given back; its pairs are elected anew from the occurrences that count."""

from __future__ import annotations

from typing import Any

import polars as pl

from etl.errors import NotFoundError
from etl.ingest.settle import FULL, settle
from etl.ingest.unpacked import INSIDE, stamp
from etl.ingest.views import find
from etl.store import Store, Unit

ARCHIVE = "archive"  # the shape of one; the files in it go with it
_WITH = "with its archive"


def retract(store: Store, delivery: str, *, why: str) -> dict[str, Any]:
    """Take a delivery back: its occurrences stay as rows but do not count any more.

    With an archive go the files in it that were seen nowhere else. `delivery` is the start of a sha256, or a path.
    Found again in the inbox it stays retracted. Returns delivery, path, state, and how many occurrences, pairs
    (touched) and left (pairs that no delivery brings now). Raises `NotFoundError` where there is no such accepted
    delivery.
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
        inside = _inside(unit, found, before)
        told = f"{_WITH} {found['path']}"
        unit.execute(
            "UPDATE deliveries SET state = ?, reason = ?, evidence = ? WHERE delivery = ?",
            [after, reason, evidence, name],
        )
        unit.execute(
            "UPDATE deliveries SET state = ?, reason = ?, evidence = ? WHERE delivery IN (SELECT delivery FROM inside)",
            [after, reason, evidence and f"{told}: {evidence}"],
            inside=inside,
        )
        moved = pl.concat([inside, pl.DataFrame({"delivery": [name]})])
        keys = unit.query("SELECT DISTINCT key FROM occurrences SEMI JOIN moved USING (delivery)", moved=moved)
        settle(unit, pieces=[FULL.to_frame()], keys=keys["key"])
        left = unit.query("SELECT count(*) AS n FROM pairs SEMI JOIN keys USING (key) WHERE occurrences = 0", keys=keys)
        rows = unit.query("SELECT count(*) AS n FROM occurrences SEMI JOIN moved USING (delivery)", moved=moved)
        unit.counts |= {"occurrences": rows.item(), "pairs": keys.height, "left": left.item()}
    return {"delivery": name, "path": found["path"], "state": after} | unit.counts


def _inside(unit: Unit, found: dict[str, Any], before: str) -> pl.DataFrame:
    """The deliveries that go with an archive: its files in this state, less those that were seen anywhere else. Given
    back are those that were taken back with it."""
    if found["shape"] != ARCHIVE:
        return pl.DataFrame(schema={"delivery": pl.String})
    return unit.query(
        """
        SELECT d.delivery FROM deliveries d JOIN sightings s ON s.delivery = d.delivery
        WHERE d.state = $state AND ($state = 'accepted' OR starts_with(d.evidence, $told))
        GROUP BY d.delivery HAVING bool_and(s.modified_ns = $stamp AND contains(s.path, $inside))
        """,
        {
            "state": before,
            "told": f"{_WITH} {found['path']}: ",
            "stamp": stamp(found["delivery"]),
            "inside": INSIDE,
        },
    )
