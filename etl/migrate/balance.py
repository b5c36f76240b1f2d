"""A store that has read an old project in; what each file held and what became of it out, to the last record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from etl.store import Store

_SOURCES = """
    SELECT d.delivery, s.path, d.state, d.reason, d.evidence, d.records, d.candidates, d.new, d.duplicates, d.rejects,
           d.path AS first_path
    FROM wanted s LEFT JOIN sightings g ON g.path = s.path LEFT JOIN deliveries d ON d.delivery = g.delivery
    ORDER BY s.path
"""
_TABLES = """
    SELECT name, count(DISTINCT record) FILTER (WHERE taken) AS taken,
           count(DISTINCT record) FILTER (WHERE NOT taken) AS rejected
    FROM (
        SELECT split_part(position, '/', 1) AS name, split_part(position, '#', 1) AS record, true AS taken
        FROM occurrences WHERE delivery = $1
        UNION ALL
        SELECT split_part(position, '/', 1), split_part(position, '#', 1), false FROM rejects WHERE delivery = $1
    ) GROUP BY 1 ORDER BY 1
"""
_ALIKE = """
    SELECT d.path, count(DISTINCT o.key) AS pairs
    FROM occurrences o JOIN (SELECT DISTINCT key FROM occurrences WHERE delivery = $1) mine USING (key)
    JOIN deliveries d ON d.delivery = o.delivery
    WHERE o.delivery <> $1 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5
"""


def balance(
    store: Store, paths: Sequence[str], *, base: str | None = None, rows: dict[str, int] | None = None
) -> dict[str, Any]:
    """One row a file of `paths` (as they stand in the store), the tables of the base, totals, and whether it adds up.

    `rows` are the rows of the tables of `base` as they were counted in the base itself. Of each table: there, taken,
    rejected, and the rest, which is none where the table holds pairs, and all where it does not.
    """
    wanted = pl.DataFrame({"path": sorted(paths)}, schema={"path": pl.String})
    sources = [_source(store, row) for row in store.query(_SOURCES, wanted=wanted).to_dicts()]
    tables = []
    mine = next((row for row in sources if row["path"] == base), None)
    if mine is not None and mine["delivery"] is not None:
        found = {name: (taken, rejected) for name, taken, rejected in store.query(_TABLES, [mine["delivery"]]).rows()}
        for name, there in sorted((rows or {}).items()):
            taken, rejected = found.get(name, (0, 0))
            holds = name in found
            why = None if holds else "no questions and answers; what its rows say of pairs was joined to them"
            tables.append({"table": name, "there": there, "taken": taken, "rejected": rejected,
                           "missing": there - taken - rejected if holds else 0, "why": why})  # fmt: skip
    counted = [row for row in sources if row["first_path"] == row["path"]]  # copies of one content count once
    totals = {name: sum(row[name] or 0 for row in counted) for name in ("records", "new", "duplicates", "rejects")}
    totals["files"] = len(sources)
    totals["not_read"] = sum(row["state"] not in ("accepted", "retracted") for row in sources)
    return {"sources": sources, "tables": tables, "totals": totals, "adds_up": {
        "pairs found = new + duplicates": sum(row["candidates"] or 0 for row in counted)
        == totals["new"] + totals["duplicates"],
        "rows of the base = taken + rejected": all(row["missing"] == 0 for row in tables),
        "every file has a state": all(row["state"] is not None for row in sources),
    }}  # fmt: skip


def _source(store: Store, row: dict[str, Any]) -> dict[str, Any]:
    if row["state"] is None:
        return row | {"why": {}, "duplicates_of": {}, "twice": 0}
    reasons = store.query("SELECT reason, count(*) AS n FROM rejects WHERE delivery = ? GROUP BY 1 ORDER BY 2 DESC, 1",
                          [row["delivery"]])  # fmt: skip
    distinct = store.value("SELECT count(DISTINCT key) FROM occurrences WHERE delivery = ?", [row["delivery"]])
    alike = store.query(_ALIKE, [row["delivery"]]) if row["duplicates"] else None
    return row | {
        "why": dict(reasons.iter_rows()),
        "duplicates_of": {} if alike is None else dict(alike.iter_rows()),
        "twice": row["candidates"] - distinct,
    }
