"""The export job: the resolved and split corpus in, one release folder and its row in `releases` out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock, Timeout

from etl.errors import SettingsError, StoreError, StoreLockedError
from etl.export import build, publish
from etl.export.gather import Harvest, gather
from etl.export.release import LATEST, MANIFEST
from etl.export.terms import FORMATS, LEAVE_OUT, Terms
from etl.progress import Meter, Pending, Progress
from etl.recipe import Recipe
from etl.store import Store
from etl.store.stale import why_stale

AFTER = ("ingest", "delivery", "assess", "embed", "resolve", "audit", "split")
LOCK_WAIT_S = 30.0

_NEWEST = "SELECT version, digest, created FROM releases ORDER BY length(version) DESC, version DESC LIMIT 1"
_MOVED = "SELECT count(*) FROM frozen_splits f JOIN splits s USING (key) WHERE f.split <> s.split"


class _MovedError(Exception):
    """Another writer committed between reading and entering the release."""


def pending(store: Store, exports: Path, *, recipe: Recipe) -> Pending:
    """How many pairs would be exported again, and why. `recipe` is `etl.export.recipe(...)` of the same settings."""
    why = why_stale(store, "export", recipe, after=AFTER) or _unfinished(store, exports)
    rows = store.value("SELECT count(*) FROM kept_pairs") if why else 0
    return Pending("export", max(rows, 1) if why else 0, "pairs", why)


def export(
    store: Store,
    exports: Path,
    *,
    meter: Meter,
    vectors_recipe: str | None = None,
    write_index: build.WriteIndex | None = None,
    model: Mapping[str, Any] | None = None,
    formats: Sequence[str] = FORMATS,
    min_grade: str = "D",
    leave_out: Sequence[str] = LEAVE_OUT,
    conflicts: str = "keep",
    review: str = "keep",
    csv_safe: bool = False,
) -> Iterator[Progress]:
    """Make a release `exports/<version>/`, unless nothing that it would hold has changed since the last.

    `write_index(vectors, path)` writes one index from the float32 unit vectors (rows x dimension) stored under
    `vectors_recipe`; without both a release has no indexes. `model` (name, sha256) goes into manifest and digest.
    Killed anywhere, the next call ends in the same state. Raises `DiskFullError` before anything is written.

    Counts: exported, train, validation, test, left_out, withheld, frozen (rows that left for the first time), and
    released or unchanged.
    """
    if (write_index is None) != (vectors_recipe is None):
        raise SettingsError("an index needs both: write_index to write it and vectors_recipe to say of which vectors")
    terms = Terms(formats, min_grade, leave_out, conflicts, review, csv_safe, vectors_recipe, model)
    if not pending(store, exports, recipe=terms.recipe):
        return
    exports.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(exports / ".lock", timeout=LOCK_WAIT_S):
            step = _release(store, exports, terms, meter, write_index)
    except Timeout:
        raise StoreLockedError(
            f"another process is making a release in {exports}: let it finish, then run again"
        ) from None
    yield step


def _release(store: Store, exports: Path, terms: Terms, meter: Meter, write_index: build.WriteIndex | None) -> Progress:
    publish.sweep(exports)
    publish.adopt(store, exports)
    if moved := store.value(_MOVED):
        raise StoreError(f"{moved} rows left in a release in another split than they are in now: run 'etl split' first")
    harvest = gather(store, terms)
    meter.spend("pairs", harvest.rows.height)
    last = store.query(_NEWEST).row(0, named=True) if store.value("SELECT count(*) FROM releases") else None
    same = last is not None and last["digest"] == harvest.digest
    if last is not None and same and (exports / last["version"] / MANIFEST).is_file():
        version, manifest = str(last["version"]), None
    else:
        again = last is not None and same and not (exports / last["version"]).exists()
        version = str(last["version"]) if last is not None and again else publish.next_version(store, exports)
        created = f"{last['created'].isoformat()}+00:00" if last is not None and again else store.now().isoformat()
        manifest = _build(store, exports, harvest, terms, write_index, version=version, created=created)
    counts = _enter(store, harvest, terms, version, manifest)
    publish.point_at(exports, version)
    return Progress("export", version, harvest.rows.height, harvest.rows.height, counts)


def _build(
    store: Store,
    exports: Path,
    harvest: Harvest,
    terms: Terms,
    write_index: build.WriteIndex | None,
    *,
    version: str,
    created: str,
) -> dict[str, Any]:
    # measured on 27,000 pairs: all formats and rag_export.json together take six times the rows in memory
    publish.check_room(exports, int(harvest.rows.estimated_size()) * 6 + build.bytes_of_indexes(store, harvest, terms))
    folder = exports / f"{publish.BUILDING}{version}"
    folder.mkdir()
    rows = build.build(store, folder, harvest, terms, write_index)
    manifest = publish.manifest_of(store, folder, harvest, terms, version=version, created=created, rows=rows)
    publish.seal(folder, manifest)
    publish.give_name(folder, version)
    return manifest


def _enter(
    store: Store, harvest: Harvest, terms: Terms, version: str, manifest: Mapping[str, Any] | None
) -> dict[str, int]:
    """One unit: the row in `releases` and the frozen splits. `manifest` is None where nothing had changed.

    Where another writer came in since the store was read, the unit carries no recipe: the next call looks again.
    """
    counts = _figures(harvest) | {"released" if manifest is not None else "unchanged": 1}
    for recipe in (terms.recipe, None):
        try:
            with store.unit("export", version, recipe=recipe) as unit:
                if recipe is not None and unit.seq != harvest.seq + 1:
                    raise _MovedError
                if manifest is not None:
                    counts["frozen"] = publish.register(unit, manifest, publish.leaving_of(harvest))
                unit.counts.update(counts)
        except _MovedError:
            continue
        break
    return counts


def _figures(harvest: Harvest) -> dict[str, int]:
    by_split = harvest.rows.group_by("split").agg(n=pl.len())
    left_out, withheld = harvest.counts["left_out"], harvest.counts["withheld"]
    return {
        "exported": harvest.rows.height,
        **dict.fromkeys(("train", "validation", "test"), 0),
        **dict(by_split.iter_rows()),
        "left_out": sum(left_out.values()) if isinstance(left_out, dict) else 0,
        "withheld": withheld if isinstance(withheld, int) else 0,
        "frozen": 0,
    }


def _unfinished(store: Store, exports: Path) -> str:
    """What a kill, a restored store or a tidy user has left undone; '' where all is in place."""
    if not store.value("SELECT count(*) FROM releases"):
        return ""
    if strange := publish.unregistered(store, exports):
        return f"the store does not know {', '.join(strange)}"
    version = str(store.query(_NEWEST)["version"].item())
    if not (exports / version / MANIFEST).is_file():
        return f"{version} is not in {exports}"
    return "" if publish.points_at(exports) == version else f"{LATEST} does not name {version}"
