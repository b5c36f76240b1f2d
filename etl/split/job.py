"""The split job: decisions, verdicts and contexts in; the table `splits` out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from etl.progress import Meter, Pending, Progress
from etl.recipe import Recipe
from etl.split.assign import RATIOS, SPLITS, assign, check_ratios
from etl.split.graph import EDGES
from etl.split.oversized import ROWS, SHARE, oversized
from etl.store import Store, Unit
from etl.store.stale import why_stale

VERSION = 1
AFTER = ("ingest", "delivery", "resolve")

_UNSETTLED = """
    SELECT count(*) FROM frozen_splits f JOIN splits s USING (key)
    WHERE s.frozen IS DISTINCT FROM f.version OR s.split <> f.split
"""


class _MovedError(Exception):
    """Another writer has changed what this job read."""


def recipe(*, ratios: Sequence[float] = RATIOS, seed: int = 0) -> Recipe:
    """How rows are put into splits."""
    check_ratios(ratios)
    return Recipe("split", VERSION, {"ratios": list(ratios), "seed": seed})


def pending(store: Store, *, ratios: Sequence[float] = RATIOS, seed: int = 0) -> Pending:
    """How many pairs would be looked at again, and why."""
    why = why_stale(store, "split", recipe(ratios=ratios, seed=seed), after=AFTER)
    if not why and (late := store.value(_UNSETTLED)):
        why = f"{late} rows left in a release with another split"
    rows = store.value("SELECT count(*) FROM decisions WHERE status <> 'retracted'") if why else 0
    return Pending("split", max(rows, 1) if why else 0, "pairs", why)


def split(
    store: Store,
    *,
    meter: Meter,
    ratios: Sequence[float] = RATIOS,
    seed: int = 0,
    oversized_share: float = SHARE,
    oversized_rows: int = ROWS,
) -> Iterator[Progress]:
    """Give every pair that resolve keeps or merges a split, in one unit; only rows that change are written.

    Counts: train, validation, test (pairs that may leave), withheld, groups, moved (not frozen, and put elsewhere
    than before), added, removed, oversized (groups, see `oversized`).
    """
    made = recipe(ratios=ratios, seed=seed)
    while pending(store, ratios=ratios, seed=seed):
        meter.spend("pairs", store.value("SELECT count(*) FROM decisions WHERE status <> 'retracted'"))
        seen = store.last_seq(*AFTER, "export")
        after, counts = _plan(store, ratios=ratios, seed=seed)
        try:
            with store.unit("split", "all", recipe=made) as unit:
                if unit.query(_LAST, list(_WATCHED))["seq"].item() != seen:
                    raise _MovedError
                _write(unit, after)
                unit.counts.update(counts)
        except _MovedError:
            continue
        large = oversized(store, share=oversized_share, rows=oversized_rows)["group_id"].n_unique()
        yield Progress("split", "all", after.height, after.height, counts | {"oversized": large})
        return


_WATCHED = (*AFTER, "export")
_LAST = f"SELECT coalesce(max(seq), 0) AS seq FROM ledger WHERE job IN ({', '.join('?' * len(_WATCHED))})"


def _plan(store: Store, *, ratios: Sequence[float], seed: int) -> tuple[pl.DataFrame, dict[str, int]]:
    """The whole table `splits` as it should be, sorted by key, and the figures of the unit."""
    members = store.query(
        """
        SELECT d.key, d.status IN ('kept', 'review') AS counted, p.category
        FROM decisions d JOIN pairs p USING (key)
        WHERE d.status <> 'retracted'
        """
    )
    frozen = store.query("SELECT key, split, version AS frozen FROM frozen_splits")
    before = store.query("SELECT key, split AS former FROM splits")
    rows = assign(members, store.query(EDGES), members, frozen, ratios=ratios, seed=seed)
    after = rows.join(frozen.select("key", "frozen"), on="key", how="left", maintain_order="left").select(
        "key", "split", "group_id", "frozen", "withheld"
    )
    told = after.join(members, on="key").join(before, on="key", how="left")
    leaves = told.filter("counted", pl.col("withheld").is_null())
    counts = {name: leaves.filter(pl.col("split") == name).height for name in SPLITS}
    counts["withheld"] = told.filter("counted", pl.col("withheld").is_not_null()).height
    counts["groups"] = after["group_id"].n_unique()
    counts["moved"] = told.filter(pl.col("split") != pl.col("former")).height
    counts["added"] = told["former"].null_count()
    counts["removed"] = before.join(after, on="key", how="anti").height
    return after, counts


def _write(unit: Unit, after: pl.DataFrame) -> None:
    same = """
        a.key = s.key AND a.split = s.split AND a.group_id = s.group_id
        AND a.frozen IS NOT DISTINCT FROM s.frozen AND a.withheld IS NOT DISTINCT FROM s.withheld
    """
    unit.execute(f"DELETE FROM splits s WHERE NOT EXISTS (SELECT 1 FROM planned a WHERE {same})", planned=after)
    changed = unit.query("SELECT a.* FROM planned a ANTI JOIN splits s USING (key) ORDER BY key", planned=after)
    unit.insert("splits", changed)
