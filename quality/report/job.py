"""The job: the store in, `report.html` and `quality_analysis_report.json` in a folder out, each replaced atomically."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from etl import Meter, Pending, Progress, Recipe, Store
from etl.store.stale import why_stale
from quality.audit.figures import as_json, figures
from quality.report.charts import charts
from quality.report.page import page

JOB = "report"
VERSION = 2
HTML, JSON, PICTURES = "report.html", "quality_analysis_report.json", "pictures"
AFTER = (
    "ingest", "delivery", "assess", "embed", "link", "override", "resolve", "audit", "split", "export",
)  # fmt: skip


def recipe(*, release: Mapping[str, Any] | None = None) -> Recipe:
    """How the report is made: by this code, about this release."""
    about = {} if release is None else {"release": release.get("version"), "digest": release.get("digest")}
    return Recipe(JOB, VERSION, about)


def pending(store: Store, folder: Path, *, release: Mapping[str, Any] | None = None) -> Pending:
    """One report where anything before changed or a file of it is gone."""
    missing = [name for name in (HTML, JSON) if not (folder / name).is_file()]
    made = recipe(release=release)
    before = store.last_recipe(JOB)
    if missing:
        why = f"no {' and no '.join(missing)} yet"
    elif before is not None and before[3] != made.digest and before[1] == VERSION:
        why = "another release"
    else:
        why = why_stale(store, JOB, made, after=AFTER)
    return Pending(JOB, 1 if why else 0, "report", why)


def report(
    store: Store,
    folder: Path,
    *,
    meter: Meter,
    release: Mapping[str, Any] | None = None,
    made_at: str | None = None,
) -> Iterator[Progress]:
    """Write both files if they are stale; the same store gives the same bytes, but for `made_at`.

    A store opened for reading is told about as well; only a writing one remembers in its ledger that it was.
    Counts: reports, pairs.
    """
    if not pending(store, folder, release=release):
        return
    meter.spend("reports", 1)
    found = figures(store)
    html = page(found, release=release, made_at=made_at)
    told = found if release is None else found | {"release": dict(release)}
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / JSON, as_json(told))
    _pictures(folder / PICTURES, found)
    _replace(folder / HTML, html)
    counts = {"reports": 1, "pairs": int(found["counts"]["pairs"])}
    if store.write:
        with store.unit(JOB, HTML, recipe=recipe(release=release)) as unit:
            unit.counts.update(counts)
    yield Progress(JOB, HTML, 1, 1, counts)


def _pictures(folder: Path, found: Mapping[str, Any]) -> None:
    """The pictures of the page as files by themselves; those of an earlier report that have no successor go."""
    drawn = charts(found)
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        if old.stem not in drawn:
            old.unlink()
    for name, text in drawn.items():
        _replace(folder / f"{name}.svg", text)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        temporary.write_text(text, encoding="utf-8", errors="replace", newline="\n")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
