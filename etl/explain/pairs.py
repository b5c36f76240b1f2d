"""A key in; the pair with its provenance, flags, links, verdicts, decision and split out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from etl.explain.explanation import Explanation, Row, first, plain, rows
from etl.explain.words import said, told_same
from etl.keys import part_key
from etl.resolve.matter import matter
from etl.resolve.pins import stacks
from etl.store import Store
from etl.words import overlap, words

LEAST_OVERLAP = 0.3  # of words, below which a question is not taken to be the one that was meant
CANDIDATES = 5_000
_FIGURES = "method, question_similarity, answer_similarity, question_overlap, answer_overlap, truncated"


def keys_of_text(store: Store, text: str) -> list[str]:
    """Keys with this question, those in the dataset first; else the one whose question shares the most words."""
    exact = store.query(
        """SELECT p.key FROM pairs p LEFT JOIN decisions d USING (key)
           WHERE p.question_key = ? ORDER BY coalesce(d.status, 'z') NOT IN ('kept', 'review'), p.key""",
        [part_key(text)],
    )["key"].to_list()
    if exact:
        return exact
    rare = sorted(set(words(text)), key=lambda word: (-len(word), word))[:4]
    if not rare:
        return []
    likely = " OR ".join(f"contains(lower(question), ${n})" for n in range(1, len(rare) + 1))
    weight = " + ".join(f"contains(lower(question), ${n})::INTEGER" for n in range(1, len(rare) + 1))
    found = store.query(
        f"SELECT key, question FROM pairs WHERE {likely} ORDER BY {weight} DESC, key LIMIT {CANDIDATES}", rare
    )
    ranked = sorted((-overlap(text, question), key, question) for key, question in found.iter_rows())
    about = set(matter(text))  # "what is the ... of" alone says nothing
    fits = (
        key
        for similarity, key, question in ranked
        if -similarity >= LEAST_OVERLAP and (not about or about & set(matter(question)))
    )
    return list(islice(fits, 4))


def pair_of_keys(store: Store, what: str, keys: Sequence[str]) -> Explanation:
    """The explanation of the first key; the others fit as well and are named."""
    key, *also = keys
    one = [key]
    pair = rows(store, "SELECT * EXCLUDE (question_key, answer_key, context_key) FROM pairs WHERE key = ?", one)[0]
    decision = first(store, "SELECT status, survivor, reason, evidence FROM decisions WHERE key = ?", one)
    split = first(store, "SELECT split, group_id, frozen, withheld FROM splits WHERE key = ?", one)
    survivor = {}
    if decision and decision["survivor"] != key:
        survivor = first(
            store, "SELECT key, question, answer, context FROM pairs WHERE key = ?", [decision["survivor"]]
        )
    return Explanation(
        what, "pair", summary_of(decision, split, survivor), key, pair, decision, survivor,
        occurrences=rows(
            store,
            """SELECT o.* EXCLUDE (key), d.path, d.sender, d.state,
                      d.format->>'$.details.mapping_id' AS mapping_id, d.format->>'$.details.mapping_by' AS mapping_by
               FROM occurrences o LEFT JOIN deliveries d USING (delivery)
               WHERE o.key = ? ORDER BY d.path, o.position""",
            one,
        ),
        flags=rows(store, "SELECT flag, scope, evidence FROM flags WHERE key = ? ORDER BY scope DESC, flag", one),
        grade=first(store, "SELECT * EXCLUDE (key, recipe) FROM grades WHERE key = ?", one),
        links=_others(store, "links", _FIGURES, key, "question_similarity DESC, method"),
        verdicts=_others(store, "verdicts", "verdict, reason, evidence", key, "verdict"),
        conflicts=_others(store, "conflicts", "kind, evidence, settled", key, "kind"),
        overrides=_overrides(store, key), split=split, also=also,
    )  # fmt: skip


def _others(store: Store, table: str, columns: str, key: str, order: str) -> list[Row]:
    """Rows of a table over two pairs that touch this one, with the other's key and question."""
    return rows(
        store,
        f"""SELECT t.other, p.question, t.* EXCLUDE (other)
            FROM (SELECT b AS other, {columns} FROM {table} WHERE a = $1
                  UNION ALL SELECT a, {columns} FROM {table} WHERE b = $1) t
            LEFT JOIN pairs p ON p.key = t.other
            ORDER BY {order}, t.other""",
        [key],
    )


def _overrides(store: Store, key: str) -> list[Row]:
    rows = store.query("SELECT * FROM overrides ORDER BY id").to_dicts()
    standing = {row["id"] for stack in stacks(rows).values() for row in stack}
    mine = [row | {"stands": row["id"] in standing} for row in rows if key in (row["key"], row["other"])]
    return [plain(row) for row in mine]


def summary_of(decision: Row, split: Row, survivor: Row) -> str:
    """One line: the status and its reason in words."""
    if not decision:
        return "not decided yet: 'etl run' decides"
    status = decision["status"]
    text = f"{status}: {said(decision['reason'])}"
    if survivor:
        text += f"; it joined {survivor['key'][:10]}"
    text += told_same(decision.get("evidence"))
    if split.get("withheld"):
        return f"withheld: {said(split['withheld'])} ({text})"
    return text + (f"; split {split['split']}" if split else "")
