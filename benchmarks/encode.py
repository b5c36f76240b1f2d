"""How fast each engine encodes, how well it agrees, and whether a static model would find the same neighbours.

    python benchmarks/encode.py                          # texts of the examples and of made-up pairs
    python benchmarks/encode.py --texts questions.txt    # your own, one a line, for the static model's recall

All engines encode the same texts in turn, three times over; the best time of each counts. Writes
benchmarks/results/encode.json. The static model is distilled by model2vec in the peers' environment.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from corpus import EXAMPLES, pairs

from embeddings import cosine
from embeddings.encoder import open_encoder
from embeddings.encoder.opening import packaged_model

HERE = Path(__file__).resolve().parent
ENGINES = ("torch", "openvino", "openvino-bf16")
STATIC = """
import json, sys, time
import numpy as np
from model2vec.distill import distill
model = distill(model_name=sys.argv[1])
texts = json.load(open(sys.argv[2], encoding="utf-8"))
model.encode(texts[:100])
started = time.perf_counter()
vectors = model.encode(texts)
seconds = time.perf_counter() - started
np.save(sys.argv[3], (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)).astype(np.float32))
print(seconds)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1500, help="texts for the engines' speed")
    parser.add_argument("--texts", type=Path, help="a text a line, for the static model's recall")
    parser.add_argument("--peers", type=Path, default=HERE.parent / ".venv-peers" / "bin" / "python")
    parser.add_argument("--only", choices=("engines", "static"), help="measure this, keep the other part of the file")
    options = parser.parse_args()
    texts = sample(options.n)
    target = HERE / "results" / "encode.json"
    result: dict[str, Any] = json.loads(target.read_text(encoding="utf-8")) if options.only else {}
    result["machine"] = f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}"
    result["versions"] = {name: version(name) for name in ("sentence-transformers", "torch", "openvino")}
    if options.only != "static":
        result["engines"] = engines(texts)
    if options.only != "engines" and options.peers.exists():
        own = options.texts.read_text(encoding="utf-8").splitlines() if options.texts else texts
        result["static"] = static(own, options.peers)
    text = json.dumps(result, indent=1)
    target.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


def sample(n: int) -> list[str]:
    """Distinct questions and answers: those of the examples first, then made-up ones."""
    found: dict[str, None] = {}
    for file in sorted(EXAMPLES.glob("*.toml")):
        for pair in tomllib.loads(file.read_text(encoding="utf-8")).get("pair", []):
            found |= dict.fromkeys(pair[side] for side in ("question", "answer") if isinstance(pair.get(side), str))
    for pair in islice(pairs(n), n):
        found |= dict.fromkeys(str(pair[side]) for side in ("question", "answer"))
    return list(found)[:n]


def engines(texts: list[str]) -> dict[str, Any]:
    """Seconds of each engine on the same texts, beside sentence-transformers' own `encode` in fp32."""
    opened = {engine: open_encoder(path=packaged_model(), engine=engine, device="cpu") for engine in ENGINES}
    library = opened["torch"]._model  # type: ignore[attr-defined]  # the SentenceTransformer inside
    runs: dict[str, Callable[[], Any]] = {
        "sentence-transformers": lambda: library.encode(texts, normalize_embeddings=True, show_progress_bar=False),
    }
    for engine, encoder in opened.items():
        runs[engine] = lambda encoder=encoder: encoder.encode(texts)  # type: ignore[misc]
    best, vectors = dict.fromkeys(runs, float("inf")), {}
    for encoder in opened.values():
        encoder.encode(texts[:64])
    library.encode(texts[:64])
    for _ in range(3):
        for name, run in runs.items():
            started = time.perf_counter()
            vectors[name] = run()
            best[name] = min(best[name], time.perf_counter() - started)
    base, truth = best["sentence-transformers"], vectors["sentence-transformers"]
    tokens = opened["torch"].lengths(texts)
    rows = {
        name: {
            "texts_per_second": round(len(texts) / seconds, 1),
            "times_as_fast": round(base / seconds, 2),
            "lowest_cosine": round(float((vectors[name] * truth).sum(axis=1).min()), 6),
        }
        for name, seconds in best.items()
    }
    return {"texts": len(texts), "mean_tokens": round(float(tokens.mean()), 1), **rows}


def static(texts: list[str], python: Path, *, threshold: float = 0.9) -> dict[str, Any]:
    """Of the pairs that the teacher sees at or above `threshold`, how many a static search would have to look at."""
    teacher = open_encoder(path=packaged_model(), engine="openvino", device="cpu")
    started = time.perf_counter()
    truth = teacher.encode(texts)
    seconds = time.perf_counter() - started
    i, j, _ = cosine.join(truth, threshold=threshold)
    with tempfile.TemporaryDirectory() as scratch:
        listed, saved = Path(scratch) / "texts.json", Path(scratch) / "vectors.npy"
        listed.write_text(json.dumps(texts), encoding="utf-8")
        command = [str(python), "-c", STATIC, str(packaged_model()), str(listed), str(saved)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
        vectors = np.load(saved)
    found = cosine.similarities(vectors, i, j)
    steps = {}
    for wanted in (0.5, 0.9, 0.99):
        at = float(np.quantile(found, 1 - wanted)) if len(found) else 1.0
        candidates = len(cosine.join(vectors, threshold=max(at, 0.3))[0])
        steps[str(wanted)] = {
            "static_threshold": round(at, 3),
            "candidates_per_true_pair": round(candidates / max(1, len(i)), 1),
        }
    return {
        "texts": len(texts),
        "true_pairs": len(i),
        "teacher_seconds": round(seconds, 1),
        "static_seconds": round(float(done.stdout.split()[-1]), 2),
        "for_recall": steps,
    }


if __name__ == "__main__":
    main()
