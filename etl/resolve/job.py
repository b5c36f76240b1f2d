"""The job `resolve`: the store's pairs, links, grades and overrides in; the changed rows of three tables out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

import polars as pl

from etl.errors import StoreError
from etl.progress import Meter, Pending, Progress
from etl.recipe import Recipe
from etl.resolve.decision import Resolution, decide
from etl.resolve.rules import Rules, Settings
from etl.store import Store
from etl.store.stale import why_stale

JOB = "resolve"
AFTER = ("ingest", "delivery", "assess", "link", "override")
VERSION = 9
ATTEMPTS = 5  # how often another writer may get in between reading and writing

# Texts only of pairs that some link can matter to: the rest of a large store stays where it is.
_PAIRS = """
WITH linked AS (
    SELECT a AS key FROM links WHERE question_similarity >= $floor
    UNION SELECT b FROM links WHERE question_similarity >= $floor
)
SELECT p.key, CASE WHEN l.key IS NULL THEN NULL ELSE p.question END AS question,
       CASE WHEN l.key IS NULL THEN NULL ELSE p.answer END AS answer,
       p.question_key, p.answer_key, p.context_key, p.alternatives, p.occurrences
FROM pairs p LEFT JOIN linked l ON l.key = p.key
"""
_LINKS = """
SELECT a, b, method, question_similarity, answer_similarity, question_overlap, answer_overlap, truncated
FROM links WHERE question_similarity >= $floor
"""


class _Moved(Exception):  # noqa: N818 - a signal between two functions, never seen outside
    """Another writer fed this job while it computed."""


def recipe(**settings: Unpack[Settings]) -> Recipe:
    """How decisions are made: the thresholds, the languages and the version of the rules and word lists."""
    return Recipe(JOB, VERSION, Rules(**settings).parameters())


def pending(store: Store, **settings: Unpack[Settings]) -> Pending:
    """All pairs, when anything that feeds the decisions has changed since they were made; else nothing."""
    why = why_stale(store, JOB, recipe(**settings), after=AFTER)
    return Pending(JOB, store.value("SELECT count(*) FROM pairs") if why else 0, "pairs", why)


def propose(store: Store, **settings: Unpack[Settings]) -> Resolution:
    """What would be decided now. Nothing is written."""
    floor = {"floor": Rules(**settings).floor}
    return decide(
        store.query(_PAIRS, floor),
        store.query(_LINKS, floor),
        store.query("SELECT key, grade, completeness, language FROM grades"),
        store.query("SELECT id, key, other, verdict, note FROM overrides"),
        **settings,
    )


def resolve(store: Store, *, meter: Meter, **settings: Unpack[Settings]) -> Iterator[Progress]:
    """Decide about every pair and write what changed, in one unit. Yields once, or not at all when nothing is pending.

    Counts: kept, merged, review, retracted, conflicts, variants (as they stand now) and changed (decisions rewritten).
    """
    todo = pending(store, **settings)
    if not todo.amount:
        return
    meter.spend("pairs", todo.amount)
    for _ in range(ATTEMPTS):
        seen = store.last_seq(*AFTER)
        resolution = propose(store, **settings)
        try:
            counts = _write(store, resolution, recipe(**settings), seen)
        except _Moved:
            continue
        yield Progress(JOB, "all pairs", resolution.decisions.height, resolution.decisions.height, counts)
        return
    raise StoreError(f"other writers changed the store {ATTEMPTS} times while it was resolved; run 'etl resolve' again")


def _write(store: Store, resolution: Resolution, how: Recipe, seen: int) -> dict[str, int]:
    decisions = resolution.decisions.with_columns(recipe=pl.lit(how.digest))
    changes = [
        ("decisions", ["key"], *_difference(store, "decisions", decisions, ["key"])),
        ("verdicts", ["a", "b"], *_difference(store, "verdicts", resolution.verdicts, ["a", "b"])),
        ("conflicts", ["a", "b"], *_difference(store, "conflicts", resolution.conflicts, ["a", "b"])),
    ]
    feeding = ", ".join(f"'{job}'" for job in AFTER)
    with store.unit(JOB, "all pairs", recipe=how) as unit:
        newest = unit.query(f"SELECT coalesce(max(seq), 0) AS seq FROM ledger WHERE job IN ({feeding})").item()
        if newest != seen:
            raise _Moved
        for table, keys, gone, new in changes:
            if gone.height:
                same = " AND ".join(f"t.{key} = gone.{key}" for key in keys)
                unit.execute(f"DELETE FROM {table} t USING gone WHERE {same}", gone=gone)
            unit.insert(table, new)
        unit.counts.update(resolution.counts | {"changed": changes[0][3].height})
    return dict(unit.counts)


def _difference(store: Store, table: str, rows: pl.DataFrame, keys: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(keys of stored rows to delete, rows to insert)."""
    columns = ", ".join(rows.columns)
    stored = store.query(f"SELECT {columns} FROM {table}").cast(rows.schema)
    new = rows.join(stored, on=rows.columns, how="anti", nulls_equal=True)
    gone = stored.join(rows, on=rows.columns, how="anti", nulls_equal=True).select(keys)
    return gone, new.sort(keys)
