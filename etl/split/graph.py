"""Edges in, connected components out; and the SQL that names every edge of the split graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

Labels = npt.NDArray[np.int64]

# Every tie that must not run across two splits. A shared context is a star around the smallest key that has it,
# so n pairs of one context cost n - 1 edges. Retracted pairs have no split, hence no ties.
EDGES = """
    WITH members AS (SELECT key, survivor FROM decisions WHERE status <> 'retracted'),
    ties AS (
        SELECT a, b, verdict AS kind, reason FROM verdicts
        UNION ALL
        SELECT key, survivor, 'survivor', 'merged_into' FROM members WHERE survivor <> key
        UNION ALL
        SELECT key, min(key) OVER (PARTITION BY p.context_key), 'context', p.context_key
        FROM pairs p SEMI JOIN members USING (key)
        WHERE p.context_key IS NOT NULL
    )
    SELECT a, b, kind, reason FROM ties
    WHERE a <> b AND a IN (SELECT key FROM members) AND b IN (SELECT key FROM members)
    ORDER BY a, b, kind, reason
"""


def components(nodes: int, a: Labels, b: Labels) -> Labels:
    """The smallest node of each node's connected component, for `nodes` nodes and edges a[i]-b[i].

    Hooks every root onto the smallest root beside it, then halves the paths until they are flat. Each round at
    least halves the roots that still have a neighbour, so there are at most log2(nodes) rounds; 1,000,000 nodes and
    2,000,000 random edges take about a second.
    """
    root = np.arange(nodes, dtype=np.int64)
    a, b = np.asarray(a, dtype=np.int64), np.asarray(b, dtype=np.int64)
    while a.size:
        a, b = root[a], root[b]
        apart = a != b
        a, b = a[apart], b[apart]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while True:
            above = root[root]
            if np.array_equal(above, root):
                break
            root = above
    return root


def groups(keys: pl.Series, edges: pl.DataFrame) -> pl.DataFrame:
    """frame(key, group_id): the smallest key of each key's component. Edges (a, b) to unknown keys are ignored."""
    nodes = pl.DataFrame({"key": keys}).unique().sort("key").with_row_index("node")
    ends = (
        edges.select("a", "b")
        .join(nodes.select(pl.col("key").alias("a"), pl.col("node").alias("from")), on="a")
        .join(nodes.select(pl.col("key").alias("b"), pl.col("node").alias("to")), on="b")
    )
    label = components(nodes.height, ends["from"].to_numpy(), ends["to"].to_numpy())
    return nodes.select("key", group_id=pl.col("key").gather(pl.Series(label)))
