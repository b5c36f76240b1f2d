"""The store in, everything that report and status say about it out: plain numbers, lists and short texts.

Deterministic: ties are broken by name or key, no times, no paths outside what deliveries carry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from etl import Store
from etl.counts import counts
from quality.assess import RULES
from quality.audit.alike import largest_groups, similarities
from quality.audit.corpus import CORPUS_RULES
from quality.audit.samples import samples, shown

SPLITS = ("train", "validation", "test")
GRADES = ("A", "B", "C", "D", "F")
# words of an answer: the upper ends of the histogram's bars
WORD_BINS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

_LIVE = "(SELECT p.* FROM pairs p WHERE p.occurrences > 0)"


_LANGUAGES = f"""
    SELECT language, count(*) AS pairs FROM grades SEMI JOIN {_LIVE} USING (key)
    GROUP BY language ORDER BY pairs DESC, language
"""
_VERDICTS = """
    SELECT verdict, reason, count(*) AS links FROM verdicts GROUP BY ALL ORDER BY links DESC, verdict, reason
"""
_CONFLICT_KINDS = """
    SELECT kind, count(*) AS conflicts, count(settled) AS settled FROM conflicts
    GROUP BY kind ORDER BY conflicts DESC, kind
"""
_NOT_READ = """
    SELECT path, sender, bytes, state, reason, evidence FROM deliveries
    WHERE state IN ('refused', 'unmapped') ORDER BY path, delivery
"""
_REJECTS = """
    SELECT reason, count(*) AS records, count(DISTINCT delivery) AS files, min(evidence) AS example FROM rejects
    GROUP BY reason ORDER BY records DESC, reason
"""


def figures(store: Store, *, sample_size: int = 8) -> dict[str, Any]:
    """Figures of the whole store, one key a subject. `samples` shows masked and shortened texts."""
    return {
        "counts": _counts(store),
        "grades": _grades(store),
        "answer_words": _answer_words(store),
        "categories": _categories(store),
        "indicators": _indicators(store),
        "flags": _flags(store),
        "languages": _rows(store, _LANGUAGES),
        "completeness": _completeness(store),
        "senders": _senders(store),
        "overlaps": _overlaps(store),
        "links": _links(store),
        "similarities": similarities(store),
        "groups": largest_groups(store),
        "verdicts": _rows(store, _VERDICTS),
        "conflict_kinds": _rows(store, _CONFLICT_KINDS),
        "not_read": _shown_columns(_rows(store, _NOT_READ), "path", "evidence"),
        "rejects": _shown_columns(_rows(store, _REJECTS), "example"),
        "samples": samples(store, size=sample_size),
    }


def _shown_columns(rows: list[dict[str, Any]], *columns: str) -> list[dict[str, Any]]:
    """What strangers wrote, masked and cut to 300 characters."""
    return [row | {name: shown(row[name], limit=300) for name in columns} for row in rows]


def _rows(store: Store, sql: str) -> list[dict[str, Any]]:
    return store.query(sql).to_dicts()


def _counts(store: Store) -> dict[str, Any]:
    """`etl.counts.counts`, and the sums that only quality can tie."""
    found = counts(store)
    more = store.query(
        f"""
        SELECT (SELECT coalesce(sum(rejects), 0)::BIGINT FROM deliveries) AS rejects_told,
               (SELECT count(*) FROM {_LIVE}) AS live,
               (SELECT count(DISTINCT key) FROM grades SEMI JOIN {_LIVE} USING (key)) AS graded,
               (SELECT count(*) FROM grades SEMI JOIN {_LIVE} USING (key)) AS "grade rows",
               (SELECT count(*) FROM pairs WHERE occurrences > 0 AND len(sources) = 0) AS without_sources,
               (SELECT count(*) FROM conflicts WHERE settled IS NOT NULL) AS conflicts_settled
        """
    ).row(0, named=True)
    found |= more
    found["adds_up"] = dict(found["adds_up"]) | {
        "rejected = told by the deliveries": found["rejected"] == more["rejects_told"],
        "graded = grade rows": more["graded"] == more["grade rows"],
    }
    return found


def _grades(store: Store) -> dict[str, int]:
    found = dict(
        store.query(f"SELECT grade, count(*) FROM grades SEMI JOIN {_LIVE} USING (key) GROUP BY grade").iter_rows()
    )
    return {grade: int(found.get(grade, 0)) for grade in GRADES}


def _answer_words(store: Store) -> dict[str, Any]:
    """Histogram of the words of live answers: bars (from, to, pairs); and median and longest."""
    from quality.assess.prepare import words

    lengths = store.query(f"SELECT answer FROM {_LIVE}").select(words("answer").alias("words"))["words"]
    bars, low = [], 0
    for high in (*WORD_BINS, None):
        inside = lengths.filter((lengths > low if low else lengths >= 0) & (lengths <= high if high else True))
        bars.append({"from": low + 1 if low else 0, "to": high, "pairs": inside.len()})
        low = high or low
    longest = lengths.max()
    return {
        "bars": bars,
        "median": float(lengths.median() or 0),  # type: ignore[arg-type]  # typed for any column, these are numbers
        "longest": int(longest) if isinstance(longest, int) else 0,
    }


def _categories(store: Store) -> list[dict[str, Any]]:
    """Kept pairs a category and split, the largest first; no category is ''."""
    return _rows(
        store,
        """
        SELECT coalesce(category, '') AS category, count(*) AS pairs,
               count(*) FILTER (split = 'train') AS train, count(*) FILTER (split = 'validation') AS validation,
               count(*) FILTER (split = 'test') AS test, round(avg(score), 3) AS score
        FROM kept_pairs GROUP BY 1 ORDER BY pairs DESC, category
        """,
    )


def _indicators(store: Store) -> dict[str, Any]:
    rows = _rows(
        store,
        "SELECT indicator, count(*) AS pairs FROM kept_pairs WHERE indicator IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1",
    )
    without = store.value("SELECT count(*) FROM kept_pairs WHERE indicator IS NULL")
    return {
        "distinct": len(rows),
        "without": without,
        "largest": rows[:20],
        "smallest": sorted(rows, key=lambda row: (row["pairs"], row["indicator"]))[:20],
    }


def _flags(store: Store) -> list[dict[str, Any]]:
    """Every rule with its live pairs, most frequent first; rules that found nothing are listed too."""
    found = dict(
        store.query(
            f"SELECT flag, count(DISTINCT key) AS pairs FROM flags SEMI JOIN {_LIVE} USING (key) GROUP BY flag"
        ).iter_rows()
    )
    rows: list[dict[str, Any]] = [
        {"flag": r.flag, "scope": "pair", "weight": r.weight, "gate": r.gate, "means": r.means} for r in RULES
    ]
    rows += [{"flag": r.flag, "scope": "corpus", "weight": 0.0, "gate": False, "means": r.means} for r in CORPUS_RULES]
    told = {row["flag"] for row in rows}
    rows += [{"flag": f, "scope": "other", "weight": 0.0, "gate": False, "means": ""} for f in found if f not in told]
    return sorted(
        (row | {"pairs": int(found.get(row["flag"], 0))} for row in rows), key=lambda r: (-r["pairs"], r["flag"])
    )


def _completeness(store: Store) -> dict[str, int]:
    """How many live pairs carry each optional column."""
    row = store.query(
        f"""
        SELECT count(*) FILTER (len(sources) > 0) AS sources, count(category) AS category,
               count(indicator) AS indicator, count(context) AS context,
               count(*) FILTER (len(alternatives) > 0) AS alternatives, count(*) FILTER (len(licences) > 0) AS licences
        FROM {_LIVE}
        """
    ).row(0, named=True)
    return {name: int(value) for name, value in row.items()}


def _senders(store: Store) -> list[dict[str, Any]]:
    return _rows(
        store,
        """
        SELECT coalesce(sender, '') AS sender, count(*) AS files,
               count(*) FILTER (state = 'accepted') AS accepted, sum(records)::BIGINT AS records,
               sum(candidates)::BIGINT AS candidates, sum(new)::BIGINT AS new,
               sum(duplicates)::BIGINT AS duplicates, sum(rejects)::BIGINT AS rejects
        FROM deliveries GROUP BY 1 ORDER BY candidates DESC, sender
        """,
    )


def _overlaps(store: Store) -> list[dict[str, Any]]:
    """Pairs that two senders both delivered, by exact content."""
    return _rows(
        store,
        """
        WITH given AS (
            SELECT DISTINCT o.key, coalesce(d.sender, '') AS sender
            FROM occurrences o JOIN deliveries d USING (delivery)
        )
        SELECT a.sender AS one, b.sender AS other, count(*) AS pairs
        FROM given a JOIN given b ON a.key = b.key AND a.sender < b.sender
        GROUP BY ALL ORDER BY pairs DESC, one, other LIMIT 50
        """,
    )


def _links(store: Store) -> dict[str, Any]:
    """Links a method and bar of 0.05 of the question's similarity."""
    rows = store.query(
        """
        SELECT method, least(floor(question_similarity * 20 + 1e-9) / 20, 0.95) AS low, count(*) AS links
        FROM links GROUP BY ALL ORDER BY method, low
        """
    ).with_columns(pl.col("low").round(2))
    return {"total": store.value("SELECT count(*) FROM links"), "bars": rows.to_dicts()}


def as_json(found: Mapping[str, Any]) -> str:
    """The figures as JSON text, keys in order, one value a line."""
    return json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True, default=str, allow_nan=False) + "\n"
