"""The store in, a `Harvest` out: the rows that leave, what the gates left out, and the digest of all of it."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from etl.errors import StoreDamagedError
from etl.export.terms import GRADES, Terms
from etl.store import Store

SPLITS = ("train", "validation", "test")
SIDES = ("question", "answer")

_CANDIDATES = """
    SELECT p.key, p.question, p.answer, p.context, p.indicator, p.category, g.language, g.grade, g.score,
           p.sources, p.licences, p.phrasings, p.alternatives, p.occurrences,
           coalesce(f.flags, []::VARCHAR[]) AS flags, d.status, s.split, s.group_id, s.withheld
    FROM decisions d
    JOIN pairs p USING (key)
    LEFT JOIN grades g USING (key)
    LEFT JOIN splits s USING (key)
    LEFT JOIN (SELECT key, list_sort(list(DISTINCT flag)) AS flags FROM flags GROUP BY key) f USING (key)
    WHERE d.status IN ('kept', 'review')
    ORDER BY p.key
"""
_MEMBERS = """
    SELECT d.key, d.survivor, p.question, p.answer, p.phrasings, p.indicator, p.category, p.sources, p.licences,
           p.alternatives, p.occurrences, d.reason, d.evidence, g.grade, s.withheld,
           coalesce(f.flags, []::VARCHAR[]) AS flags
    FROM decisions d
    JOIN pairs p USING (key)
    LEFT JOIN grades g USING (key)
    LEFT JOIN splits s USING (key)
    LEFT JOIN (SELECT key, list_sort(list(DISTINCT flag)) AS flags FROM flags GROUP BY key) f USING (key)
    WHERE d.status = 'merged'
    ORDER BY d.survivor, d.key
"""
_LINKS = """
    SELECT d.key, l.method, l.question_similarity, l.answer_similarity, l.question_overlap, l.answer_overlap
    FROM decisions d
    JOIN links l ON l.a = least(d.key, d.survivor) AND l.b = greatest(d.key, d.survivor)
    WHERE d.status = 'merged'
    ORDER BY d.key, l.method, l.recipe
"""
_HAVE_VECTORS = """
    SELECT p.key FROM decisions d JOIN pairs p USING (key)
    SEMI JOIN (SELECT text_key FROM vectors WHERE recipe = ?) v ON v.text_key = substr(sha256(p.{side}), 1, 32)
    WHERE d.status IN ('kept', 'review')
    ORDER BY p.key
"""


@dataclass(frozen=True, slots=True)
class Harvest:
    """What one release is made of; every frame sorted by key.

    rows: the pairs that leave. members: merged pairs whose survivor leaves, with their own texts past the same gates;
    `links` are their similarities to it. contradictions: those of which both sides leave. with_vectors: for question
    and answer, the keys that have a vector. `counts` ties all of it to the store; `seq` is the newest ledger row seen.
    """

    rows: pl.DataFrame
    members: pl.DataFrame
    links: pl.DataFrame
    contradictions: pl.DataFrame
    with_vectors: dict[str, pl.DataFrame]
    counts: dict[str, int | dict[str, int]]
    store_digest: str
    digest: str
    seq: int


def gather(store: Store, terms: Terms) -> Harvest:
    """Read everything at one state of the store and put it through the gates.

    Raises `StoreDamagedError` where a key stands twice in a table that has one row a key.
    """
    while True:
        seq = newest(store)
        candidates, members = store.query(_CANDIDATES), store.query(_MEMBERS)
        links = store.query(_LINKS)
        conflicts = store.query("SELECT * FROM conflicts ORDER BY a, b")
        recipe = terms.vectors_recipe
        vectors = {side: store.query(_HAVE_VECTORS.format(side=side), [recipe]) for side in SIDES} if recipe else {}
        pairs = dict(store.query(_STATUSES).iter_rows())
        if seq == newest(store):
            break
    if candidates["key"].n_unique() != candidates.height:
        raise StoreDamagedError("a kept pair stands twice in decisions, grades or splits: 'etl doctor' names the table")
    told = _gated(candidates.filter(pl.col("withheld").is_null()), conflicts, terms)
    rows = told.filter(pl.col("gate").is_null()).drop("gate", "withheld")
    kept_members = _past_gates(members, rows, terms)
    both = conflicts.join(rows.select(a="key"), on="a", how="semi").join(rows.select(b="key"), on="b", how="semi")
    store_digest = digest_of([candidates, members, links, conflicts, *vectors.values()])
    return Harvest(
        rows=gathered(rows, kept_members),
        members=kept_members.select("key", "survivor", "question", "answer", "phrasings", "reason", "evidence"),
        links=links.join(kept_members, on="key", how="semi", maintain_order="left"),
        contradictions=both.sort("a", "b", "kind"),
        with_vectors={s: keys.join(rows, on="key", how="semi", maintain_order="left") for s, keys in vectors.items()},
        counts=_counts(pairs, candidates, told, terms)
        | {
            "merged_shown": kept_members.height,
            "contradictions": conflicts.height,
            "contradictions_shown": both.height,
        },
        store_digest=store_digest,
        digest=hashlib.sha256(f"{store_digest}:{terms.recipe.digest}".encode("ascii")).hexdigest(),
        seq=seq,
    )


def gathered(rows: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Survivors with what their merged pairs brought: the sum of occurrences, the union of sources, licences and other
    answers, and an indicator or category where the survivor has none (that of the smallest key that has one)."""
    lists = ("sources", "licences", "alternatives")
    brought = (
        members.sort("survivor", "key")
        .group_by("survivor", maintain_order=True)
        .agg(
            *(pl.col(name).list.explode().drop_nulls().alias(f"{name}_more") for name in lists),
            *(pl.col(tag).drop_nulls().first().alias(f"{tag}_more") for tag in ("indicator", "category")),
            more=pl.col("occurrences").sum(),
        )
    )
    joined = rows.join(brought, left_on="key", right_on="survivor", how="left", maintain_order="left")
    nothing = pl.lit([], dtype=pl.List(pl.String))
    return joined.with_columns(
        *(
            pl.when(pl.col(f"{name}_more").is_null())
            .then(name)
            .otherwise(pl.concat_list(name, pl.col(f"{name}_more").fill_null(nothing)).list.unique().list.sort())
            .alias(name)
            for name in lists
        ),
        *(pl.coalesce(tag, f"{tag}_more").alias(tag) for tag in ("indicator", "category")),
        occurrences=pl.col("occurrences") + pl.col("more").fill_null(0).cast(pl.Int32),
    ).select(rows.columns)


_STATUSES = """
    SELECT coalesce(d.status, 'undecided') AS status, count(*) AS n
    FROM pairs p LEFT JOIN decisions d USING (key) GROUP BY 1
"""


def newest(store: Store) -> int:
    """The newest ledger row of any job."""
    return store.value("SELECT max(seq) FROM ledger")


def digest_of(frames: Iterable[pl.DataFrame]) -> str:
    """sha256 over the rows of frames as JSON lines: logical, so the same for equal stores of different history."""
    state = hashlib.sha256()
    for frame in frames:
        state.update(json.dumps([frame.columns, frame.height]).encode("ascii"))
        for part in frame.iter_slices(50_000):
            buffer = io.BytesIO()
            part.write_ndjson(buffer)
            state.update(buffer.getbuffer())
    return state.hexdigest()


def gate_names(terms: Terms) -> list[str]:
    """The gates in the order in which a pair meets them."""
    optional = [("in_review", terms.review), ("open_conflict", terms.conflicts)]
    flags = sorted(set(terms.leave_out))
    return [
        "unsplit",
        "ungraded",
        "low_grade",
        *flags,
        *(g for g, on in optional if on == "leave_out"),
        "conflict_lost",
    ]


def _gated(rows: pl.DataFrame, conflicts: pl.DataFrame, terms: Terms) -> pl.DataFrame:
    """Add `gate`: the first that leaves the pair out, or null. A pair that a person found wrong never leaves."""
    open_keys = conflicts.filter(pl.col("settled").is_null())
    contested = pl.concat([open_keys["a"], open_keys["b"]]).implode()
    lost = pl.concat(
        [
            conflicts.filter(pl.col("settled") == pl.col("b"))["a"],
            conflicts.filter(pl.col("settled") == pl.col("a"))["b"],
        ]
    ).implode()
    tests = {
        "unsplit": pl.col("split").is_null(),
        **_own_gates(terms),
        "in_review": pl.col("status") == "review",
        "open_conflict": pl.col("key").is_in(contested),
        "conflict_lost": pl.col("key").is_in(lost),
    }
    return rows.with_columns(_first(tests, gate_names(terms)).alias("gate"))


def _own_gates(terms: Terms) -> dict[str, pl.Expr]:
    """The gates that look at a text and its worth alone; they hold for the wordings of merged pairs as well."""
    accepted = list(GRADES[: GRADES.index(terms.min_grade) + 1])
    return {
        "ungraded": pl.col("grade").is_null() & (terms.min_grade != GRADES[-1]),
        "low_grade": pl.col("grade").is_not_null() & ~pl.col("grade").is_in(accepted),
        **{flag: pl.col("flags").list.contains(flag) for flag in terms.leave_out},
    }


def _first(tests: dict[str, pl.Expr], order: Iterable[str]) -> pl.Expr:
    return pl.coalesce([pl.when(tests[name]).then(pl.lit(name)) for name in order])


def _past_gates(members: pl.DataFrame, rows: pl.DataFrame, terms: Terms) -> pl.DataFrame:
    own = _own_gates(terms)
    return members.filter(
        pl.col("survivor").is_in(rows["key"].implode()),
        pl.col("withheld").is_null(),  # its texts have left in another split
        _first(own, own).is_null(),
    )


def _counts(
    pairs: dict[str, int], candidates: pl.DataFrame, told: pl.DataFrame, terms: Terms
) -> dict[str, int | dict[str, int]]:
    left_out = dict.fromkeys(gate_names(terms), 0)
    left_out |= dict(told.drop_nulls("gate").group_by("gate").len().iter_rows())
    statuses = {name: pairs.get(name, 0) for name in ("kept", "review", "merged", "retracted", "undecided")}
    return {
        "pairs": sum(pairs.values()),
        **statuses,
        "withheld": candidates.height - told.height,
        "kept_pairs": told.height,
        "exported": told["gate"].null_count(),
        "left_out": left_out,
    }
