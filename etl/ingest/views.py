"""Looking at deliveries, rejects and the inbox without changing them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from etl.errors import NotFoundError
from etl.ingest.mending import how_to_mend
from etl.ingest.plan import Memory, own_files
from etl.ingest.rejected import ID
from etl.ingest.walk import File, settled, walk
from etl.progress import utc_now
from etl.store import Store

INBOX = pl.Schema(
    {"path": pl.String(), "state": pl.String(), "delivery": pl.String(), "reason": pl.String(), "pairs": pl.Int64()}
)


def deliveries(store: Store) -> pl.DataFrame:
    """One row a delivery, by path, with all columns but the format."""
    return store.query("SELECT * EXCLUDE (format) FROM deliveries ORDER BY path, delivery")


def find(store: Store, which: str) -> dict[str, Any]:
    """The row of the delivery that a start of its sha256, its path or the end of it, or a path at which it was
    seen, names. Raises `NotFoundError` for none or several, naming some that there are."""
    rows = store.query(
        """
        SELECT d.* FROM deliveries d
        WHERE d.path = $which OR ends_with(d.path, '/' || $which) OR starts_with(d.delivery, $which)
           OR d.delivery IN (SELECT delivery FROM sightings WHERE path = $which)
        ORDER BY d.path, d.delivery
        """,
        {"which": which},
    )
    exact = rows.filter(pl.col("path") == which)
    rows = exact if exact.height == 1 else rows
    if rows.height == 1 and which:
        return rows.row(0, named=True)
    candidates = rows if rows.height else deliveries(store)
    shown = ", ".join(f"{row['delivery'][:12]} {row['path']}" for row in candidates.head(5).iter_rows(named=True))
    what = f"{which!r} names {rows.height} deliveries" if rows.height else f"no delivery {which!r}"
    raise NotFoundError(f"{what}; there are: {shown or 'none yet'}" + (" ..." if candidates.height > 5 else ""))


def delivery(store: Store, which: str) -> dict[str, Any]:
    """All that is known of one delivery: its row with the format as a dict, how to mend what it was not taken in for
    (None where it was), up to where it was salvaged (None for a whole one), the paths at which it was seen, its rejects
    by reason, its repairs by rule, and how many of its pairs no other delivery brings."""
    row = find(store, which)
    name = row["delivery"]
    seen = store.query("SELECT path FROM sightings WHERE delivery = ? ORDER BY path", [name])
    reasons = store.query(
        "SELECT reason, count(*) AS n FROM rejects WHERE delivery = ? GROUP BY 1 ORDER BY n DESC, reason", [name]
    )
    rules = store.query(
        """
        SELECT rule, count(*) AS n FROM (SELECT unnest(repairs) AS rule FROM occurrences WHERE delivery = ?)
        GROUP BY 1 ORDER BY n DESC, rule
        """,
        [name],
    )
    alone = store.value(
        """
        SELECT count(*) FROM (SELECT DISTINCT key FROM occurrences WHERE delivery = $name) k
        ANTI JOIN (SELECT key FROM occurrences WHERE delivery <> $name) o USING (key)
        """,
        {"name": name},
    )
    decided = json.loads(row["format"]) if row["format"] else None
    return row | {
        "format": decided,
        "mend": how_to_mend(row["reason"]) if row["reason"] else None,
        "salvaged": (decided or {}).get("details", {}).get("salvaged"),
        "seen": seen["path"].to_list(),
        "rejects_by_reason": dict(reasons.iter_rows()),
        "repairs_by_rule": dict(rules.iter_rows()),
        "only_here": alone,
    }


def rejects(store: Store, *, delivery: str | None = None, reason: str | None = None) -> pl.DataFrame:
    """One row a rejected record: id, delivery, path, position, reason, evidence, raw; by path and position."""
    name = None if delivery is None else find(store, delivery)["delivery"]
    return store.query(
        f"""
        SELECT {ID} AS id, r.delivery, d.path, r.position, r.reason, r.evidence, r.raw
        FROM rejects r JOIN deliveries d ON d.delivery = r.delivery
        WHERE ($name IS NULL OR r.delivery = $name) AND ($reason IS NULL OR r.reason = $reason)
        ORDER BY d.path, r.delivery, r.position
        """,
        {"name": name, "reason": reason},
    )


def inbox(
    store: Store | None,
    folder: Path,
    *,
    root: Path | None = None,
    skip: Sequence[Path] = (),
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> pl.DataFrame:
    """One row a file below a folder: path, state, delivery, reason, pairs.

    State is new, known, arriving (still being written), refused, unmapped, retracted, joined (read as a part of a join)
    or changed (the path is known, its content is to be read). `pairs` counts what the file gave, duplicates included.
    Files that may not be read are refused with the reason that `walk` gives. Works with a read-only store, and
    with none. `root` is the workspace; unset, the folder's parent.
    """
    found = walk([folder], root=root or folder.absolute().parent, own=[*own_files(store), *skip])
    memory = Memory.of(store)
    unseen = [file for file in found.files if memory.seen(file) is None]
    moving = {file.name for file in settled(unseen, now=now(), sleep=sleep)[1]}
    rows = [_inbox_row(memory, file, arriving=file.name in moving) for file in found.files]
    rows += [(file.name, "arriving", None, "unfinished_name", None) for file in found.arriving]
    rows += [(name, "refused", None, barred.reason, None) for name, barred in found.barred.items()]
    return pl.DataFrame(rows, schema=INBOX, orient="row").sort("path")


def _inbox_row(memory: Memory, file: File, *, arriving: bool) -> tuple[str, str, str | None, str | None, int | None]:
    delivery = memory.seen(file)
    known = memory.deliveries.get(delivery) if delivery else None
    if delivery in memory.joined and (known is None or known.state == "retracted"):
        return file.name, "joined", delivery, None, None
    if delivery is None or known is None:
        if arriving:
            return file.name, "arriving", None, "still_being_written", None
        return file.name, "changed" if file.name in memory.sightings else "new", None, None, None
    state = "known" if known.state == "accepted" else known.state
    return file.name, state, delivery, known.reason, known.candidates
