"""Paths in; what `etl ingest` and the stages behind it would make of them out, with nothing written.

The stages themselves run, on a copy of the store that is thrown away, so the figures are those of the real run. What a
run would find by meaning is found only where the vectors may be made (`semantic`): otherwise near duplicates and
conflicts are those that words show, and a run may find more.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from etl.progress import drain
from etl.store.trial import trial
from orchestration.pipeline import Pipeline
from orchestration.workspace import FOLDERS, Workspace

if TYPE_CHECKING:
    from etl.resolve import Resolution
    from etl.store import Store

THIN = 20  # fewer standing pairs than this, and a category or an indicator is thinly covered
FIGURES = ("records", "new", "duplicates", "near", "conflicts", "rejects")
_STANDING = pl.col("status").is_in(["kept", "review"])


@dataclass(frozen=True, slots=True)
class State:
    """A store at one moment: its pairs (key, category, indicator, phrasings, alternatives) and what is decided."""

    pairs: pl.DataFrame
    resolution: Resolution

    @property
    def standing(self) -> pl.DataFrame:
        """The pairs that stay in the dataset."""
        return self.pairs.join(self.resolution.decisions.filter(_STANDING), on="key", how="semi")


def foresee(
    workspace: Workspace,
    paths: Sequence[Path],
    *,
    sender: str | None = None,
    sessions: str | None = None,
    limit: int | None = None,
    salvage: bool = False,
    semantic: bool = False,
    model: str | None = None,
) -> dict[str, Any]:
    """What reading these paths would bring: `files` (a row each), `totals`, `near`, `conflicts`, `improves`.

    A row of `files` has path, state (new, read again, refused, unmapped, known, copy, arriving), reason and the
    figures: records, new, duplicates (exact), near (new pairs that would merge into others or wait for review),
    conflicts (contradictions that were not there), rejects.

    A known file that is `read again` says `why`, and its figures what changes: pairs that it gives for the first time,
    none of those that it gave before. `again` sums these files up, with the pairs that nothing gives any more.
    """
    limits = workspace.settings.store
    with (
        trial(workspace.root, wait_s=limits.wait_s, memory_limit=limits.memory_limit, threads=limits.threads) as store,
        tempfile.TemporaryDirectory(prefix="etl-unpacked-") as scratch,
    ):
        pipeline = Pipeline(
            workspace, store, paths, limit=limit, model=model, sender=sender, sessions=sessions, salvage=salvage,
            scratch=Path(scratch),
        )  # fmt: skip
        before = _decided(pipeline, semantic=semantic)
        known = store.query("SELECT delivery, recipe, rejects FROM deliveries")
        redo = _redo(pipeline)
        found = _ingest(pipeline)
        after = _decided(pipeline, semantic=semantic)
        return _told(pipeline, before, after, known, found, redo)


def _redo(pipeline: Pipeline) -> dict[str, str]:
    """Why each known delivery would be read again."""
    from etl.ingest.plan import Memory

    mappings = pipeline.workspace.settings.read.mappings
    memory = Memory.of(pipeline.store, aliases=pipeline.aliases, mappings=mappings, salvage=pipeline.salvage)
    return {delivery: why for delivery in memory.deliveries if (why := memory.why_read(delivery))}


def _ingest(pipeline: Pipeline) -> Any:
    from etl.ingest.plan import look

    drain(pipeline.stage("ingest").job())
    workspace = pipeline.workspace
    skip = [workspace.root / name for name in (*FOLDERS, "etl.toml") if name != "inbox"]
    return look(pipeline.store, pipeline.paths, root=workspace.root, skip=skip)


def _decided(pipeline: Pipeline, *, semantic: bool) -> State:
    """Grade, link and judge what is pending, as a run would."""
    from embeddings import link
    from etl import resolve

    store = pipeline.store
    columns = "key, category, indicator, phrasings, alternatives, first_seq"
    if store.value("SELECT count(*) FROM pairs"):
        stages = ("assess", "embed", "link") if semantic else ("assess",)
        for name in stages:
            drain(pipeline.stage(name).job())
        if not semantic:
            floors = msgspec.structs.asdict(pipeline.workspace.settings.link)
            drain(link.link(store, meter=pipeline.meter, encoder_recipe=None, **floors))
    return State(
        store.query(f"SELECT {columns} FROM pairs WHERE occurrences > 0"), resolve.propose(store, **pipeline.rules)
    )


def _told(
    pipeline: Pipeline, before: State, after: State, known: pl.DataFrame, found: Any, redo: Mapping[str, str]
) -> dict[str, Any]:
    store = pipeline.store
    fresh = after.pairs.join(before.pairs, on="key", how="anti")
    owners = _owners(store, fresh)
    near, conflicts = _near(after, owners), _conflicts(before, after, owners)
    files = _files(store, known, found, near, conflicts, owners, redo)
    totals = {name: sum(row[name] for row in files) for name in FIGURES}
    states = pl.DataFrame({"state": [row["state"] for row in files]}, schema={"state": pl.String})
    totals["files"] = dict(states.group_by("state").len().sort("state").iter_rows())
    return {
        "files": files,
        "totals": totals,
        "again": _again(files, before, after),
        "near": dict(near.group_by("status").len().sort("status").iter_rows()),
        "conflicts": {
            "with_stored": conflicts.filter(pl.col("stored")).height,
            "within_batch": conflicts.filter(~pl.col("stored")).height,
        },
        "improves": _improves(before, after, fresh, goal=pipeline.workspace.settings.project.goal),
        "left_alone": {} if pipeline.chosen is None else dict(pipeline.chosen.left),
    }


def _owners(store: Store, fresh: pl.DataFrame) -> pl.DataFrame:
    """The file that brings each new pair first."""
    return store.query(
        """
        SELECT o.key, min(d.path) AS path FROM occurrences o SEMI JOIN fresh USING (key)
        JOIN deliveries d USING (delivery) GROUP BY o.key
        """,
        fresh=fresh.select("key"),
    )


def _near(after: State, owners: pl.DataFrame) -> pl.DataFrame:
    """(key, path, status): new pairs that are merged, or wait for review."""
    alike = after.resolution.decisions.filter(pl.col("status").is_in(["merged", "review"]))
    return alike.join(owners, on="key").select("key", "path", "status")


def _conflicts(before: State, after: State, owners: pl.DataFrame) -> pl.DataFrame:
    """(a, b, path, stored): contradictions that were not there before; `stored` where one side was."""
    rows = after.resolution.conflicts.filter(pl.col("settled").is_null())
    rows = rows.join(before.resolution.conflicts, on=["a", "b"], how="anti")
    for side in "ab":
        rows = rows.join(owners.rename({"key": side, "path": f"path_{side}"}), on=side, how="left")
    return rows.select(
        "a", "b", path=pl.min_horizontal("path_a", "path_b"), stored=pl.any_horizontal(pl.col("^path_.$").is_null())
    )


def _files(
    store: Store,
    known: pl.DataFrame,
    found: Any,
    near: pl.DataFrame,
    conflicts: pl.DataFrame,
    owners: pl.DataFrame,
    redo: Mapping[str, str],
) -> list[dict[str, Any]]:
    read = store.query(
        """
        SELECT d.delivery, d.path, d.state, d.reason, d.records, d.new, d.duplicates, d.rejects,
               k.delivery IS NOT NULL AS again, greatest(d.rejects - k.rejects, 0) AS more_rejects
        FROM deliveries d LEFT JOIN known k ON k.delivery = d.delivery
        WHERE k.delivery IS NULL OR k.recipe <> d.recipe
        ORDER BY d.path
        """,
        known=known,
    ).to_dicts()
    paths = dict(store.query("SELECT path, delivery FROM sightings").iter_rows())
    alike = dict(near.group_by("path").len().iter_rows())
    against = dict(conflicts.group_by("path").len().iter_rows())
    first = dict(owners.group_by("path").len().iter_rows())
    rows = []
    for row in read:
        state = "read again" if row["again"] else row["state"] if row["state"] != "accepted" else "new"
        figures = {name: row[name] for name in ("records", "new", "duplicates", "rejects")}
        if row["again"]:
            figures |= {"new": first.get(row["path"], 0), "duplicates": 0, "rejects": row["more_rejects"]}
            figures |= {"why": redo.get(row["delivery"])}
        more = {"near": alike.get(row["path"], 0), "conflicts": against.get(row["path"], 0)}
        rows.append({"path": row["path"], "state": state, "reason": row["reason"]} | figures | more)
    told = {row["path"] for row in read}
    fresh = {row["delivery"] for row in read}
    rest = [file.name for file in found.files if file.name not in told and file.name in paths]
    rows += [_idle(name, "copy" if paths[name] in fresh else "known", None) for name in rest]
    rows += [_idle(file.name, "arriving", "unfinished_name") for file in found.arriving]
    return sorted(rows, key=lambda row: row["path"])


def _again(files: list[dict[str, Any]], before: State, after: State) -> dict[str, Any]:
    rows = [row for row in files if row["state"] == "read again"]
    gone = before.pairs.join(after.pairs, on="key", how="anti").height
    reasons = dict(sorted(Counter(row["why"] for row in rows).items()))
    return {"files": len(rows), "why": reasons, "new": sum(row["new"] for row in rows), "gone": gone}


def _idle(path: str, state: str, reason: str | None) -> dict[str, Any]:
    return {"path": path, "state": state, "reason": reason} | dict.fromkeys(FIGURES, 0)


def _improves(before: State, after: State, fresh: pl.DataFrame, *, goal: int) -> dict[str, Any]:
    """Coverage that is gained, wordings and answers gained, survivors replaced by better ones, the way to the goal."""
    both = before.pairs.join(after.pairs, on="key", suffix="_after")
    gained = {
        name: int((both[f"{name}_after"].list.len().cast(pl.Int64) - both[name].list.len().cast(pl.Int64)).sum())
        for name in ("phrasings", "alternatives")
    }
    merged = after.resolution.decisions.filter(pl.col("status") == "merged")
    stood = before.standing.select("key")
    replaced = merged.join(stood, on="key", how="semi").join(fresh.select(survivor="key"), on="survivor", how="semi")
    joined = merged.join(fresh.select("key"), on="key", how="semi").join(
        fresh.select(survivor="key"), on="survivor", how="anti"
    )
    return {
        "categories": _coverage(before, after, "category"),
        "indicators": _coverage(before, after, "indicator"),
        "phrasings": gained["phrasings"] + joined.height,
        "alternatives": gained["alternatives"],
        "replaced": replaced.select("key", "survivor").sort("key").to_dicts(),
        "standing": {"before": before.standing.height, "after": after.standing.height, "goal": goal},
    }


def _coverage(before: State, after: State, name: str) -> dict[str, dict[str, list[int]]]:
    """`lacking` and `thin`: names without a standing pair, or with few, that gain some: [before, after]."""
    had, has = (dict(state.standing.drop_nulls(name).group_by(name).len().iter_rows()) for state in (before, after))
    grown = {key: [had.get(key, 0), n] for key, n in sorted(has.items()) if n > had.get(key, 0)}
    return {
        "lacking": {key: counts for key, counts in grown.items() if not counts[0]},
        "thin": {key: counts for key, counts in grown.items() if 0 < counts[0] < THIN},
    }


def text(told: Mapping[str, Any], *, semantic: bool) -> str:
    """What is foreseen, for a person: totals and what improves. The rows of files are a table of their own."""
    totals, improves = told["totals"], told["improves"]
    states = ", ".join(f"{n:,} {state}" for state, n in totals["files"].items()) or "no files"
    near = told["near"]
    lines = [
        f"dry run, nothing was written: {states}",
        f"{totals['new']:,} new pairs, {totals['duplicates']:,} exact duplicates, {totals['rejects']:,} rejects",
        (
            f"{totals['near']:,} near duplicates ({near.get('merged', 0):,} would merge, {near.get('review', 0):,} "
            f"would wait for review), by words{' and meaning' if semantic else ''}"
        ),
        f"{totals['conflicts']:,} conflicts ({told['conflicts']['with_stored']:,} with what is stored)",
    ]
    if again := told["again"]["files"]:
        why = ", ".join(f"{n:,} {reason}" for reason, n in told["again"]["why"].items())
        gives = f"{told['again']['new']:,} pairs more, {told['again']['gone']:,} fewer, the others as before"
        lines.insert(1, f"{again:,} known files would be read again ({why}): {gives}")
    for noun in ("categories", "indicators"):
        lines += [
            f"{noun} {label}: {_named(improves[noun][kind])}"
            for kind, label in (("lacking", "not covered so far"), ("thin", f"with fewer than {THIN} pairs"))
            if improves[noun][kind]
        ]
    lines.append(
        f"{improves['phrasings']:,} alternate phrasings and {improves['alternatives']:,} alternative answers gained; "
        f"{len(improves['replaced']):,} survivors would be replaced by better ones"
    )
    standing = improves["standing"]
    way = f" of {standing['goal']:,} wanted" if standing["goal"] else ""
    lines.append(f"standing pairs: {standing['before']:,} -> {standing['after']:,}{way}")
    if not semantic:
        lines.append("a run looks by meaning as well and may find more of both; --semantic does so now")
    return "\n".join(lines)


def _named(grown: Mapping[str, Sequence[int]], most: int = 8) -> str:
    shown = [f"{name} {was:,} -> {now:,}" for name, (was, now) in list(grown.items())[:most]]
    return ", ".join(shown) + (f" and {len(grown) - most} more" if len(grown) > most else "")
