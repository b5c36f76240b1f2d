"""Files of a build in, a release out: manifest last, one rename, one pointer; and the way back after a kill."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from etl.errors import DiskFullError
from etl.export.gather import SPLITS, Harvest
from etl.export.release import LATEST, MANIFEST, Release, number_of, sha256_of, verify, versions_in
from etl.export.terms import Terms
from etl.store import Store, Unit

BUILDING = ".building-"
EQUATIONS = (
    "pairs = kept + review + merged + retracted + undecided",
    "kept + review = kept_pairs + withheld",
    "kept_pairs = exported + the sum of left_out",
    "exported = train + validation + test",
)

_RECIPES = """
    SELECT r.name, r.version, r.recipe, r.parameters
    FROM ledger l JOIN recipes r USING (recipe)
    WHERE l.job <> 'export'
    QUALIFY row_number() OVER (PARTITION BY r.name ORDER BY l.seq DESC) = 1
    ORDER BY r.name
"""


def manifest_of(
    store: Store, folder: Path, harvest: Harvest, terms: Terms, *, version: str, created: str, rows: Mapping[str, int]
) -> dict[str, Any]:
    """The manifest of the files in `folder`; only `version` and `created` are not fixed by store and settings."""
    recipes = {
        name: {"version": number, "digest": digest, "parameters": json.loads(parameters)}
        for name, number, digest, parameters in store.query(_RECIPES).iter_rows()
    }
    by_split = dict(harvest.rows.group_by("split").len().iter_rows())
    exported = harvest.rows.height
    vectors = {
        f"{side}s": {"rows": k.height, "missing": exported - k.height} for side, k in harvest.with_vectors.items()
    }
    return {
        "version": version,
        "created": created,
        "store_digest": harvest.store_digest,
        "digest": harvest.digest,
        "settings": terms.settings,
        "recipes": recipes | {"export": {"version": terms.recipe.version, "digest": terms.recipe.digest}},
        "model": None if terms.model is None else dict(terms.model),
        "counts": harvest.counts,
        "equations": list(EQUATIONS),
        "splits": {name: by_split.get(name, 0) for name in SPLITS},
        "vectors": vectors,
        "files": {
            name: {
                "sha256": sha256_of(folder / name), "bytes": (folder / name).stat().st_size, "rows": number
            }
            for name, number in sorted(rows.items())
        },
    }  # fmt: skip


def seal(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Flush every file to the disk, then write the manifest: existing means complete."""
    for name in manifest["files"]:
        _flush(folder / name)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _flush(folder / MANIFEST)


def give_name(building: Path, version: str) -> Path:
    """Turn a sealed working folder into the release of that version."""
    final = building.with_name(version)
    building.rename(final)
    if os.name == "posix":  # Windows has no handle on a folder to flush
        _flush(final.parent)
    return final


def point_at(exports: Path, version: str) -> None:
    """Let latest.json name a version; atomic, and nothing is written where it does already."""
    manifest = exports / version / MANIFEST
    note = {"version": version, "path": f"{version}/{MANIFEST}", "sha256": sha256_of(manifest)}
    text, latest = json.dumps(note) + "\n", exports / LATEST
    if latest.is_file() and latest.read_text(encoding="utf-8") == text:
        return
    temporary = latest.with_name(LATEST + ".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(latest)


def points_at(exports: Path) -> str | None:
    """The version that latest.json names."""
    try:
        return str(json.loads((exports / LATEST).read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError):
        return None


def sweep(exports: Path) -> None:
    """Remove what a killed build has left. Only under the lock of the exports."""
    for path in exports.glob(BUILDING + "*"):
        shutil.rmtree(path)


def unregistered(store: Store, exports: Path) -> list[str]:
    """Whole releases on disk of which the store knows nothing: killed before the unit, or the store was restored.

    A folder that has been altered or cut short is none: it stays as it is, and its number is not used again.
    """
    known = set(store.query("SELECT version FROM releases")["version"])
    return [v for v in versions_in(exports) if v not in known and not verify(exports / v)]


def adopt(store: Store, exports: Path) -> int:
    """Enter complete releases into the books, with the splits in which their rows left; returns how many."""
    found = unregistered(store, exports)
    for version in found:
        release = Release.from_folder(exports / version)
        leaving = _left_in(release)
        with store.unit("export", version) as unit:
            register(unit, release.manifest, leaving)
            unit.counts["adopted"] = 1
    return len(found)


def register(unit: Unit, manifest: Mapping[str, Any], leaving: pl.DataFrame) -> int:
    """Inside a unit: the release's row, and frame(key, split) of what leaves frozen; returns the rows newly frozen."""
    unit.execute(
        """
        INSERT INTO releases SELECT $version, $digest, ($created::TIMESTAMPTZ AT TIME ZONE 'UTC')::TIMESTAMP, $manifest
        WHERE NOT EXISTS (SELECT 1 FROM releases WHERE version = $version)
        """,
        {name: manifest[name] for name in ("version", "digest", "created")} | {"manifest": json.dumps(manifest)},
    )
    new = unit.execute(
        "INSERT INTO frozen_splits SELECT key, split, ? FROM leaving ANTI JOIN frozen_splits USING (key)",
        [manifest["version"]],
        leaving=leaving,
    )
    unit.execute(
        """
        UPDATE splits SET frozen = f.version FROM frozen_splits f
        WHERE f.key = splits.key AND f.split = splits.split AND splits.frozen IS NULL
        """
    )
    return new


def leaving_of(harvest: Harvest) -> pl.DataFrame:
    """frame(key, split): every pair whose texts leave, the wordings of merged ones included."""
    rows = harvest.rows.select("key", "split")
    members = harvest.members.select("key", "survivor").join(rows, left_on="survivor", right_on="key")
    return pl.concat([rows, members.select("key", "split")]).sort("key")


def next_version(store: Store, exports: Path) -> str:
    """One more than the highest that was ever used."""
    used = [*store.query("SELECT version FROM releases")["version"], *versions_in(exports)]
    return f"v{max(map(number_of, used), default=0) + 1:04d}"


def check_room(exports: Path, needed: int) -> None:
    """Raise `DiskFullError` unless there is room for `needed` bytes and some to spare."""
    free = shutil.disk_usage(exports).free
    if free < needed * 1.1 + 2**24:
        raise DiskFullError(
            f"{exports} has {free / 2**20:.0f} MiB free, a release needs about {needed * 1.1 / 2**20 + 16:.0f} MiB: "
            "make room or remove old releases, then run again"
        )


def _left_in(release: Release) -> pl.DataFrame:
    rag = [(row["key"], row["split"]) for row in release.rag()]
    split_of = dict(rag)
    groups = json.loads((release.folder / "duplicate_analysis_detailed.json").read_text(encoding="utf-8"))
    members = [(member["key"], split_of[group["survivor"]]) for group in groups for member in group["members"]]
    return pl.DataFrame(rag + members, schema={"key": pl.String, "split": pl.String}, orient="row").sort("key")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
