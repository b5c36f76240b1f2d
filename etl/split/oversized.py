"""Split groups that have grown too large to balance, with the links that made them."""

from __future__ import annotations

import polars as pl

from etl.split.graph import EDGES
from etl.store import Store

SHARE = 0.05
ROWS = 500
FLOOR = 10  # in a corpus of 40 pairs, two that belong together are 5% and no news


def oversized(store: Store, *, share: float = SHARE, rows: int = ROWS) -> pl.DataFrame:
    """The groups of more than `rows` rows or more than `share` of all, the largest first.

    One row a group and kind of link (merge, conflict, variant, review, survivor, context), the most frequent kind
    first: frame(group_id, rows, share, kind, links, hub, hub_links). `hub` is the key on which most of these links
    end: the text to look at first. `links_of` gives all of them.
    """
    sizes = store.query(
        """
        SELECT group_id, count(*) AS rows, round(count(*) / sum(count(*)) OVER (), 4) AS share
        FROM splits GROUP BY group_id
        """
    )
    total = int(sizes["rows"].sum())
    large = sizes.filter((pl.col("rows") > rows) | (pl.col("rows") > max(share * total, FLOOR)))
    if large.is_empty():
        return _shape(large.with_columns(kind=pl.lit(""), links=0, hub=pl.lit(""), hub_links=0))
    links = store.query(f"SELECT group_id, t.* FROM ({EDGES}) t JOIN splits s ON s.key = t.a", ())
    links = links.join(large, on="group_id", how="semi")
    ends = pl.concat([links.select("group_id", "kind", key=end) for end in ("a", "b")])
    hubs = (
        ends.group_by("group_id", "kind", "key")
        .agg(hub_links=pl.len())
        .sort("hub_links", "key", descending=[True, False])
        .group_by("group_id", "kind", maintain_order=True)
        .agg(hub=pl.col("key").first(), hub_links=pl.col("hub_links").first())
    )
    counts = links.group_by("group_id", "kind").agg(links=pl.len())
    return _shape(large.join(counts, on="group_id").join(hubs, on=["group_id", "kind"]))


def links_of(store: Store, group_id: str) -> pl.DataFrame:
    """Every link inside one split group: frame(a, b, kind, reason), in the order of keys."""
    return store.query(
        f"""
        SELECT t.* FROM ({EDGES}) t JOIN splits s ON s.key = t.a
        WHERE s.group_id = ? ORDER BY a, b, kind, reason
        """,
        [group_id],
    )


def _shape(frame: pl.DataFrame) -> pl.DataFrame:
    columns = {"rows": pl.Int64, "links": pl.Int64, "hub_links": pl.Int64}
    ordered = frame.select("group_id", "rows", "share", "kind", "links", "hub", "hub_links").cast(columns)  # type: ignore[arg-type]  # a plain dict of dtypes is what cast takes
    return ordered.sort(["rows", "group_id", "links", "kind"], descending=[True, False, True, False])
