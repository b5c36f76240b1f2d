"""Near duplicates and semantic links against peers on planted truth, each contestant in a process of its own.

    python benchmarks/links.py                       # 100,000 texts
    python benchmarks/links.py --rows 1000000        # the full thing: tens of minutes on two idle cores
    python benchmarks/links.py --only lexical        # or cosine
    python benchmarks/links.py --curve               # only the S-curve of the near-duplicate search

Peers run in the environment of benchmarks/peers.txt (`--peers PYTHON`). Seconds are those of the join alone, texts and
vectors in memory before and pairs in memory after; `cpu_s` is less moved by other work on the machine than `wall_s`.
Writes benchmarks/results/links-<rows>.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
THRESHOLD = {"lexical": 0.5, "cosine": 0.9}
JUDGED = 5_000  # reported pairs whose exact similarity is worked out for the precision
LARGEST = {"rensa_thorough": 200_000, "faiss_flat": 200_000}  # rows, from which on they take hours or all memory
Pairs = list[tuple[int, int]]


def motherlode(texts: list[str]) -> Pairs:
    from embeddings import lexical

    i, j, _ = lexical.join(texts, threshold=THRESHOLD["lexical"])
    return list(zip(i.tolist(), j.tolist(), strict=True))


def rensa_pairs(texts: list[str]) -> Pairs:
    import rensa

    made = rensa.RMinHash.from_token_sets(_shingles(texts), 128, 42)
    index = rensa.RMinHashLSH(0.7, 128, 16)
    index.insert_pairs(list(enumerate(made)))
    return _two_by_two(index.query_all(made))


def rensa_thorough(texts: list[str]) -> Pairs:
    """More and looser bands, to come near our recall."""
    import rensa

    made = rensa.RMinHash.from_token_sets(_shingles(texts), 128, 42)
    index = rensa.RMinHashLSH(0.5, 128, 32)
    index.insert_pairs(list(enumerate(made)))
    return _two_by_two(index.query_all(made))


def rensa_flags(texts: list[str]) -> Pairs:
    """Its fastest way: says only which texts have a partner, not which; nothing of it is verified."""
    import rensa

    matrix = rensa.RMinHash.digest_matrix_from_token_sets(_shingles(texts), 128, 42)
    flags = rensa.RMinHashLSH(0.7, 128, 16).query_duplicate_flags_matrix_one_shot(matrix)
    return [(place, -1) for place, flag in enumerate(flags) if flag]


def gaoya(texts: list[str]) -> Pairs:
    import gaoya

    index = gaoya.minhash.MinHashStringIndex(32, 0.7, 16, 8, None, "word", True, (3, 3), "smallvec")
    index.par_bulk_insert_docs(list(range(len(texts))), texts)
    return _two_by_two(index.par_bulk_query(texts))


def motherlode_cosine(rows: Any) -> Pairs:
    from embeddings import cosine

    i, j, _ = cosine.join(rows, threshold=THRESHOLD["cosine"])
    return list(zip(i.tolist(), j.tolist(), strict=True))


def faiss_flat(rows: Any) -> Pairs:
    import faiss
    import numpy as np

    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    found: Pairs = []
    for start in range(0, len(rows), 4096):
        limits, _, j = index.range_search(rows[start : start + 4096], THRESHOLD["cosine"] - 5e-5)
        i = start + np.repeat(np.arange(len(limits) - 1), np.diff(limits).astype(np.int64))
        found += zip(i[i < j].tolist(), j[i < j].tolist(), strict=True)
    return found


CONTESTANTS: dict[str, dict[str, Callable[[Any], Pairs]]] = {
    "lexical": {
        "motherlode": motherlode,
        "gaoya": gaoya,
        "rensa": rensa_pairs,
        "rensa_flags": rensa_flags,
        "rensa_thorough": rensa_thorough,
    },
    "cosine": {"motherlode_cosine": motherlode_cosine, "faiss_flat": faiss_flat},
}


def _shingles(texts: list[str]) -> list[list[str]]:
    rows = [text.casefold().split() for text in texts]
    return [[" ".join(row[i : i + 3]) for i in range(max(1, len(row) - 2))] for row in rows]


def _two_by_two(found: Iterable[Iterable[int]]) -> Pairs:
    return [(i, j) for i, others in enumerate(found) for j in others if i < j]


def measured(contest: str, name: str, folder: Path) -> dict[str, Any]:
    """Run one contestant here; the corpus lies in `folder`."""
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    with (folder / "corpus.jsonl").open(encoding="utf-8") as lines:
        texts = [json.loads(line)["question"] for line in lines]
    data: Any = texts
    if contest == "cosine":
        import numpy as np

        data = np.load(folder / "vectors.npy")
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    pairs = CONTESTANTS[contest][name](data)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    found = set(pairs)
    flagged = {i for i, j in pairs if j < 0}
    hits, planted = Counter[str](), Counter[str]()
    for one, other, kind in truth:
        planted[kind] += 1
        hits[kind] += (min(one, other), max(one, other)) in found or one in flagged or other in flagged
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "peak_mib": round(after.ru_maxrss / 1024),
        "pairs": len(found) if not flagged else None,
        "flagged": len(flagged) or None,
        "precision": _precision(texts, pairs) if contest == "lexical" and not flagged else None,
        "recall": {kind: round(hits[kind] / planted[kind], 4) for kind in planted},
    }


def _precision(texts: list[str], pairs: Pairs) -> float:
    """The share of reported pairs at or above the threshold by exact Jaccard over character trigrams."""
    sample = random.Random(1).sample(pairs, min(JUDGED, len(pairs)))
    right = 0
    for i, j in sample:
        one, other = (_trigrams(texts[place]) for place in (i, j))
        right += round(len(one & other) / len(one | other), 4) >= THRESHOLD["lexical"]
    return round(right / max(1, len(sample)), 4)


def _trigrams(text: str) -> set[str]:
    padded = f" {' '.join(text.casefold().split()).rstrip('.?! ')} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}


def compared(folder: Path, contests: list[str], peers: str, rows: int) -> dict[str, Any]:
    """Every contestant in its own process, one after the other."""
    results: dict[str, Any] = {}
    for contest in contests:
        for name in CONTESTANTS[contest]:
            if rows > LARGEST.get(name, rows):
                results.setdefault(contest, {})[name] = {"left_out": f"above {LARGEST[name]} rows"}
                continue
            python = peers if name.startswith(("rensa", "gaoya")) else sys.executable
            if not Path(python).exists():
                results.setdefault(contest, {})[name] = {"left_out": f"no {python}: see benchmarks/peers.txt"}
                continue
            command = [python, __file__, "--one", contest, name, "--folder", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
            made = json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr.strip()[-300:]}
            results.setdefault(contest, {})[name] = made
            sys.stderr.write(f"{contest} {name}: {json.dumps(made)}\n")
    return results


def curve() -> str:
    """The S-curve as a table, for short and for longer texts."""
    from embeddings.minhash import curve as probability

    sizes = (20, 90, 300)
    lines = ["| similarity | " + " | ".join(f"{size} shingles" for size in sizes) + " |", "|---" * 4 + "|"]
    steps = [0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9]
    lines += [f"| {s:.2f} | " + " | ".join(f"{probability(s, size=size):.4f}" for size in sizes) + " |" for s in steps]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--only", choices=list(CONTESTANTS), action="append")
    parser.add_argument("--peers", default=str(HERE.parent / ".venv-peers" / "bin" / "python"))
    parser.add_argument("--folder", type=Path, help="where the corpus lies, or is to be made")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--curve", action="store_true")
    options = parser.parse_args()
    if options.curve:
        sys.stdout.write(curve() + "\n")
        return
    if options.one:
        sys.stdout.write(json.dumps(measured(*options.one, options.folder)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        if not (folder / "vectors.npy").exists():
            subprocess.run([sys.executable, str(HERE / "planted.py"), str(options.rows), str(folder)], check=True)
        result: dict[str, Any] = {"rows": options.rows, "cores": os.cpu_count(), "load_before": os.getloadavg()}
        result |= compared(folder, options.only or list(CONTESTANTS), options.peers, options.rows)
    target = HERE / "results" / f"links-{options.rows}.json"
    if options.only and target.exists():  # the other contest's figures stay
        result = json.loads(target.read_text(encoding="utf-8")) | result
    text = json.dumps(result, indent=1)
    target.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
