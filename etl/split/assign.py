"""The pure heart of the split: members, ties, categories and what is frozen in; one split a row out."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import polars as pl

from etl.errors import SettingsError
from etl.split.graph import groups

SPLITS = ("train", "validation", "test")
RATIOS = (0.8, 0.1, 0.1)
BRIDGES = "bridges_splits"

_PRECEDENCE = {"test": 0, "validation": 1, "train": 2}  # a text once tested on must never be trained on
_NO_CATEGORY = ""


def assign(
    members: pl.DataFrame,
    edges: pl.DataFrame,
    categories: pl.DataFrame,
    frozen: pl.DataFrame,
    *,
    ratios: Sequence[float] = RATIOS,
    seed: int = 0,
) -> pl.DataFrame:
    """Give every member a split so that no connected component lies across two, and no frozen row moves.

    members(key, counted): the rows; `counted` are those that a release may hold, the others follow their group.
    edges(a, b): what must stay together. categories(key, category): null and missing are one stratum of their own.
    frozen(key, split): where rows stood when they first left.

    Returns frame(key, split, group_id, withheld), sorted by key; it does not depend on the order of any input. A
    component with frozen rows takes test before validation before train; its rows frozen elsewhere keep their split
    and are withheld as `bridges_splits`.
    """
    check_ratios(ratios)
    rows = (
        groups(members["key"], edges)
        .join(members.select("key", "counted"), on="key")
        .join(categories.select("key", "category"), on="key", how="left")
        .join(frozen.select("key", pl.col("split").alias("fixed")), on="key", how="left")
        .with_columns(pl.col("category").fill_null(_NO_CATEGORY))
    )
    rank = pl.col("fixed").replace_strict(_PRECEDENCE, default=None, return_dtype=pl.Int8)
    back = {rank: split for split, rank in _PRECEDENCE.items()}
    rows = rows.with_columns(
        held=rank.min().over("group_id").replace_strict(back, default=None, return_dtype=pl.String)
    ).with_columns(bridging=(pl.col("fixed") != pl.col("held")).fill_null(False))
    chosen = _fill(rows, ratios, seed)
    return (
        rows.join(chosen, on="group_id", how="left")
        .select(
            "key",
            split=pl.coalesce("fixed", "held", "chosen"),
            group_id="group_id",
            withheld=pl.when("bridging").then(pl.lit(BRIDGES)),
        )
        .sort("key")
    )


def check_ratios(ratios: Sequence[float]) -> None:
    """Raise `SettingsError` unless there are three shares, none negative, that make up the whole."""
    if len(ratios) != 3 or min(ratios) < 0 or abs(sum(ratios) - 1) > 1e-6:
        raise SettingsError(f"split ratios {tuple(ratios)}: give three for train, validation, test that add up to 1")


def _fill(rows: pl.DataFrame, ratios: Sequence[float], seed: int) -> pl.DataFrame:
    """frame(group_id, chosen) for the groups in which nothing is frozen."""
    counted = rows.filter("counted", ~pl.col("bridging"))
    shelf = _Shelf(ratios, counted)
    order = _order(rows.filter(pl.col("held").is_null()), seed)
    chosen = [shelf.place(parts) for parts in order["parts"].to_list()]
    return pl.DataFrame(
        {"group_id": order["group_id"], "chosen": chosen}, schema={"group_id": pl.String, "chosen": pl.String}
    )


def _order(new: pl.DataFrame, seed: int) -> pl.DataFrame:
    """frame(group_id, parts) of new groups in the order of placing; parts = [{category, rows}], the largest first.

    Large groups go first, while there is room for them: by powers of two, so that within a size (and a category, to
    settle its rounding at once) the order is that of a hash and says nothing about the content.
    """
    parts = (
        new.group_by("group_id", "category")
        .agg(rows=pl.col("counted").sum().cast(pl.Int64))
        .sort("group_id", pl.lit(0) - pl.col("rows"), "category")
        .group_by("group_id", maintain_order=True)
        .agg(
            parts=pl.struct("category", "rows"),
            category=pl.col("category").first(),
            size=pl.col("rows").sum().clip(1).log(2).floor(),
        )
    )
    hashes = [hashlib.sha256(f"{seed}:{group}".encode()).digest()[:8] for group in parts["group_id"].to_list()]
    return (
        parts.with_columns(hash=pl.Series(hashes, dtype=pl.Binary))
        .sort(["size", "category", "hash", "group_id"], descending=[True, False, False, False])
        .select("group_id", "parts")
    )


class _Shelf:
    """How full each split is, in each category and over all; puts one group after another where it is missed most."""

    def __init__(self, ratios: Sequence[float], counted: pl.DataFrame) -> None:
        self._ratios = {split: ratio for split, ratio in zip(SPLITS, ratios, strict=True) if ratio > 0}
        self._total: dict[str, int] = dict(counted.group_by("category").len().iter_rows())
        self._rows = counted.height
        self._filled: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(SPLITS, 0))
        self._all = dict.fromkeys(SPLITS, 0)
        held = counted.drop_nulls("held").group_by("category", "held").len()
        for category, split, number in held.iter_rows():
            self._add(category, split, number)

    def place(self, parts: Sequence[dict[str, int | str]]) -> str:
        """Take in one group.

        Among the splits with room for it in its category and over all, the one that is furthest behind its share of
        what has been placed so far; where none has room, the one with the most, among those that the group does not
        overfill as a whole. `behind over all` makes up for what rounding takes from small categories: without it,
        every category of one row would go to train.
        """
        category, rows = str(parts[0]["category"]), int(parts[0]["rows"])
        size = sum(int(part["rows"]) for part in parts)
        filled = self._filled[category]
        total, placed, everywhere = self._total.get(category, 0), sum(filled.values()), sum(self._all.values())
        room = {s: ratio * total - filled[s] for s, ratio in self._ratios.items()}
        free = {s: ratio * self._rows - self._all[s] for s, ratio in self._ratios.items()}
        overall = {s: ratio * (everywhere + size) - self._all[s] for s, ratio in self._ratios.items()}
        within = [s for s in room if free[s] >= size]
        fits = [s for s in within if room[s] >= rows]
        if fits:
            split = max(fits, key=lambda s: self._ratios[s] * (placed + rows) - filled[s] + overall[s])
        elif within:
            split = max(within, key=lambda s: room[s] + overall[s])
        else:
            split = max(free, key=lambda s: free[s])
        for part in parts:
            self._add(str(part["category"]), split, int(part["rows"]))
        return split

    def _add(self, category: str, split: str, rows: int) -> None:
        self._filled[category][split] += rows
        self._all[split] += rows
