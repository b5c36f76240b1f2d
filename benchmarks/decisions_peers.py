"""Run by the peers' own Python: labelled texts in (a folder), for each tool which labelled pairs it would merge out.

    .venv-peers/bin/python benchmarks/decisions_peers.py FOLDER

FOLDER holds texts.json (a list of {key, question, answer}), pairs.json (a list of [id, key, key]) and vectors.npz
(names, the texts, and vectors); found.json is written there. Nothing of this project is imported.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

Text = dict[str, str]


def main() -> None:
    folder = Path(sys.argv[1])
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    pairs = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
    saved = np.load(folder / "vectors.npz")
    vectors = dict(zip(saved["names"].tolist(), saved["vectors"], strict=True))
    found: dict[str, Any] = {}
    for name, threshold, note, run in runs(vectors):
        same = run(texts)
        found[name] = {"threshold": threshold, "note": note, "merged": [i for i, a, b in pairs if same(a, b)]}
    found["versions"] = {name: version(name) for name in ("semhash", "text-dedup", "rensa", "datasketch")}
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


Same = Callable[[str, str], bool]
Run = Callable[[Sequence[Text]], Same]


def runs(vectors: dict[str, Any]) -> Iterable[tuple[str, float, str, Run]]:
    """(name, threshold, what is a default, a function from all texts to 'are these two one')."""
    yield "semhash 0.9", 0.9, "its default; question and answer columns", lambda t: semhash(t, vectors, 0.9)
    yield "semhash 0.84", 0.84, "ours", lambda t: semhash(t, vectors, 0.84)
    yield "semhash 0.95", 0.95, "stricter", lambda t: semhash(t, vectors, 0.95)
    yield "text-dedup 0.7", 0.7, "its default", lambda t: text_dedup(t, 0.7)
    yield "text-dedup 0.8", 0.8, "our threshold by words", lambda t: text_dedup(t, 0.8)
    yield "rensa 0.8", 0.8, "the threshold of its documentation and ours by words", lambda t: rensa(t, 0.8)
    yield "datasketch 0.9", 0.9, "its default", lambda t: datasketch(t, 0.9)
    yield "datasketch 0.8", 0.8, "our threshold by words", lambda t: datasketch(t, 0.8)


def whole(text: Text) -> str:
    return f"{text['question']}\n{text['answer']}"


def semhash(texts: Sequence[Text], vectors: dict[str, Any], threshold: float) -> Same:
    """Groups of what it filters; its default model needs a hub, so it gets the vectors that we use."""
    from semhash import SemHash

    class Given:
        def encode(self, inputs: Sequence[str], **_: Any) -> np.ndarray:
            return np.stack([vectors[text] for text in inputs])

    records = [{"key": t["key"], "question": t["question"], "answer": t["answer"]} for t in texts]
    hashed = SemHash.from_records(records, columns=["question", "answer"], model=Given())
    head: dict[str, str] = {}
    for row in hashed.self_deduplicate(threshold=threshold).filtered:
        head[row.record["key"]] = row.duplicate_of["key"]

    def root(key: str) -> str:
        while key in head:
            key = head[key]
        return key

    return lambda a, b: root(a) == root(b)


def text_dedup(texts: Sequence[Text], threshold: float) -> Same:
    """The clusters of its command, everything else at its defaults."""
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        rows = [json.dumps({"text": whole(text)}) for text in texts]
        (base / "in.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
        command = [
            sys.executable, "-m", "text_dedup.minhash", "--path", "json", "--data_files", str(base / "in.jsonl"),
            "--split", "train", "--column", "text", "--output", str(base / "out"), "--cache_dir", str(base / "cache"),
            "--threshold", str(threshold), "--num_proc", "1", "--debug",
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        with (base / "out" / "uf.pkl").open("rb") as saved:
            state = pickle.load(saved)  # written a second ago by the command above
    return clusters(texts, state)


def clusters(texts: Sequence[Text], state: Any) -> Same:
    """text-dedup's union-find, by its row numbers; rows that it left out (below five words) are alone."""
    number = {text["key"]: n for n, text in enumerate(texts)}

    def root(n: int) -> int:
        while state.parent.get(n, n) != n:
            n = state.parent[n]
        return n

    return lambda a, b: root(number[a]) == root(number[b])


def rensa(texts: Sequence[Text], threshold: float) -> Same:
    from rensa import RMinHash

    made = {}
    for text in texts:
        made[text["key"]] = RMinHash(num_perm=128, seed=42)
        made[text["key"]].update(whole(text).split())
    return lambda a, b: made[a].jaccard(made[b]) >= threshold


def datasketch(texts: Sequence[Text], threshold: float) -> Same:
    from datasketch import MinHash, MinHashLSH

    index, made = MinHashLSH(threshold=threshold, num_perm=128), {}
    for text in texts:
        made[text["key"]] = MinHash(num_perm=128)
        for word in set(whole(text).split()):
            made[text["key"]].update(word.encode("utf-8"))
        index.insert(text["key"], made[text["key"]])
    return lambda a, b: b in index.query(made[a])


if __name__ == "__main__":
    main()
