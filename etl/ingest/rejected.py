"""One rejected record in; where it stands, its bytes while the file is there, and how to mend it out."""

from __future__ import annotations

import hashlib
import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

from etl.errors import NotFoundError
from etl.ingest.mending import how_to_mend
from etl.ingest.unpacked import INSIDE
from etl.store import Store

MOST_BYTES = 4_000
ID = "left(sha256(r.delivery || ':' || r.position), 12)"
_LINE = re.compile(r"line:(\d+)")


def reject(store: Store, which: str, *, root: Path) -> dict[str, Any]:
    """The rejected record that the start of an id (four digits or more), or FILE:POSITION, names.

    Beside its row: `bytes` (as in the file, with escapes) or `record` (the whole JSON value) while the file is there
    unchanged, `file` (there, changed or gone), the recipe it was read with, and `mend`. Raises `NotFoundError`.
    """
    row = _find(store, which)
    location = _there(store, row["delivery"], root)
    row["file"] = "gone" if location is None else "there"
    if location is not None:
        if _sha256(location) == row["delivery"]:
            row |= _content(location, row)
        else:
            row["file"] = "changed"
    made = store.query("SELECT version, parameters::VARCHAR FROM recipes WHERE recipe = ?", [row["recipe"]]).rows()
    row["recipe"] = {"digest": row["recipe"]} | (
        {"version": made[0][0], "parameters": json.loads(made[0][1])} if made else {}
    )
    return row | {"mend": how_to_mend(row["reason"])}


def _find(store: Store, which: str) -> dict[str, Any]:
    path, _, position = which.partition(":")
    found = store.query(
        f"""
        SELECT {ID} AS id, r.delivery, d.path, d.sender, d.container, d.encoding, d.shape, r.position, r.reason,
               r.evidence, r.raw, d.recipe
        FROM rejects r JOIN deliveries d ON d.delivery = r.delivery
        WHERE (length($which) >= 4 AND starts_with({ID}, $which))
           OR ((d.path = $path OR ends_with(d.path, '/' || $path)) AND r.position IN ($position, 'line:' || $position))
        ORDER BY d.path, r.position LIMIT 6
        """,
        {"which": which.lower(), "path": path, "position": position},
    ).to_dicts()
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFoundError(f"no rejected record {which!r}: give an id of 'etl rejects list', or FILE:POSITION")
    shown = ", ".join(f"{row['id']} {row['path']}:{row['position']}" for row in found[:5])
    raise NotFoundError(f"{which!r} names several rejected records: {shown}" + (" ..." if len(found) > 5 else ""))


def _there(store: Store, delivery: str, root: Path) -> Path | None:
    """A file that this delivery was seen as; of those inside archives there is none."""
    paths = store.query("SELECT path FROM sightings WHERE delivery = ? ORDER BY path", [delivery])["path"]
    return next((root / path for path in paths if INSIDE not in path and (root / path).is_file()), None)


def _content(location: Path, row: dict[str, Any]) -> dict[str, Any]:
    line = _LINE.fullmatch(row["position"].partition("#")[0])
    if line is not None and not (row["encoding"] or "").startswith(("utf-16", "utf-32")):
        with location.open("rb") as file:
            data = next(islice(file, int(line[1]) - 1, None), b"")
        return {"bytes": data[:MOST_BYTES].decode("ascii", "backslashreplace")} if data else {}
    if row["container"] == "json" and row["position"].startswith("/"):
        try:
            value = json.loads(location.read_bytes())
            for part in row["position"].partition("#")[0].split("/")[1:]:
                name = part.replace("~1", "/").replace("~0", "~")
                value = value[int(name)] if isinstance(value, list) else value[name]
        except (ValueError, LookupError, TypeError, RecursionError):  # an encoding of its own: `raw` has to do
            return {}
        return {"record": value}
    return {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
