"""The store in figures: what came in, what became of it, and the sums that tie them."""

from __future__ import annotations

from typing import Any

from etl.store import Store

SPLITS = ("train", "validation", "test")

_ROWS = """
SELECT
    (SELECT count(*) FROM deliveries) AS deliveries,
    (SELECT count(*) FROM deliveries WHERE state = 'refused') AS refused,
    (SELECT count(*) FROM deliveries WHERE state = 'unmapped') AS unmapped,
    (SELECT count(*) FROM deliveries WHERE state = 'retracted') AS retracted_deliveries,
    (SELECT coalesce(sum(candidates), 0)::BIGINT FROM deliveries) AS candidates,
    (SELECT coalesce(sum(new), 0)::BIGINT FROM deliveries) AS new_at_delivery,
    (SELECT coalesce(sum(duplicates), 0)::BIGINT FROM deliveries) AS duplicates_at_delivery,
    (SELECT count(*) FROM occurrences) AS occurrences,
    (SELECT count(*) FROM rejects) AS rejected,
    (SELECT count(*) FROM pairs) AS pairs,
    (SELECT count(DISTINCT key) FROM flags) AS flagged,
    (SELECT count(*) FROM conflicts WHERE settled IS NULL) AS conflicts,
    (SELECT count(DISTINCT category) FROM pairs WHERE occurrences > 0) AS categories,
    (SELECT count(*) FROM releases) AS releases
"""

_STATUSES = """
SELECT CASE WHEN s.withheld IS NOT NULL AND d.status IN ('kept', 'review') THEN 'withheld'
            ELSE coalesce(d.status, 'undecided') END AS status,
       count(*) AS n
FROM pairs p
LEFT JOIN decisions d ON d.key = p.key
LEFT JOIN splits s ON s.key = p.key
GROUP BY 1
"""


def counts(store: Store, *, vectors_recipe: str | None = None) -> dict[str, Any]:
    """Figures of the whole store.

    `embedded` counts live pairs whose question and answer both have a vector (of `vectors_recipe`, or of any).
    `adds_up` names each sum and whether it holds; a False there is a bug or a damaged store.
    """
    figures: dict[str, Any] = store.query(_ROWS).row(0, named=True)
    statuses = dict.fromkeys(("kept", "review", "merged", "withheld", "retracted", "undecided"), 0)
    statuses |= dict(store.query(_STATUSES).iter_rows())
    figures |= statuses
    splits = dict.fromkeys(SPLITS, 0)
    splits |= dict(
        store.query("SELECT split, count(*) AS n FROM kept_pairs WHERE split IS NOT NULL GROUP BY split").iter_rows()
    )
    figures["splits"] = splits
    figures["embedded"] = _embedded(store, vectors_recipe)
    figures["adds_up"] = {
        "candidates = new + duplicates": figures["candidates"]
        == figures["new_at_delivery"] + figures["duplicates_at_delivery"],
        "candidates = occurrences": figures["candidates"] == figures["occurrences"],
        "pairs = kept + review + merged + withheld + retracted + undecided": figures["pairs"] == sum(statuses.values()),
        "kept + review = train + validation + test": store.last_seq("split")
        < store.last_seq("ingest", "delivery", "resolve")  # split is pending: its rows speak of an earlier state
        or figures["kept"] + figures["review"] == sum(splits.values()),
    }
    return figures


def _embedded(store: Store, recipe: str | None) -> int:
    """Live pairs with both vectors. Texts are hashed here as vectors are keyed, by exact bytes."""
    return store.value(
        """
        WITH have AS (SELECT DISTINCT text_key FROM vectors WHERE $recipe IS NULL OR recipe = $recipe)
        SELECT count(*) FROM pairs p
        SEMI JOIN have q ON q.text_key = substr(sha256(p.question), 1, 32)
        SEMI JOIN have a ON a.text_key = substr(sha256(p.answer), 1, 32)
        WHERE p.occurrences > 0
        """,
        {"recipe": recipe},
    )
