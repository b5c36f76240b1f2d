"""The job: the corpus after resolve in, corpus-wide flags out, all of them in one unit."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from etl import Meter, Pending, Progress, Recipe, Store
from etl.store.stale import why_stale
from quality.audit.corpus import (
    BOILERPLATE_FLOOR,
    CATEGORY_FLOOR,
    CORPUS_RULES,
    INDICATOR_FLOOR,
    audit_frame,
)

JOB = "audit"
VERSION = 1
AFTER = ("ingest", "delivery", "assess", "resolve")


def recipe(
    *,
    boilerplate_floor: int = BOILERPLATE_FLOOR,
    indicator_floor: int = INDICATOR_FLOOR,
    category_floor: int = CATEGORY_FLOOR,
) -> Recipe:
    """How corpus-wide flags are made: the three floors, in pairs."""
    return Recipe(
        JOB,
        VERSION,
        {
            "boilerplate_floor": boilerplate_floor,
            "indicator_floor": indicator_floor,
            "category_floor": category_floor,
        },
    )


def pending(store: Store, **floors: int) -> Pending:
    """All kept pairs where anything before changed, else nothing. `floors` as in `recipe`."""
    why = why_stale(store, JOB, recipe(**floors), after=AFTER)
    kept = store.value("SELECT count(*) FROM decisions WHERE status IN ('kept', 'review')") if why else 0
    return Pending(JOB, max(kept, 1) if why and store.last_seq(*AFTER) else 0, "pairs", why)


def audit(
    store: Store,
    *,
    meter: Meter,
    boilerplate_floor: int = BOILERPLATE_FLOOR,
    indicator_floor: int = INDICATOR_FLOOR,
    category_floor: int = CATEGORY_FLOOR,
) -> Iterator[Progress]:
    """Replace the corpus-wide flags where they are stale. Counts: pairs, flags, and one a flag."""
    made = recipe(boilerplate_floor=boilerplate_floor, indicator_floor=indicator_floor, category_floor=category_floor)
    if not pending(store, **made.parameters):
        return
    seen = store.last_seq(*AFTER)
    pairs = store.query(
        """
        SELECT p.key, p.answer, p.indicator, p.category
        FROM pairs p JOIN decisions d USING (key) WHERE d.status IN ('kept', 'review') ORDER BY p.key
        """
    )
    boilerplate = store.query("SELECT group_id, key FROM groups WHERE kind = 'boilerplate'")
    meter.spend("pairs", pairs.height)
    flags = audit_frame(
        pairs,
        boilerplate,
        boilerplate_floor=boilerplate_floor,
        indicator_floor=indicator_floor,
        category_floor=category_floor,
    )
    if store.last_seq(*AFTER) != seen:  # another writer has moved the corpus meanwhile; its own run audits it
        return
    counts = _commit(store, made, pairs.height, flags)
    yield Progress(JOB, "corpus", pairs.height, pairs.height, counts)


def _commit(store: Store, made: Recipe, kept: int, flags: pl.DataFrame) -> dict[str, int]:
    with store.unit(JOB, "corpus", recipe=made) as unit:
        unit.execute("DELETE FROM flags WHERE scope = 'corpus'")
        unit.insert("flags", flags.with_columns(pl.lit("corpus").alias("scope"), pl.lit(made.digest).alias("recipe")))
        found = dict(flags["flag"].value_counts().iter_rows())
        unit.counts.update(
            pairs=kept, flags=flags.height, **{rule.flag: found.get(rule.flag, 0) for rule in CORPUS_RULES}
        )
        return dict(unit.counts)
