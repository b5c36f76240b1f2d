"""What a walk could not read in; rows of refused deliveries out, which go again once the path can be read or is gone.

Such a delivery has no content: its key is a digest of its path, its recipe is the word `unreachable`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from etl.ingest.walk import Barred
from etl.progress import Progress
from etl.store import Store

UNREACHABLE = "unreachable"


def record(
    store: Store, barred: Mapping[str, Barred], paths: Sequence[Path | str], *, root: Path
) -> Iterator[Progress]:
    """Bring the refused paths below `paths` up to date, in one unit; nothing where none has changed.

    Counts: barred (new ones or ones with another reason) and cleared.
    """
    known = store.query("SELECT path, reason FROM deliveries WHERE recipe = ?", [UNREACHABLE])
    before = {path: reason for path, reason in known.iter_rows() if path in barred or _below(path, paths, root)}
    gone = [path for path in before if path not in barred]
    fresh = {path: why for path, why in barred.items() if before.get(path) != why.reason}
    if not gone and not fresh:
        return
    rows = pl.DataFrame(
        [(digest(path), path, why.reason, why.evidence) for path, why in sorted(fresh.items())],
        schema={"delivery": pl.String, "path": pl.String, "reason": pl.String, "evidence": pl.String},
        orient="row",
    ).with_columns(state=pl.lit("refused"), bytes=pl.lit(0), recipe=pl.lit(UNREACHABLE))
    with store.unit("sighting", f"{len(barred)} paths that cannot be read") as unit:  # nothing downstream depends on it
        left = pl.DataFrame({"delivery": [digest(path) for path in gone]}, schema={"delivery": pl.String})
        unit.execute("DELETE FROM deliveries WHERE delivery IN (SELECT delivery FROM gone)", gone=left)
        unit.execute("INSERT OR REPLACE INTO deliveries BY NAME SELECT * FROM refused_rows", refused_rows=rows)
        unit.counts |= {"barred": len(fresh), "cleared": len(gone)}
        counts = dict(unit.counts)
    yield Progress("ingest", "paths that cannot be read", len(barred), len(barred), counts)


def digest(path: str) -> str:
    """What stands for the sha256 of a path whose bytes nobody could read."""
    return hashlib.sha256(b"\0path\0" + path.encode("utf-8", "surrogatepass")).hexdigest()


def _below(name: str, paths: Sequence[Path | str], root: Path) -> bool:
    location = os.path.abspath(root / name)  # noqa: PTH100 - Path.absolute() keeps '..' in
    starts = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - as above
    return any(location == start or location.startswith(start.rstrip(os.sep) + os.sep) for start in starts)
