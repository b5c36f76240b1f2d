"""The job: live pairs without a grade of the current recipe in, their flags and grades out, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from etl import Meter, Pending, Progress, Recipe, Store
from quality.assess.frame import COLUMNS, assess_frame
from quality.assess.registry import RULES

JOB = "assess"
VERSION = 1
BATCH = 5000


def recipe(*, languages: Sequence[str] = ("en",)) -> Recipe:
    """How grades are made: the rules with their weights, and the languages that are wanted."""
    return Recipe(JOB, VERSION, {"languages": sorted(languages), "weights": {r.flag: r.weight for r in RULES}})


def pending(store: Store, *, languages: Sequence[str] = ("en",)) -> Pending:
    """How many live pairs have no grade of the current recipe, and why."""
    made = recipe(languages=languages)
    missing, outdated = store.query(
        """
        SELECT count(*), count(g.key)
        FROM pairs p LEFT JOIN (SELECT DISTINCT key FROM grades) g USING (key)
        WHERE p.occurrences > 0 AND NOT EXISTS (FROM grades now WHERE now.key = p.key AND now.recipe = ?)
        """,
        [made.digest],
    ).row(0)
    before = store.last_recipe(JOB)
    why = []
    if missing > outdated:
        why.append(f"{missing - outdated} new")
    if outdated:
        changes = made.changes_from(before[1], before[2]) if before else ""
        why.append(f"{outdated} of an earlier recipe" + (f" ({changes})" if changes else ""))
    return Pending(JOB, missing, "pairs", ", ".join(why))


def assess(store: Store, *, meter: Meter, batch: int = BATCH, languages: Sequence[str] = ("en",)) -> Iterator[Progress]:
    """Assess what is pending. Counts: pairs, flags, flagged, and one `grade_A` ... `grade_F` each."""
    made = recipe(languages=languages)
    keys = store.query(
        """
        SELECT key FROM pairs ANTI JOIN (FROM grades WHERE recipe = ?) USING (key)
        WHERE occurrences > 0 ORDER BY key
        """,
        [made.digest],
    )
    done = 0
    for part in keys.iter_slices(batch):
        meter.spend("pairs", part.height)
        pairs = store.query(
            f"SELECT {', '.join(COLUMNS)} FROM pairs SEMI JOIN part USING (key) WHERE occurrences > 0 ORDER BY key",
            part=part,
        )
        flags, grades = assess_frame(pairs, languages=languages)
        counts = _commit(store, made, part, flags, grades)
        done += part.height
        yield Progress(JOB, f"{part['key'][0][:8]}..{part['key'][-1][:8]}", done, keys.height, counts)


def _commit(
    store: Store, made: Recipe, part: pl.DataFrame, flags: pl.DataFrame, grades: pl.DataFrame
) -> dict[str, int]:
    """Put one batch in place of what stood there; rows another writer has graded meanwhile are left alone."""
    with store.unit(JOB, f"{part['key'][0]}..{part['key'][-1]}", recipe=made) as unit:
        still = unit.query(
            "SELECT key FROM part SEMI JOIN pairs USING (key) ANTI JOIN (FROM grades WHERE recipe = ?) USING (key)",
            [made.digest],
            part=part,
        )
        grades, flags = (frame.join(still, on="key", how="semi") for frame in (grades, flags))
        unit.execute("DELETE FROM grades WHERE key IN (SELECT key FROM still)", still=still)
        unit.execute("DELETE FROM flags WHERE scope = 'pair' AND key IN (SELECT key FROM still)", still=still)
        unit.insert("grades", grades.with_columns(pl.lit(made.digest).alias("recipe")))
        unit.insert("flags", flags.with_columns(pl.lit("pair").alias("scope"), pl.lit(made.digest).alias("recipe")))
        letters = grades["grade"].value_counts()
        unit.counts.update(
            pairs=grades.height,
            flags=flags.height,
            flagged=flags["key"].n_unique(),
            **{f"grade_{name}": count for name, count in sorted(letters.iter_rows())},
        )
        return dict(unit.counts)
