"""A workspace in which `etl link` has run in, candidates to be read and labelled by hand out: JSON Lines, no labels.

    etl --workspace W ingest FILES && etl --workspace W assess && etl --workspace W embed && etl --workspace W link
    python benchmarks/draw_pairs.py W --count 420 > candidates.jsonl

tests/held_out_pairs.jsonl was drawn so; tests/labelled_pairs.md names the files and says how they were labelled.
Candidates are pairs that a finder linked, from every collection (the first folder of a source), language and cell of
likeness in turn, in the order of a hash of their keys, so that nothing but the store and `--seed` decides. Cells are
drawn from by `SHARES`: most from where merging is in doubt. Each text is used once, and no text of the pairs labelled
before (`--without`) is used at all. Nothing here looks at what `resolve` would decide.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from etl.keys import part_key, text_key
from etl.store import Store

LONGEST_QUESTION, LONGEST_ANSWER = 300, 450  # so that a reader sees all of both sides
# How many in a hundred from each cell: how alike the questions are (cosine, or by words, whichever is more), then the
# answers. An answer that is equal to the letter is a cell of its own.
QUESTIONS = {"q.75": (0.75, 0.85), "q.85": (0.85, 0.9), "q.9": (0.9, 0.95), "q.95": (0.95, 0.9999), "q1": (0.9999, 9.9)}
ANSWERS = {"a0": (-9.9, 0.75), "a.75": (0.75, 0.9), "a.9": (0.9, 0.9999), "a1": (0.9999, 9.9)}
SHARES = {
    ("q.75", "a0"): 2, ("q.75", "a.75"): 2, ("q.75", "a.9"): 3, ("q.75", "a1"): 6,
    ("q.85", "a0"): 2, ("q.85", "a.75"): 3, ("q.85", "a.9"): 5, ("q.85", "a1"): 9,
    ("q.9", "a0"): 2, ("q.9", "a.75"): 4, ("q.9", "a.9"): 9, ("q.9", "a1"): 12,
    ("q.95", "a0"): 2, ("q.95", "a.75"): 5, ("q.95", "a.9"): 12, ("q.95", "a1"): 12,
    ("q1", "a0"): 2, ("q1", "a.75"): 4, ("q1", "a.9"): 4,
}  # fmt: skip
MOST = 0.2  # of all from one collection in one language
LINKED = f"""
    SELECT l.a, l.b, max(l.question_similarity) AS q, max(l.answer_similarity) AS s, max(ga.language) AS language
    FROM links l
    JOIN pairs pa ON pa.key = l.a JOIN pairs pb ON pb.key = l.b
    JOIN grades ga ON ga.key = l.a JOIN grades gb ON gb.key = l.b
    WHERE length(pa.question) < {LONGEST_QUESTION} AND length(pb.question) < {LONGEST_QUESTION}
      AND length(pa.answer) <= {LONGEST_ANSWER} AND length(pb.answer) <= {LONGEST_ANSWER}
      AND (pa.question_key <> pb.question_key OR pa.answer_key <> pb.answer_key)
    GROUP BY l.a, l.b
"""
TEXTS = """
    SELECT p.key, p.question, p.answer, p.context, p.alternatives, p.licences, g.language,
           min(d.path || ' ' || o.position) AS source
    FROM pairs p JOIN grades g USING (key) JOIN occurrences o USING (key) JOIN deliveries d USING (delivery)
    WHERE p.key IN (SELECT a FROM drawn UNION SELECT b FROM drawn) GROUP BY ALL
"""
ORIGIN = "SELECT o.key, min(d.path) AS path FROM occurrences o JOIN deliveries d USING (delivery) GROUP BY o.key"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--root", default="", help="what to leave out at the start of each path")
    parser.add_argument("--count", type=int, default=420)
    parser.add_argument("--seed", default="held out")
    parser.add_argument("--without", type=Path, default=Path(__file__).parents[1] / "tests" / "labelled_pairs.jsonl")
    options = parser.parse_args()
    labelled = [json.loads(line) for line in options.without.open(encoding="utf-8")]
    known = {part_key(row[s]["question"]) for row in labelled for s in "ab"}
    with Store.open(options.workspace) as store:
        rows = drawn(store, options.root, options.count, options.seed, known)
        for row in described(store, rows, options.root):
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


def drawn(store: Store, root: str, count: int, seed: str, known: set[str]) -> list[dict[str, Any]]:
    """The chosen links with their cells."""
    path = dict(store.query(ORIGIN).iter_rows())
    question = dict(store.query("SELECT key, question_key FROM pairs").iter_rows())
    cells: dict[tuple[str, str], dict[tuple[str, str], list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for link in store.query(LINKED).iter_rows(named=True):
        cell = _band(QUESTIONS, link["q"]), _band(ANSWERS, link["s"])
        if cell in SHARES and path[link["a"]] and not known & {question[link["a"]], question[link["b"]]}:
            folder = path[link["a"]].removeprefix(root).lstrip("/").split("/")[0]
            stratum = folder, link["language"]
            cells[cell][stratum].append(link | {"band": "".join(cell), "from": stratum})
    used: set[str] = set()
    of: Counter[tuple[str, str]] = Counter()
    chosen = []
    for cell, share in SHARES.items():
        strata = [sorted(found, key=lambda link: _hash(seed, link)) for _, found in sorted(cells[cell].items())]
        taken = 0
        for link in _in_turn(strata):
            if taken == round(share * count / 100):
                break
            texts = {question[link["a"]], question[link["b"]]}
            if not used & texts and of[link["from"]] < MOST * count:
                used |= texts
                of[link["from"]] += 1
                chosen.append(link)
                taken += 1
    return sorted(chosen, key=lambda link: _hash(seed, link))


def described(store: Store, links: list[dict[str, Any]], root: str) -> Iterator[dict[str, Any]]:
    """Each link as a row to be labelled."""
    frame = pl.DataFrame([(link["a"], link["b"]) for link in links], schema=["a", "b"], orient="row")
    texts = {row["key"]: row for row in store.query(TEXTS, drawn=frame).iter_rows(named=True)}
    vectors = _vectors(store, texts.values())
    for n, link in enumerate(links, start=1):
        a, b = texts[link["a"]], texts[link["b"]]
        cosines = [round(float(vectors[a[part]] @ vectors[b[part]]), 4) for part in ("question", "answer")]
        yield {
            "id": f"h{n:03}", "label": None, "band": link["band"], "context": _short(a["context"]),
            "a": _side(a, root), "b": _side(b, root), "cosine": [min(1.0, cosine) for cosine in cosines],
        }  # fmt: skip


def _vectors(store: Store, rows: Iterable[dict[str, Any]]) -> dict[str, np.ndarray]:
    wanted = {text_key(row[part]): row[part] for row in rows for part in ("question", "answer")}
    found = store.query(
        "SELECT text_key, vector FROM vectors WHERE text_key IN (SELECT key FROM wanted)",
        wanted=pl.DataFrame({"key": list(wanted)}),
    )
    return {wanted[key]: np.array(vector) for key, vector in found.iter_rows()}


def _side(row: dict[str, Any], root: str) -> dict[str, Any]:
    side = {name: row[name] for name in ("question", "answer", "language")}
    side["source"] = row["source"].removeprefix(root).lstrip("/")
    side["licence"] = ", ".join(row["licences"])
    if row["alternatives"]:
        side["alternatives"] = row["alternatives"]
    return side


def _short(context: str | None) -> str | None:
    """A long context is replaced by a mark for it: both sides share it anyway."""
    if context is None or len(context) <= 400:
        return context
    return f"{context[:200]} … [{hashlib.sha256(context.encode()).hexdigest()[:8]}]"


def _band(bands: dict[str, tuple[float, float]], value: float) -> str:
    return next((name for name, (low, high) in bands.items() if low <= value < high), "")


def _hash(seed: str, link: dict[str, Any]) -> str:
    return hashlib.sha256(f"{seed} {link['a']} {link['b']}".encode()).hexdigest()


def _in_turn(strata: list[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    return (link for link in chain.from_iterable(zip_longest(*strata)) if link is not None)


if __name__ == "__main__":
    main()
