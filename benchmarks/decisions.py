"""Which labelled pairs are merged, by us and by other tools: precision, recall and F1 side by side in one run.

    python benchmarks/decisions.py --peers .venv-peers/bin/python [--ranking FOLDER]

Reads tests/labelled_pairs.jsonl and tests/held_out_pairs.jsonl, one after the other, encodes their texts with the
packaged model, runs our path (assess, embed, link, resolve) over a store in memory, and decisions_peers.py with the
peers' Python on the same vectors and texts. A pair counts as merged where the tool puts both rows into one group.
`--ranking` names a folder with dup_pairs.jsonl (single texts, labelled 1 where they say the same): these serve for the
AUC of our similarities only.
Writes benchmarks/results/decisions-500.json and decisions-held-out.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from embeddings.embed import embed
from embeddings.embed import recipe as vectors_recipe
from embeddings.encoder import Encoder, open_encoder
from embeddings.lexical import Shingled
from embeddings.link import link
from etl.keys import content_key, part_key
from etl.progress import Tally, drain
from etl.resolve import resolve
from etl.store import Store
from etl.words import overlap
from quality.assess import assess

HERE = Path(__file__).resolve().parent
Row = dict[str, Any]
SETS = {"labelled_pairs.jsonl": "decisions-500.json", "held_out_pairs.jsonl": "decisions-held-out.json"}


class Remembering:
    """An encoder that keeps every vector it made."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.made: dict[str, np.ndarray] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        vectors: np.ndarray = self._encoder.encode(texts, **options)
        self.made.update(zip(texts, vectors, strict=True))
        return vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, default=HERE.parent / ".venv-peers" / "bin" / "python")
    parser.add_argument("--ranking", type=Path, help="a folder with dup_pairs.jsonl")
    parser.add_argument("--only", choices=sorted(SETS), help="one of the two files")
    parser.add_argument("--engine", default="torch", help="openvino is faster on a CPU and gives the same cosines")
    parser.add_argument("--ranked", type=int, default=600, help="how many pairs of each of its sets")
    options = parser.parse_args()
    encoder = Remembering(open_encoder(engine=options.engine))
    for file, name in SETS.items():
        if options.only not in (None, file):
            continue
        result = side_by_side(HERE.parent / "tests" / file, encoder, options.peers)
        if options.ranking and file == "labelled_pairs.jsonl":
            result["ranking"] = ranking(options.ranking / "dup_pairs.jsonl", encoder, options.ranked)
        text = json.dumps(result, indent=1)
        (HERE / "results" / name).write_text(text + "\n", encoding="utf-8")
        sys.stdout.write(text + "\n")


def side_by_side(path: Path, encoder: Remembering, python: Path) -> Row:
    """What every tool makes of one labelled file."""
    rows = [row for line in path.open(encoding="utf-8") if (row := json.loads(line))["label"] != "unsure"]
    result: Row = {"hardware": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"}
    result |= {"pairs": len(rows), "duplicates": sum(row["label"] == "duplicate" for row in rows)}
    tools = {"ours": scored(rows, ours(rows, encoder)) | {"note": "defaults"}}
    for name, found in peers(rows, encoder.made, python).items():
        if name == "versions":
            result["versions"] = found
        else:
            tools[name] = scored(rows, set(found["merged"])) | {"note": found["note"]}
    result["tools"] = tools
    return result


def key_of(row: Row, side: str) -> str:
    return content_key(row[side]["question"], row[side]["answer"], row["context"])


def ours(rows: Sequence[Row], encoder: Any) -> set[str]:
    """The ids of labelled pairs that the path merges, everything at its defaults."""
    with Store.open(":memory:") as store:
        with store.unit("ingest", "labelled") as unit:
            unit.insert("pairs", pairs(rows))
        drain(assess(store, meter=Tally()))
        drain(embed(store, encoder, meter=Tally()))
        drain(link(store, meter=Tally(), encoder_recipe=vectors_recipe(encoder).digest))
        drain(resolve(store, meter=Tally()))
        survivor = dict(store.query("SELECT key, survivor FROM decisions").iter_rows())
    return {row["id"] for row in rows if survivor[key_of(row, "a")] == survivor[key_of(row, "b")]}


def pairs(rows: Sequence[Row]) -> pl.DataFrame:
    """Each text once, as ingest would leave it."""
    made = {}
    for row in rows:
        for side in ("a", "b"):
            text = row[side]
            made[key_of(row, side)] = {
                "key": key_of(row, side), "question": text["question"], "answer": text["answer"],
                "context": row["context"], "question_key": part_key(text["question"]),
                "answer_key": part_key(text["answer"]),
                "context_key": part_key(row["context"]) if row["context"] else None,
                "indicator": None, "category": None, "sources": [], "licences": [], "phrasings": [],
                "alternatives": text.get("alternatives", []), "metadata": None, "occurrences": 1, "first_seq": 1,
            }  # fmt: skip
    lists = dict.fromkeys(("sources", "licences", "phrasings", "alternatives"), pl.List(pl.String))
    nulls = dict.fromkeys(("context", "context_key", "indicator", "category", "metadata"), pl.String)
    return pl.DataFrame(list(made.values()), schema_overrides={**lists, **nulls, "occurrences": pl.Int32})


def peers(rows: Sequence[Row], vectors: dict[str, np.ndarray], python: Path) -> dict[str, Any]:
    """What decisions_peers.py finds."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        texts = {key_of(row, s): {"key": key_of(row, s), **_texts(row[s])} for row in rows for s in "ab"}
        (folder / "texts.json").write_text(json.dumps(list(texts.values())), encoding="utf-8")
        two = [(row["id"], key_of(row, "a"), key_of(row, "b")) for row in rows]
        (folder / "pairs.json").write_text(json.dumps(two), encoding="utf-8")
        np.savez(folder / "vectors.npz", names=np.array(list(vectors)), vectors=np.stack(list(vectors.values())))
        subprocess.run([str(python), str(HERE / "decisions_peers.py"), str(folder)], check=True)
        found: dict[str, Any] = json.loads((folder / "found.json").read_text(encoding="utf-8"))
        return found


def _texts(side: Row) -> dict[str, str]:
    return {"question": side["question"], "answer": side["answer"]}


def scored(rows: Sequence[Row], merged: set[str]) -> dict[str, Any]:
    """Counts and shares; `precision_from` is the lower end of the 95% Wilson interval."""
    right = sum(row["label"] == "duplicate" for row in rows if row["id"] in merged)
    duplicates = sum(row["label"] == "duplicate" for row in rows)
    precision, recall = right / len(merged) if merged else 0.0, right / duplicates
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    wrong = {
        label: sum(row["label"] == label and row["id"] in merged for row in rows)
        for label in ("variant", "conflict", "different")
    }
    return {
        "merged": len(merged), "right": right, "wrong": wrong, "precision": round(precision, 3),
        "precision_from": round(wilson(right, len(merged)), 3), "recall": round(recall, 3), "f1": round(f1, 3),
    }  # fmt: skip


def wilson(right: int, n: int) -> float:
    if not n:
        return 0.0
    z, share = 1.96, right / n
    return (share + z * z / (2 * n) - z * math.sqrt((share * (1 - share) + z * z / (4 * n)) / n)) / (1 + z * z / n)


def ranking(path: Path, encoder: Any, most: int) -> dict[str, Any]:
    """The AUC of cosine, shingles and words on single texts, by set; at most `most` pairs of each, drawn by seed 0."""
    sets: dict[str, list[Row]] = {}
    for line in path.open(encoding="utf-8"):
        row = json.loads(line)
        sets.setdefault(row["set"], []).append(row)
    result = {}
    for name, rows in sorted(sets.items()):
        chosen = random.Random(0).sample(rows, min(most, len(rows)))
        labels = np.array([row["label"] for row in chosen])
        first, second = encoder.encode([row["a"] for row in chosen]), encoder.encode([row["b"] for row in chosen])
        even = np.arange(len(chosen)) * 2
        shingles = Shingled.of([row[side] for row in chosen for side in "ab"]).similarities(even, even + 1)
        words = np.array([overlap(row["a"], row["b"]) for row in chosen])
        figures = {"cosine": np.einsum("nd,nd->n", first, second), "shingles": shingles, "words": words}
        result[name] = {"pairs": len(chosen), "same": int(labels.sum())} | {
            by: round(auc(labels, values), 3) for by, values in figures.items()
        }
    return result


def auc(labels: np.ndarray, values: np.ndarray) -> float:
    """The share of (same, other) pairs in the right order, ties counted half."""
    ranks = pl.Series(values).rank("average").to_numpy()
    same = int(labels.sum())
    return float((ranks[labels == 1].sum() - same * (same + 1) / 2) / (same * (len(labels) - same)))


if __name__ == "__main__":
    main()
