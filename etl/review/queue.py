"""The store's verdicts in, what is open for a person to decide out, the most informative first.

Informativeness is a product of four figures, each shown with the item:

- doubt: 4p(1-p), where p is how likely a merge is, judged from what people decided about verdicts of the same kind. It
  begins at one half where no veto fired and at one tenth where one did, each worth four decisions: a kind that people
  always answer the same way sinks by itself.
- nearness: 1 at the merge threshold, falling to 0.25 at a distance of 0.1 and more. The side that is less alike counts.
- reach: how many rows one answer settles: those of both groups, and the other open questions about either.
- worth: the better pair's grade; nobody should spend an hour on pairs that no release takes.

The n-th question about the same pair counts for an n-th of that: the first answer often settles the others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from etl.errors import MotherlodeError
from etl.resolve import Rules
from etl.resolve.pins import Pins
from etl.store import Store

KINDS = ("review", "conflict", "merge")
PRIOR = {"none": 0.5, "veto": 0.1}
PRIOR_WEIGHT = 4.0
NEAR = 0.1  # similarity from the threshold at which nearness has fallen to its least
LEAST_NEARNESS = 0.25
MOST_REACH = 64  # more rows or questions than this make an item no more urgent
WORTH = {"A": 1.0, "B": 0.9, "C": 0.7, "D": 0.4, "F": 0.1}

_OPEN = """
    WITH sized AS (SELECT survivor AS key, count(*) AS n FROM decisions GROUP BY survivor),
    open AS (
        SELECT v.*, CASE v.verdict WHEN 'merge' THEN 'merge' WHEN 'conflict' THEN 'conflict' ELSE 'review' END AS kind,
               da.survivor AS survivor_a, db.survivor AS survivor_b
        FROM verdicts v
        JOIN decisions da ON da.key = v.a
        JOIN decisions db ON db.key = v.b
        LEFT JOIN conflicts c ON c.a = v.a AND c.b = v.b
        WHERE (v.verdict = 'review' AND da.status IN ('kept', 'review') AND db.status IN ('kept', 'review'))
           OR (v.verdict = 'conflict' AND c.settled IS NULL
               AND da.status IN ('kept', 'review') AND db.status IN ('kept', 'review'))
           OR (v.verdict = 'merge' AND v.reason <> 'merged_override' AND (da.survivor = v.b OR db.survivor = v.a))
    ), asked AS (
        SELECT key, count(*) AS n FROM (
            SELECT a AS key FROM open WHERE kind = 'review' UNION ALL SELECT b FROM open WHERE kind = 'review'
        ) GROUP BY key
    )
    SELECT o.kind, o.a, o.b, o.reason, o.evidence, o.survivor_a, o.survivor_b,
           coalesce(o.evidence->>'$.veto.kind', 'none') AS veto,
           (o.evidence->>'$.cosine.question')::DOUBLE AS question_cosine,
           (o.evidence->>'$.cosine.answer')::DOUBLE AS answer_cosine,
           (o.evidence->>'$.lexical.question')::DOUBLE AS question_lexical,
           (o.evidence->>'$.lexical.answer')::DOUBLE AS answer_lexical,
           ga.grade AS grade_a, gb.grade AS grade_b, ga.completeness AS whole_a, gb.completeness AS whole_b,
           coalesce(na.n, 1) + coalesce(nb.n, 1) AS rows,
           greatest(coalesce(qa.n, 0) + coalesce(qb.n, 0) - 2, 0) AS questions
    FROM open o
    LEFT JOIN grades ga ON ga.key = o.a
    LEFT JOIN grades gb ON gb.key = o.b
    LEFT JOIN sized na ON na.key = o.survivor_a
    LEFT JOIN sized nb ON nb.key = o.survivor_b
    LEFT JOIN asked qa ON qa.key = o.a
    LEFT JOIN asked qb ON qb.key = o.b
"""
_ORDER, _DESCENDING = ["informativeness", "a", "b"], [True, False, False]
_TAUGHT = "SELECT a, b, coalesce(evidence->>'$.veto.kind', 'none') AS veto FROM verdicts SEMI JOIN pinned USING (a, b)"


@dataclass(frozen=True, slots=True)
class Item:
    """One open question: is `other` the same as `stays`, which would survive their merge?

    `kind`: review (nobody decided), conflict (open contradiction), merge (made by the rules, to be confirmed).
    Similarities are None where that method found no link. `doubt`, `nearness`, `reach` and `worth` make up
    `informativeness`.
    """

    kind: str
    stays: str
    other: str
    reason: str
    veto: dict[str, Any] | None
    question_cosine: float | None
    answer_cosine: float | None
    question_lexical: float | None
    answer_lexical: float | None
    grade_stays: str | None
    grade_other: str | None
    rows: int
    questions: int
    doubt: float
    nearness: float
    reach: float
    worth: float
    informativeness: float

    @property
    def id(self) -> str:
        """The two keys, as a page names them."""
        return f"{self.stays}-{self.other}"


@dataclass(frozen=True, slots=True)
class Queue:
    """What is open: the first `items`, and how many there are of each kind."""

    items: Sequence[Item]
    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def queue(
    store: Store, *, kinds: Collection[str] = ("review",), rules: Rules | None = None, limit: int | None = None
) -> Queue:
    """Open questions of these kinds, the most informative first; pairs that people have decided about are not open.

    `rules` gives the thresholds that `resolve` used; the defaults otherwise. The order depends on the store alone.
    """
    if strange := sorted(set(kinds) - set(KINDS)):
        raise MotherlodeError(f"there is no kind {strange[0]!r} to review; known are {', '.join(KINDS)}")
    pins = Pins.standing(store.query("SELECT * FROM overrides").iter_rows(named=True))
    found = store.query(_OPEN).filter(pl.col("kind").is_in(list(kinds)))
    found = found.join(_two_columns(pins), on=["a", "b"], how="anti")
    ranked = _ranked(found, _chances(store, pins), rules or Rules())
    counts = dict(ranked.group_by("kind").len().sort("kind").iter_rows())
    chosen = ranked if limit is None else ranked.head(limit)
    return Queue([_item(row) for row in chosen.iter_rows(named=True)], counts)


def _two_columns(pins: Pins) -> pl.DataFrame:
    return pl.DataFrame(sorted(pins.by_pair), schema={"a": pl.String, "b": pl.String}, orient="row")


def _chances(store: Store, pins: Pins) -> pl.DataFrame:
    """For each kind of veto that people have decided about: (veto, decided, merged)."""
    rows = store.query(_TAUGHT, pinned=_two_columns(pins)).rows()
    taught = [(veto, 1, int(pins.by_pair[a, b].merge)) for a, b, veto in rows]
    frame = pl.DataFrame(taught, schema={"veto": pl.String, "decided": pl.Int64, "merged": pl.Int64}, orient="row")
    return frame.group_by("veto").agg(pl.col("decided", "merged").sum())


def _ranked(found: pl.DataFrame, chances: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    prior = pl.when(pl.col("veto") == "none").then(PRIOR["none"]).otherwise(PRIOR["veto"])
    decided, merged = pl.col("decided").fill_null(0), pl.col("merged").fill_null(0)
    chance = (PRIOR_WEIGHT * prior + merged) / (PRIOR_WEIGHT + decided)
    reach = (pl.col("rows") + pl.col("questions")).clip(2, MOST_REACH).log(2) / pl.lit(MOST_REACH).log(2)
    away = pl.min_horizontal(
        _distance("cosine", rules.merge_cosine), _distance("lexical", rules.merge_lexical)
    ).fill_null(NEAR)  # fmt: skip
    grade = pl.min_horizontal(pl.col("grade_a").fill_null("Z"), pl.col("grade_b").fill_null("Z"))
    weighed = (
        found.join(chances, on="veto", how="left")
        .with_columns(
            a_better=_a_goes_first(),
            doubt=(4 * chance * (1 - chance)).round(4),
            nearness=(1 - (1 - LEAST_NEARNESS) * (away / NEAR).clip(0, 1)).round(4),
            reach=reach.round(4),
            worth=grade.replace_strict(WORTH, default=0.5, return_dtype=pl.Float64),
        )
        .with_columns(informativeness=pl.col("doubt") * pl.col("nearness") * pl.col("reach") * pl.col("worth"))
    )
    return _discounted(weighed)


def _discounted(ranked: pl.DataFrame) -> pl.DataFrame:
    """Informativeness divided by how many questions about one of the two pairs come up to this one, itself included."""
    placed = ranked.sort(_ORDER, descending=_DESCENDING).with_row_index("place")
    sides = pl.concat([placed.select("place", key="a"), placed.select("place", key="b")]).sort("place", "key")
    times = sides.with_columns(n=pl.int_range(1, pl.len() + 1).over("key")).group_by("place").agg(pl.col("n").max())
    return (
        placed.join(times, on="place")
        .with_columns((pl.col("informativeness") / pl.col("n")).round(4))
        .drop("place", "n")
        .sort(_ORDER, descending=_DESCENDING)
    )


def _a_goes_first() -> pl.Expr:
    """Whether a would survive: the survivor where they are merged, else grade, then completeness, then key."""
    grade_a, grade_b = pl.col("grade_a").fill_null("Z"), pl.col("grade_b").fill_null("Z")
    whole_a, whole_b = pl.col("whole_a").fill_null(0.0), pl.col("whole_b").fill_null(0.0)
    by_rank = (
        pl.when(grade_a != grade_b).then(grade_a < grade_b)
        .when(whole_a != whole_b).then(whole_a > whole_b)
        .otherwise(pl.col("a") < pl.col("b"))
    )  # fmt: skip
    return pl.when(pl.col("survivor_b") == pl.col("a")).then(True).when(pl.col("survivor_a") == pl.col("b")).then(
        False
    ).otherwise(by_rank)  # fmt: skip


def _distance(method: str, threshold: float) -> pl.Expr:
    """How far the side that is less alike lies from the threshold of a method; null where it found no link."""
    weaker = pl.when(pl.col(f"question_{method}").is_not_null()).then(
        pl.min_horizontal(f"question_{method}", f"answer_{method}")
    )
    return (weaker - threshold).abs()


def _item(row: dict[str, Any]) -> Item:
    first, second = ("a", "b") if row["a_better"] else ("b", "a")
    veto = orjson.loads(row["evidence"] or "{}").get("veto")
    if veto is not None and first == "b":  # its spans are named by the order of keys
        veto = veto | {"a": veto["b"], "b": veto["a"]}
    same = ("kind", "reason", "question_cosine", "answer_cosine", "question_lexical", "answer_lexical", "rows",
            "questions", "doubt", "nearness", "reach", "worth", "informativeness")  # fmt: skip
    return Item(
        stays=row[first],
        other=row[second],
        veto=veto,
        grade_stays=row[f"grade_{first}"],
        grade_other=row[f"grade_{second}"],
        **{name: row[name] for name in same},
    )
