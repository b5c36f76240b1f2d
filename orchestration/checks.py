"""`etl doctor`: the store, the books, the releases and the environment, each looked at and named."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.counts import counts
from etl.errors import MotherlodeError
from etl.keys import content_key
from etl.store import ledger, migrate, snapshot
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from etl.store import Store

UNIQUE = {
    "pairs": "key",
    "grades": "key",
    "decisions": "key",
    "splits": "key",
    "frozen_splits": "key",
    "flags": "key, flag, scope",
    "vectors": "text_key, recipe",
    "chunks": "text_key, recipe, part",
    "links": "a, b, method",
    "verdicts": "a, b",
    "searches": "key, method, recipe",
    "occurrences": "delivery, position",
}
KEYS_CHECKED = 5_000
PACKAGES = ("etl", "quality", "embeddings", "orchestration")
LIBRARIES = ("duckdb", "polars", "faiss-cpu", "sentence-transformers", "torch", "numpy", "pyarrow", "typer")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    finding: str


def doctor(workspace: Workspace) -> list[Check]:
    """Everything that can be checked, of the live state and not of a snapshot."""
    found = [_settings(workspace), *environment(workspace.root)]
    file = workspace.root / "motherlode.duckdb"
    if not file.exists() and not (workspace.root / f"{file.name}.mark").exists():
        return [*found, Check("store", True, f"none at {file} yet; 'etl run' makes one")]
    try:
        with workspace.live() as store:
            found += store_checks(store)
    except MotherlodeError as error:
        found.append(Check("store", False, str(error)))
    return [*found, *_snapshot(workspace), *_release(workspace), _caches(workspace)]


def store_checks(store: Store) -> list[Check]:
    """Uniqueness, sums, ledger chain and content keys of a live store."""
    with store.exclusive() as con:
        version = migrate.version_of(con)
    checks = [Check("schema", version == migrate.VERSION, f"version {version}")]
    doubled = {
        table: n
        for table, columns in UNIQUE.items()
        if (n := store.value(f"SELECT count(*) FROM (SELECT 1 FROM {table} GROUP BY {columns} HAVING count(*) > 1)"))
    }
    checks.append(Check("uniqueness", not doubled, json.dumps(doubled) if doubled else f"{len(UNIQUE)} tables"))
    wrong = [name for name, holds in counts(store)["adds_up"].items() if not holds]
    checks.append(Check("sums", not wrong, "; ".join(wrong) or "every sum holds"))
    unbalanced = store.value(
        """
        SELECT count(*) FROM deliveries d
        LEFT JOIN (SELECT delivery, count(*) AS n FROM occurrences GROUP BY delivery) o USING (delivery)
        WHERE d.candidates <> coalesce(o.n, 0)
        """
    )
    checks.append(Check("balance", unbalanced == 0, f"{unbalanced} deliveries whose rows differ from their books"))
    return [*checks, _ledger_chain(store), _content_keys(store)]


def environment(root: Path) -> Iterator[Check]:
    """Interpreter, libraries, room on the disk, and local files that hide a package of ours."""
    yield Check("python", sys.version_info >= (3, 11), sys.version.split()[0])
    yield Check("libraries", True, ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES))
    yield _own_shapes()
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    yield Check("disk", free > 2**30, f"{free / 2**30:.1f} GiB free")
    home = Path(__file__).resolve().parent.parent
    hidden = [
        f"{name} comes from {spec.origin}"
        for name in PACKAGES
        if (spec := importlib.util.find_spec(name)) and Path(str(spec.origin)).resolve().parent.parent != home
    ]
    hidden += [str(file) for name in PACKAGES if (file := Path.cwd() / f"{name}.py").exists()]
    yield Check("names", not hidden, "; ".join(hidden) or "no local file hides a package")


def _own_shapes() -> Check:
    from etl.shapes.own import installed, own_shapes

    try:
        own_shapes()
    except MotherlodeError as error:
        return Check("shapes", False, str(error))
    return Check("shapes", True, ", ".join(map(str, installed())) or "no shape plug-ins")


def _settings(workspace: Workspace) -> Check:
    file = workspace.root / "etl.toml"
    return Check("settings", True, str(file) if file.exists() else "no etl.toml; all defaults")


def _ledger_chain(store: Store) -> Check:
    before = ""
    rows = store.query("SELECT seq, job, unit, recipe, counts::VARCHAR, done_at, digest FROM ledger ORDER BY seq")
    for number, (seq, job, unit, recipe, counted, done_at, digest) in enumerate(rows.iter_rows(), start=1):
        if seq != number or ledger.chained(before, (seq, job, unit, recipe, counted, done_at)) != digest:
            return Check("ledger", False, f"row {number} does not follow from those before it")
        before = digest
    return Check("ledger", True, f"{rows.height:,} units, chain unbroken")


def _content_keys(store: Store) -> Check:
    rows = store.query(f"SELECT key, question, answer, context FROM pairs ORDER BY key LIMIT {KEYS_CHECKED}")
    wrong = [
        key for key, question, answer, context in rows.iter_rows() if content_key(question, answer, context) != key
    ]
    return Check("keys", not wrong, f"{len(wrong)} of {rows.height:,} checked differ from their text")


def _snapshot(workspace: Workspace) -> list[Check]:
    folder = workspace.root / "snapshots"
    if not snapshot.listed(folder):
        return [Check("snapshot", True, "none yet")]
    return [_tried("snapshot", lambda: _verified(snapshot.find(folder)))]


def _verified(found: snapshot.Snapshot) -> str:
    snapshot.verify(found)
    return f"{found.name} is whole"


def _release(workspace: Workspace) -> list[Check]:
    from etl.export import verify

    latest = workspace.exports / "latest.json"
    if not latest.exists():
        return [Check("release", True, "none yet")]
    version = json.loads(latest.read_text(encoding="utf-8"))["version"]
    problems = verify(workspace.exports / version)
    return [Check("release", not problems, "; ".join(problems) or f"{version}: every file matches its checksum")]


def _caches(workspace: Workspace) -> Check:
    """What is kept for the next batch; a damaged file is no fault of the store, and made anew when it is needed."""
    from embeddings.link import shelf

    files, size = shelf.used(workspace.link_cache)
    harmed = shelf.damaged(workspace.link_cache)
    finding = f"{files} files, {size / 2**20:,.1f} MiB" if files else "none yet"
    return Check("caches", True, f"{finding}; damaged, to be made anew: {', '.join(harmed)}" if harmed else finding)


def _tried(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except MotherlodeError as error:
        return Check(name, False, str(error))
