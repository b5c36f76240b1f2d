"""The whole path over a large corpus with planted truth, stage by stage, and a batch of 10,000 on top.

    python benchmarks/million.py                     # 100,000 pairs
    python benchmarks/million.py --rows 1000000 --keep DIR    # an hour on two idle cores; called again, it goes on

The encoder is none: it hands out the drawn vectors of benchmarks/planted.py, so that cosine links are what a good model
would give and the encode itself costs next to nothing. What a real encode would add is worked out from `--per-second`.
Writes benchmarks/results/million-<rows>.json after every stage.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from planted import DIFFERENT, DIMENSION, Corpus, corpus, vectors

from embeddings.encoder import HashEncoder
from etl.keys import content_key
from etl.store import Store
from orchestration import workspace
from orchestration.pipeline import Pipeline

BATCH = 10_000


class DrawnEncoder(HashEncoder):
    """Hands out drawn vectors: a question's own; an answer gets one seeded by what it says after `shows`."""

    name = "drawn-384"
    languages: tuple[str, ...] | None = ("en",)

    def __init__(self, questions: Sequence[str], rows: NDArray[np.float32]) -> None:
        self._places = {_plain(text): place for place, text in enumerate(questions)}
        self._rows = rows

    @property
    def digest(self) -> str:
        return hashlib.sha256(b"drawn").hexdigest()

    def encode(self, texts: Sequence[str], *, batch_size: int = 64, **_: Any) -> NDArray[np.float32]:
        made = np.empty((len(texts), DIMENSION), dtype=np.float32)
        for row, text in zip(made, texts, strict=True):
            place = self._places.get(_plain(text))
            if place is not None:
                row[:] = self._rows[place]
                continue
            said = text.partition(" show")[2].removeprefix("s")  # another number or a negation changes nothing
            row[:] = np.random.default_rng(zlib.crc32(said.encode("utf-8"))).standard_normal(DIMENSION)
            row /= np.linalg.norm(row)
        return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--per-second", type=float, default=280.0, help="texts a second of the model you have in mind")
    parser.add_argument(
        "--keep", type=Path, help="leave the workspace here; called again, the run goes on where it was"
    )
    options = parser.parse_args()
    target = Path(__file__).parent / "results" / f"million-{options.rows}.json"
    made = corpus(options.rows + BATCH)
    rows = vectors(len(made.records), made.truth)
    with tempfile.TemporaryDirectory() as scratch:
        root = options.keep or Path(scratch) / "ws"
        workspace.init(root)
        result = earlier(target, root) | {"rows": options.rows, "cores": os.cpu_count(), "load_before": os.getloadavg()}
        encoder = DrawnEncoder(made.questions, rows)
        for name, records in (("whole", made.records[: options.rows]), ("batch", made.records[options.rows :])):
            with (root / "inbox" / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(record) + "\n" for record in records)
            rows_of = result.setdefault(name, {})
            for stage, row in staged(root, encoder):
                if row["counts"] or stage not in rows_of:  # what an earlier call did keeps its figures
                    rows_of[stage] = row
                target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        result |= judged(root, made)
        texts = sum(result[name]["embed"]["counts"].get("texts", 0) for name in ("whole", "batch"))
        result["an_encode_would_add_h"] = round(texts / options.per_second / 3600, 2)
        result["disk_mib"] = round(sum(file.stat().st_size for file in root.rglob("*") if file.is_file()) / 2**20)
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


def earlier(target: Path, root: Path) -> dict[str, Any]:
    """What an earlier call measured, where its workspace is still there."""
    if not target.exists() or not (root / "motherlode.duckdb").exists():
        return {}
    return dict(json.loads(target.read_text(encoding="utf-8")))


def staged(root: Path, encoder: DrawnEncoder) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each stage and its wall and processor seconds, peak memory so far, counts."""
    space = workspace.Workspace.at(root)
    with Store.open(root, write=True) as store:
        pipeline = Pipeline(space, store, [space.inbox], model="hash")
        pipeline.encoder = encoder
        for stage in pipeline.stages():
            started, before = time.perf_counter(), _cpu()
            counts: Counter[str] = pipeline.drain(stage)
            peaks = [
                resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
            ]
            row = {
                "wall_s": round(time.perf_counter() - started, 1),
                "cpu_s": round(_cpu() - before, 1),
                "peak_mib": [round(peak) for peak in peaks],
                "counts": dict(counts),
            }
            sys.stderr.write(f"{stage.name}: {json.dumps(row)}\n")
            yield stage.name, row


def _cpu() -> float:
    return sum(used.ru_utime + used.ru_stime for used in _used())


def _used() -> list[resource.struct_rusage]:
    return [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def judged(root: Path, made: Corpus) -> dict[str, Any]:
    """What became of the planted pairs: one key, merged, in review or a verdict of another kind, apart."""
    with Store.open(root, write=True) as store:
        verdicts = {(a, b): verdict for a, b, verdict in store.query("SELECT a, b, verdict FROM verdicts").rows()}
        merged = int(store.value("SELECT count(*) FROM decisions WHERE status = 'merged'"))
        linked = store.query("SELECT method, count(*) AS links FROM links GROUP BY 1 ORDER BY 1").rows()
    outcomes: dict[str, Counter[str]] = {}
    for one, other, kind in made.truth:
        two = (made.records[one], made.records[other])
        a, b = sorted(content_key(str(record["question"]), str(record["answer"])) for record in two)
        verdict = "one key" if a == b else verdicts.get((a, b), "apart")
        outcomes.setdefault(kind, Counter())[verdict] += 1
    wrong = sum(found["merge"] for kind, found in outcomes.items() if kind in DIFFERENT)
    return {
        "planted": {kind: dict(found) for kind, found in outcomes.items()},
        "merged": merged,
        "wrong_merges_of_planted": wrong,
        "links": dict(linked),
    }


if __name__ == "__main__":
    main()
