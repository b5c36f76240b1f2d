"""Rejected records and refused files in; the deliveries that hold them marked for reading, and what that changed out.

Marking is one unit that takes the recipe off the deliveries: they are pending then, so that whatever happens in between
the next run reads them. Reading replaces what a delivery gave, so nothing doubles.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from etl.errors import NotFoundError
from etl.ingest.barred import UNREACHABLE
from etl.ingest.unpacked import INSIDE
from etl.ingest.views import find
from etl.store import Store

RETRY = "retry"  # in place of a recipe


@dataclass(frozen=True, slots=True)
class Retry:
    """What is read again: `rejects` and `deliveries` as they stood, the files to read, and the deliveries whose file
    is not there any more."""

    rejects: pl.DataFrame
    deliveries: pl.DataFrame
    files: tuple[Path, ...]
    lost: tuple[str, ...]


def mark(store: Store, *, root: Path, delivery: str | None = None, reason: str | None = None) -> Retry:
    """Mark the deliveries of the rejects that are meant: all, those of one delivery, those with one reason.

    A refused or unmapped delivery is meant by its own name or reason. Raises `NotFoundError` where there is nothing.
    """
    name = None if delivery is None else find(store, delivery)["delivery"]
    rejects = store.query(
        """
        SELECT r.delivery, r.position, r.reason FROM rejects r JOIN deliveries d USING (delivery)
        WHERE d.state = 'accepted' AND ($name IS NULL OR r.delivery = $name) AND ($reason IS NULL OR r.reason = $reason)
        """,
        {"name": name, "reason": reason},
    )
    chosen = store.query(
        """
        SELECT delivery, path, state, reason FROM deliveries
        WHERE delivery IN (SELECT delivery FROM rejected) OR (
            state IN ('refused', 'unmapped') AND recipe <> $unreachable
            AND ((delivery = $name AND ($reason IS NULL OR reason = $reason)) OR ($name IS NULL AND reason = $reason))
        )
        ORDER BY path
        """,
        {"name": name, "reason": reason, "unreachable": UNREACHABLE},
        rejected=rejects,
    )
    if not chosen.height:
        raise NotFoundError(_nothing(store, delivery, reason))
    places = store.query("SELECT path, delivery FROM sightings SEMI JOIN chosen USING (delivery)", chosen=chosen)
    there: dict[str, Path] = {}
    for path, owner in sorted(places.iter_rows()):
        location = root / path.partition(INSIDE)[0]
        if owner not in there and location.is_file():
            there[owner] = location
    found = chosen.filter(pl.col("delivery").is_in(list(there)))
    with store.unit(RETRY, f"{found.height} deliveries to be read again") as unit:
        unit.execute(
            "UPDATE deliveries SET recipe = ? WHERE delivery IN (SELECT delivery FROM found)", [RETRY], found=found
        )
        unit.counts["deliveries"] = found.height
    lost = chosen.join(found, on="delivery", how="anti")["path"].to_list()
    return Retry(rejects, chosen, tuple(sorted(set(there.values()))), tuple(lost))


def outcome(store: Store, before: Retry) -> dict[str, Any]:
    """What became of it: rejects, pairs (of these, how many records give pairs now), left (by reason), gone (records
    that the file does not hold any more as such), accepted (refused deliveries that can be read now)."""
    places = before.rejects.with_columns(record=pl.col("position").str.replace(r"#\d+$", ""))
    pairs = store.query(
        "SELECT DISTINCT delivery, regexp_replace(position, '#[0-9]+$', '') AS record FROM occurrences"
        " SEMI JOIN places USING (delivery)",
        places=places,
    )
    now = store.query("SELECT r.* FROM rejects r SEMI JOIN places p USING (delivery, position)", places=places)
    turned = places.join(pairs, on=["delivery", "record"], how="semi").join(
        now.select("delivery", "position"), on=["delivery", "position"], how="anti"
    )
    refused = before.deliveries.filter(pl.col("state") != "accepted")
    accepted = store.query("SELECT path FROM deliveries SEMI JOIN refused USING (delivery) WHERE state = 'accepted'",
                           refused=refused)  # fmt: skip
    return {
        "deliveries": before.deliveries.height - len(before.lost),
        "rejects": places.height,
        "pairs": turned.height,
        "left": dict(sorted(Counter(now["reason"].to_list()).items())),
        "gone": places.height - turned.height - now.height,
        "refused": refused.height,
        "accepted": sorted(accepted["path"].to_list()),
        "lost": list(before.lost),
    }


def _nothing(store: Store, delivery: str | None, reason: str | None) -> str:
    listed = store.query(
        "SELECT reason, count(*) AS n FROM (SELECT reason FROM rejects UNION ALL SELECT reason FROM deliveries"
        " WHERE state IN ('refused', 'unmapped')) GROUP BY 1 ORDER BY n DESC, reason"
    )
    meant = " ".join(f"with {name} {value}" for name, value in (("delivery", delivery), ("reason", reason)) if value)
    there = ", ".join(f"{n} {name}" for name, n in listed.iter_rows()) or "none at all"
    return f"no rejected record {meant}".rstrip() + f"; there are: {there}"
