"""The store in, a few telling rows of each kind out: merges, reviews, conflicts, duplicates and flags, as safe texts.

The merges shown are those whose answers are least alike, the reviews those whose questions are most alike: where a
wrong decision would show first. Secrets and personal data are masked, long texts cut, control characters removed.
"""

from __future__ import annotations

import json
import re
from typing import Any

from etl import Store
from quality.assess import masked

TEXT_CHARS = 700
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str | None, *, limit: int = TEXT_CHARS) -> str:
    """A text as a person may see it: masked, cut to `limit`, without control and direction-override characters."""
    if not text:
        return ""
    clean = masked(visible(text[: limit * 4]))
    return clean if len(clean) <= limit else clean[: limit - 2] + " …"


def visible(text: str) -> str:
    """A text in which nothing steers a terminal or a page: control and direction-override characters replaced."""
    return _UNSEEN.sub("\ufffd", text)


def samples(store: Store, *, size: int) -> dict[str, list[dict[str, Any]]]:
    """At most `size` rows of each kind, in a fixed order."""
    return {
        "merges": _pairs_of(store, _MERGES, size),
        "reviews": _pairs_of(store, _REVIEWS, size),
        "conflicts": _pairs_of(store, _CONFLICTS, size),
        "duplicates": _duplicates(store, size),
        "flags": _flagged(store),
        "overrides": _overrides(store, size),
    }


_BEST = """
    best AS (
        SELECT a, b, max(question_similarity) AS question_similarity,
               max_by(answer_similarity, (question_similarity, answer_similarity, method)) AS answer_similarity,
               max_by(method, (question_similarity, answer_similarity, method)) AS method
        FROM links GROUP BY a, b
    )
"""
_MERGES = f"""
    WITH {_BEST}
    SELECT d.survivor AS one, d.key AS other, d.reason, d.evidence, best.* EXCLUDE (a, b), NULL AS settled
    FROM decisions d
    LEFT JOIN best ON best.a = least(d.key, d.survivor) AND best.b = greatest(d.key, d.survivor)
    WHERE d.status = 'merged'
    ORDER BY answer_similarity NULLS LAST, one, other LIMIT ?
"""
_REVIEWS = f"""
    WITH {_BEST}
    SELECT v.a AS one, v.b AS other, v.reason, v.evidence, best.* EXCLUDE (a, b), NULL AS settled
    FROM verdicts v LEFT JOIN best USING (a, b)
    WHERE v.verdict = 'review'
    ORDER BY question_similarity DESC NULLS LAST, one, other LIMIT ?
"""
_CONFLICTS = f"""
    WITH {_BEST}
    SELECT c.a AS one, c.b AS other, c.kind AS reason, c.evidence, best.* EXCLUDE (a, b), c.settled
    FROM conflicts c LEFT JOIN best USING (a, b)
    ORDER BY c.settled IS NOT NULL, question_similarity DESC NULLS LAST, one, other LIMIT ?
"""


def _pairs_of(store: Store, sql: str, size: int) -> list[dict[str, Any]]:
    chosen = store.query(sql, [size])
    texts = {
        key: {"key": key, "question": shown(q), "answer": shown(a), "context": shown(c, limit=200)}
        for key, q, a, c in store.query(
            "SELECT key, question, answer, context FROM pairs WHERE key IN (SELECT unnest([one, other]) FROM chosen)",
            chosen=chosen,
        ).iter_rows()
    }
    return [
        {
            "one": texts.get(row["one"], {"key": row["one"]}),
            "other": texts.get(row["other"], {"key": row["other"]}),
            "reason": row["reason"],
            "evidence": _said(row["evidence"]),
            "method": row["method"],
            "question_similarity": row["question_similarity"],
            "answer_similarity": row["answer_similarity"],
            "settled": row["settled"],
        }
        for row in chosen.iter_rows(named=True)
    ]


def _duplicates(store: Store, size: int) -> list[dict[str, Any]]:
    """The pairs that were delivered most often, with how many senders brought them."""
    rows = store.query(
        """
        SELECT p.key, p.question, p.occurrences, count(DISTINCT coalesce(d.sender, '')) AS senders,
               count(DISTINCT o.delivery) AS files
        FROM pairs p JOIN occurrences o USING (key) JOIN deliveries d USING (delivery)
        WHERE p.occurrences > 1
        GROUP BY ALL ORDER BY p.occurrences DESC, senders DESC, p.key LIMIT ?
        """,
        [size],
    )
    return [row | {"question": shown(row["question"], limit=240)} for row in rows.to_dicts()]


def _flagged(store: Store) -> list[dict[str, Any]]:
    """Up to three pairs a flag, those with the lowest score first; what 'no source' means needs no sample."""
    rows = store.query(
        """
        SELECT f.flag, f.evidence, p.key, p.question, p.answer, g.grade, g.score
        FROM flags f JOIN pairs p USING (key) LEFT JOIN grades g USING (key)
        WHERE p.occurrences > 0 AND f.flag <> 'missing_sources'
        QUALIFY row_number() OVER (PARTITION BY f.flag ORDER BY g.score NULLS LAST, p.key) <= 3
        ORDER BY f.flag, g.score NULLS LAST, p.key
        """
    )
    cut = {"question": 240, "answer": 300, "evidence": 200}
    return [row | {name: shown(row[name], limit=limit) for name, limit in cut.items()} for row in rows.to_dicts()]


def _overrides(store: Store, size: int) -> list[dict[str, Any]]:
    rows = store.query(
        "SELECT id, key, other, verdict, who, coalesce(note, '') AS note FROM overrides ORDER BY id DESC LIMIT ?",
        [size],
    )
    return [
        row | {"note": shown(row["note"], limit=200), "who": shown(row["who"], limit=60)} for row in rows.to_dicts()
    ]


def _said(evidence: str | None) -> str:
    """Evidence stored as JSON, in one readable line."""
    if not evidence:
        return ""
    try:
        found = json.loads(evidence)
    except ValueError:
        return shown(evidence, limit=300)
    if isinstance(found, dict):
        parts = [f"{name}: {_plain(value)}" for name, value in sorted(found.items())]
        return shown("; ".join(parts), limit=300)
    return shown(_plain(found), limit=300)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
