"""A key in; every pair that it is alike to out: how alike by which method, what was made of it, where the other is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl.explain.explanation import Row, plain
from etl.explain.words import said, told_same
from etl.overrides import find_key
from etl.resolve.pins import pair_of, stacks
from etl.store import Store

_LINKS = """
    WITH touching AS (
        SELECT *, CASE WHEN a = $1 THEN b ELSE a END AS other FROM links WHERE a = $1 OR b = $1
    ), others AS (
        SELECT other FROM touching
        UNION SELECT b FROM verdicts WHERE a = $1
        UNION SELECT a FROM verdicts WHERE b = $1
    ), alike AS (
        SELECT other,
               max(question_similarity) FILTER (method = 'cosine') AS question_cosine,
               max(answer_similarity) FILTER (method = 'cosine') AS answer_cosine,
               max(question_similarity) FILTER (method = 'lexical') AS question_lexical,
               max(answer_similarity) FILTER (method = 'lexical') AS answer_lexical,
               max(question_overlap) AS question_words, max(answer_overlap) AS answer_words,
               coalesce(bool_or(truncated), false) AS truncated
        FROM touching GROUP BY other
    )
    SELECT o.other, p.question, p.answer, d.status, d.survivor, g.grade, alike.* EXCLUDE (other),
           v.verdict, v.reason, v.evidence
    FROM others o
    LEFT JOIN alike USING (other)
    LEFT JOIN pairs p ON p.key = o.other
    LEFT JOIN decisions d ON d.key = o.other
    LEFT JOIN grades g ON g.key = o.other
    LEFT JOIN verdicts v ON v.a = least($1, o.other) AND v.b = greatest($1, o.other)
    ORDER BY greatest(question_cosine, question_lexical) DESC NULLS LAST, o.other
"""


def links(store: Store, key: str) -> Row:
    """All links of a pair, the most alike question first: {key, question, answer, status, links}.

    Each link has other, question, answer, status, survivor and grade of the other; question_cosine, answer_cosine,
    question_lexical, answer_lexical (None where that method found no link), question_words and answer_words (Jaccard);
    truncated; verdict, reason and veto (None where resolve made nothing of it); and the standing `override`, if any.
    """
    whole = find_key(store, key)
    own = store.query(
        "SELECT p.question, p.answer, d.status FROM pairs p LEFT JOIN decisions d USING (key) WHERE p.key = ?", [whole]
    ).row(0, named=True)
    standing = stacks(store.query("SELECT * FROM overrides").rows(named=True))
    found = []
    for row in map(plain, store.query(_LINKS, [whole]).to_dicts()):
        stack = standing.get(pair_of(whole, row["other"]))
        veto = (row["evidence"] or {}).get("veto")
        found.append(row | {"veto": veto, "override": plain(dict(stack[-1])) if stack else None})
    return {"key": whole, **own, "links": found}


def render_links(found: Mapping[str, Any]) -> str:
    """The links as plain text, three lines each."""
    count = len(found["links"])
    lines = [
        f"{found['key'][:10]}  {found['status'] or 'not decided yet'}  {_short(found['question'])}",
        f"{count:,} link{'' if count == 1 else 's'}" if count else "nothing like it was found",
    ]
    for row in found["links"]:
        state = row["status"] or "not decided yet"
        if state == "merged":
            state += f" into {row['survivor'][:10]}"
        lines += ["", f"{row['other'][:10]}  {state}  {_short(row['question'] or '')}", f"  {_figures(row)}"]
        lines.append(f"  {_verdict(row)}")
    return "\n".join(lines)


def _figures(row: Mapping[str, Any]) -> str:
    parts = [
        f"{name} question {row[f'question_{name}']:.4f}, answer {row[f'answer_{name}']:.4f}"
        for name in ("cosine", "lexical", "words")
        if row[f"question_{name}"] is not None
    ]
    return "; ".join(parts or ["no link: a person put them together"]) + (
        "; cut by the model" if row["truncated"] else ""
    )


def _verdict(row: Mapping[str, Any]) -> str:
    text = f"{row['verdict']}: {said(row['reason'])}" if row["verdict"] else "below every threshold: no verdict"
    if veto := row["veto"]:
        text += f" ({veto['in']}: {', '.join(veto['a']) or '-'} | {', '.join(veto['b']) or '-'})"
    text += told_same(row["evidence"])
    if row["override"]:
        text += f"; decision {row['override']['id']} ({row['override']['verdict']}) by {row['override']['who']} stands"
    return text


def _short(text: str, size: int = 100) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= size else flat[: size - 1] + "…"
