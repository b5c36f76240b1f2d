"""Pairs, links, grades and overrides in; one decision a pair, verdicts on linked pairs and the contradictions out.

A pure function: the order of its inputs does not matter, and the same inputs give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Unpack

import orjson
import polars as pl

from etl.resolve.judge import judge
from etl.resolve.order import Grouping, group
from etl.resolve.pins import Pin, Pins, Two
from etl.resolve.rules import Rules, Settings

DECISIONS = pl.Schema(
    {"key": pl.String(), "status": pl.String(), "survivor": pl.String(), "reason": pl.String(), "evidence": pl.String()}
)
VERDICTS = pl.Schema(
    {"a": pl.String(), "b": pl.String(), "verdict": pl.String(), "reason": pl.String(), "evidence": pl.String()}
)
CONFLICTS = pl.Schema(
    {"a": pl.String(), "b": pl.String(), "kind": pl.String(), "evidence": pl.String(), "settled": pl.String()}
)

_ALTERNATIVES = pl.List(pl.String())
# A pair that stays, with nothing better to say about it: the first of these that touches it is its reason.
_TOUCHED = (
    ("kept_override", pl.col("reason").is_in(["kept_override", "merge_override_blocked"])),
    ("kept_conflict", pl.col("verdict") == "conflict"),
    ("best_of_review", pl.col("verdict") == "review"),
    ("alike_to_merged_only", pl.col("verdict") == "merge"),
    ("kept_variant", pl.col("verdict") == "variant"),
)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What `resolve` makes of a store: frames `decisions`, `verdicts` and `conflicts` as in the tables, by key."""

    decisions: pl.DataFrame
    verdicts: pl.DataFrame
    conflicts: pl.DataFrame

    @property
    def counts(self) -> dict[str, int]:
        """kept, merged, review, retracted, conflicts (open ones) and variants."""
        statuses = dict(self.decisions.group_by("status").len().iter_rows())
        return {name: statuses.get(name, 0) for name in ("kept", "merged", "review", "retracted")} | {
            "conflicts": self.conflicts.filter(pl.col("settled").is_null()).height,
            "variants": self.verdicts.filter(pl.col("verdict") == "variant").height,
        }


def decide(
    pairs: pl.DataFrame,
    links: pl.DataFrame,
    grades: pl.DataFrame,
    overrides: pl.DataFrame,
    **settings: Unpack[Settings],
) -> Resolution:
    """Decide about every pair.

    `pairs`: key, question, answer, question_key, answer_key, context_key, alternatives, occurrences (texts are needed
    only for linked ones). `links`, `overrides`: as in the tables. `grades`: key, grade, completeness, language; a pair
    without a row comes last and has no language. `settings`: see `Rules`.
    """
    rules = Rules(**settings)
    live = _live(pairs, grades)
    judged = judge(live, links, rules)
    named = {*overrides["key"].to_list(), *overrides["other"].to_list()}
    pins = Pins.standing(overrides.iter_rows(named=True)).among(
        set(live.filter(pl.col("key").is_in(list(named)))["key"].to_list())
    )
    automatic = judged.filter(~pl.struct("a", "b").is_in(_twos(pins.by_pair, merge=True, keep=True)))
    edges = automatic.filter(pl.col("verdict") == "merge").select(
        "a", "b", "question_similarity", "answer_similarity"
    )  # fmt: skip
    involved = pl.concat([judged["a"], judged["b"], pl.Series("a", sorted(named), dtype=pl.String)]).unique()
    ranked = live.filter(pl.col("key").is_in(involved.to_list())).sort(
        "grade", "completeness", "key", descending=[False, True, False]
    )
    grouping = group(ranked["key"].to_list(), edges.iter_rows(), pins)
    settled = _pinned(judged, pins, grouping)
    decisions = pl.concat([_of_live(live, settled, grouping), _of_retracted(pairs)]).sort("key")
    conflicts = settled.filter(pl.col("verdict") == "conflict").select(CONFLICTS.names()).sort("a", "b")
    return Resolution(decisions, settled.select(VERDICTS.names()).sort("a", "b"), conflicts)


def _live(pairs: pl.DataFrame, grades: pl.DataFrame) -> pl.DataFrame:
    graded = grades.select("key", "grade", "completeness", "language").unique("key", keep="first", maintain_order=True)
    return (
        pairs.filter(pl.col("occurrences") > 0)
        .join(graded, on="key", how="left")
        .with_columns(
            pl.col("grade").fill_null("Z"), pl.col("completeness").fill_null(0.0), pl.col("language").fill_null("und"),
            pl.col("alternatives").cast(_ALTERNATIVES),
        )
    )  # fmt: skip


def _twos(by_pair: Mapping[Two, Pin], *, merge: bool, keep: bool) -> pl.Series:
    chosen = sorted(two for two, pin in by_pair.items() if (merge and pin.merge) or (keep and pin.keep))
    frame = pl.DataFrame(chosen, schema={"a": pl.String, "b": pl.String}, orient="row")
    return frame.to_struct("two").implode()


def _pinned(judged: pl.DataFrame, pins: Pins, grouping: Grouping) -> pl.DataFrame:
    """The verdicts after what people decided, with the column `settled` of conflicts."""
    before = {(row["a"], row["b"]): row for row in _rows_at(judged, pins)}
    rows = []
    for two, pin in sorted(pins.by_pair.items()):
        row = before.get(two)
        verdict, reason = None if row is None else row["verdict"], None if row is None else row["reason"]
        if pin.merge:
            verdict, reason = (
                ("variant", "merge_override_blocked") if two in grouping.blocked else ("merge", "merged_override")
            )
        elif pin.conflict:
            verdict, reason = "conflict", reason if verdict == "conflict" else "conflict_override"
        elif pin.keep and verdict in ("merge", "review"):
            verdict, reason = "variant", "kept_override"
        if verdict is None:
            continue
        seen = orjson.loads(row["evidence"]) if row is not None else {}
        evidence = orjson.dumps(seen | {"override": pin.id}).decode("utf-8")
        kind = None
        if verdict == "conflict":
            kind = (row and row["kind"]) or "stated"  # a person says so; no rule found what differs
        figures = (row["question_similarity"], row["answer_similarity"]) if row is not None else (None, None)
        rows.append((*two, verdict, reason, evidence, *figures, kind, pin.settled if verdict == "conflict" else None))
    schema = judged.schema | {"settled": pl.String()}
    changed = pl.DataFrame(rows, schema=schema, orient="row")
    untouched = judged.with_columns(settled=pl.lit(None, dtype=pl.String)).join(changed, on=["a", "b"], how="anti")
    return pl.concat([untouched, changed])


def _rows_at(judged: pl.DataFrame, pins: Pins) -> Iterable[dict[str, Any]]:
    frame = pl.DataFrame(list(pins.by_pair), schema={"a": pl.String, "b": pl.String}, orient="row")
    return judged.join(frame, on=["a", "b"], how="semi").iter_rows(named=True)


def _of_live(live: pl.DataFrame, verdicts: pl.DataFrame, grouping: Grouping) -> pl.DataFrame:
    merged = _merged(verdicts, grouping)
    review = _in_review(verdicts, grouping)
    best = merged.group_by(key="survivor").agg(n=pl.len())
    touched = _touched(verdicts)
    kept = (
        live.select("key").join(merged, on="key", how="anti").join(review, on="key", how="anti")
        .join(best, on="key", how="left").join(touched, on="key", how="left")
        .select(
            "key", status=pl.lit("kept"), survivor="key",
            reason=pl.when(pl.col("n").is_not_null()).then(pl.lit("best_of_group")).otherwise(pl.col("touched").fill_null("no_link")),
            evidence=pl.when(pl.col("n").is_not_null()).then(_joined('{"merged":', pl.col("n").cast(pl.String), "}")),
        )
    )  # fmt: skip
    return pl.concat([kept, merged.select(DECISIONS.names()), review.select(DECISIONS.names())])


def _joined(*parts: str | pl.Expr) -> pl.Expr:
    return pl.concat_str([pl.lit(part) if isinstance(part, str) else part for part in parts])


def _merged(verdicts: pl.DataFrame, grouping: Grouping) -> pl.DataFrame:
    direct = verdicts.filter(pl.col("verdict") == "merge")
    both = pl.concat([direct.select(key="a", survivor="b", reason="reason", evidence="evidence"),
                      direct.select(key="b", survivor="a", reason="reason", evidence="evidence")])  # fmt: skip
    joined = pl.DataFrame(
        [(key, other, grouping.through.get(key)) for key, other in grouping.joined.items()],
        schema={"key": pl.String, "survivor": pl.String, "through": pl.String}, orient="row",
    )  # fmt: skip
    return joined.join(both, on=["key", "survivor"], how="left").select(
        "key", status=pl.lit("merged"), survivor="survivor",
        reason=pl.when(pl.col("through").is_not_null()).then(pl.lit("merged_override")).otherwise("reason"),
        evidence=pl.coalesce("evidence", _joined('{"through":"', pl.col("through"), '"}')),
    )  # fmt: skip


def _in_review(verdicts: pl.DataFrame, grouping: Grouping) -> pl.DataFrame:
    """Pairs with an open review against a better one that stays; the most alike of those is named."""
    ranks = pl.DataFrame(
        {"key": list(grouping.rank), "rank": list(grouping.rank.values())}, schema={"key": pl.String, "rank": pl.Int64}
    )
    gone = pl.DataFrame({"key": list(grouping.joined)}, schema={"key": pl.String})
    return (
        verdicts.filter(pl.col("verdict") == "review")
        .join(ranks.rename({"key": "a", "rank": "rank_a"}), on="a")
        .join(ranks.rename({"key": "b", "rank": "rank_b"}), on="b")
        .with_columns(
            key=pl.when(pl.col("rank_a") > pl.col("rank_b")).then("a").otherwise("b"),
            better=pl.when(pl.col("rank_a") > pl.col("rank_b")).then("b").otherwise("a"),
        )
        .join(gone, on="key", how="anti").join(gone.rename({"key": "better"}), on="better", how="anti")
        .sort(
            "key", "question_similarity", "answer_similarity", "better",
            descending=[False, True, True, False], nulls_last=True,
        )
        .unique("key", keep="first", maintain_order=True)
        .select(
            "key", status=pl.lit("review"), survivor="key", reason="reason",
            evidence=_joined('{"with":"', pl.col("better"), '",', pl.col("evidence").str.slice(1)),
        )
    )  # fmt: skip


def _touched(verdicts: pl.DataFrame) -> pl.DataFrame:
    """For each key in a verdict the weightiest reason that it gives a pair which stays."""
    weight = pl.lit(len(_TOUCHED))
    for number, (_, condition) in reversed(list(enumerate(_TOUCHED))):
        weight = pl.when(condition).then(number).otherwise(weight)
    both = pl.concat([verdicts.select(key="a", weight=weight), verdicts.select(key="b", weight=weight)])
    names = {number: name for number, (name, _) in enumerate(_TOUCHED)}
    return both.group_by("key").agg(pl.col("weight").min()).select(
        "key", touched=pl.col("weight").replace_strict(names, default=None, return_dtype=pl.String)
    )  # fmt: skip


def _of_retracted(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.filter(pl.col("occurrences") <= 0).select(
        "key", status=pl.lit("retracted"), survivor="key", reason=pl.lit("all_occurrences_retracted"),
        evidence=pl.lit(None, dtype=pl.String),
    )  # fmt: skip
