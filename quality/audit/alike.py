"""Verdicts, links and decisions in; how alike pairs of each verdict are, and the largest groups as matrices, out."""

from __future__ import annotations

from typing import Any

from etl import Store
from quality.audit.samples import shown

GROUPS, MEMBERS = 4, 12
MARKED = ("merge_cosine", "review_cosine", "merge_lexical", "review_lexical")
STEP = 0.02

_BARS = f"""
    WITH told AS (
        SELECT verdict, evidence, method FROM verdicts, (VALUES ('cosine'), ('lexical')) m(method)
        WHERE (evidence->('$.' || method)) IS NOT NULL
    ), weaker AS (
        SELECT verdict, method,
               least((evidence->>('$.' || method || '.question'))::DOUBLE,
                     (evidence->>('$.' || method || '.answer'))::DOUBLE) AS similarity
        FROM told
    )
    SELECT method, verdict, round(least(floor(similarity / {STEP} + 1e-9) * {STEP}, 1 - {STEP}), 2) AS low,
           count(*) AS links
    FROM weaker GROUP BY ALL ORDER BY method, verdict, low
"""
_LARGEST = """
    SELECT survivor, count(*) AS size FROM decisions WHERE status = 'merged'
    GROUP BY survivor ORDER BY size DESC, survivor LIMIT ?
"""
_MEMBERS = """
    SELECT d.key, p.question FROM decisions d JOIN pairs p USING (key)
    WHERE d.survivor = $1 AND (d.status = 'merged' OR d.key = $1)
    ORDER BY d.key <> $1, d.key LIMIT $2
"""
_AMONG = """
    SELECT l.a, l.b, max(least(l.question_similarity, l.answer_similarity)) AS similarity
    FROM links l SEMI JOIN members m ON m.key = l.a SEMI JOIN members n ON n.key = l.b
    GROUP BY l.a, l.b
"""


def similarities(store: Store) -> dict[str, Any]:
    """Bars (method, verdict, low, links) of the less alike side, a link of both methods in each; and the thresholds."""
    last = store.last_recipe("resolve")
    used = {} if last is None else {name: last[2][name] for name in MARKED if name in last[2]}
    return {"step": STEP, "bars": store.query(_BARS).to_dicts(), "thresholds": used}


def largest_groups(store: Store) -> list[dict[str, Any]]:
    """The largest merged groups: survivor first, at most 12 members; `matrix` rows (a, b, similarity), both ways.

    The similarity is that of the less alike side, by the method that finds it higher; None where no link was found.
    """
    found = []
    for survivor, size in store.query(_LARGEST, [GROUPS]).rows():
        members = store.query(_MEMBERS, [survivor, MEMBERS])
        alike = {frozenset((a, b)): s for a, b, s in store.query(_AMONG, members=members.select("key")).rows()}
        keys = members["key"].to_list()
        matrix = [
            {"a": i, "b": j, "similarity": 1.0 if i == j else alike.get(frozenset((one, other)))}
            for i, one in enumerate(keys)
            for j, other in enumerate(keys)
        ]
        texts = [shown(text, limit=2_000) for text in members["question"].to_list()]
        found.append({"survivor": survivor, "size": size + 1, "keys": keys, "questions": texts, "matrix": matrix})
    return found
