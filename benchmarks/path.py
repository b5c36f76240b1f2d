"""The whole path over 30,000 pairs, stage by stage: seconds, peak memory, and the ratio to the encode calls.

    python benchmarks/path.py                        # synthetic pairs, the packaged model
    python benchmarks/path.py --model hash           # without a model: minutes become seconds
    python benchmarks/path.py --deliveries FOLDER    # your own files

Writes benchmarks/results/path-<name>.json; the encode calls are timed inside the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from corpus import pairs

from etl.counts import counts
from etl.store import Store
from orchestration import workspace
from orchestration.pipeline import Pipeline


class TimedEncoder:
    """An encoder that adds up the seconds of its encode calls."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        started = time.perf_counter()
        vectors: np.ndarray = self._encoder.encode(texts, **options)
        self.seconds += time.perf_counter() - started
        return vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=30_000)
    parser.add_argument("--model")
    parser.add_argument("--deliveries", type=Path, action="append")
    parser.add_argument("--keep", type=Path, help="leave the workspace here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = options.keep or Path(scratch) / "ws"
        workspace.init(root)
        if options.deliveries is None:
            with (root / "inbox" / "corpus.jsonl").open("w", encoding="utf-8") as target:
                target.writelines(json.dumps(pair) + "\n" for pair in pairs(options.n))
        result = measured(root, options.deliveries or [root / "inbox"], options.model)
    name = "real" if options.deliveries else f"{options.n}-{options.model or 'minilm'}"
    text = json.dumps(result, indent=1)
    (Path(__file__).parent / "results" / f"path-{name}.json").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


def measured(root: Path, paths: Sequence[Path], model: str | None) -> dict[str, Any]:
    """Run every stage once and once more; returns seconds a stage, peak memory and counts."""
    space = workspace.Workspace.at(root)
    seconds: dict[str, float] = {}
    with Store.open(root, write=True) as store:
        pipeline = Pipeline(space, store, paths, model=model)
        timed = TimedEncoder(pipeline.encoder)
        pipeline.encoder = timed  # type: ignore[assignment]  # the same encoder, watched
        for stage in pipeline.stages():
            started = time.perf_counter()
            done = pipeline.drain(stage)
            seconds[stage.name] = round(time.perf_counter() - started, 2)
            sys.stderr.write(f"{stage.name}: {seconds[stage.name]} s {dict(done)}\n")
        figures = counts(store)
    started = time.perf_counter()
    with Store.open(root, write=True) as store:
        Pipeline(space, store, paths, model=model).run()
    again = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    total = sum(seconds.values())
    return {
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "pairs": figures["pairs"],
        "occurrences": figures["occurrences"],
        "statuses": {k: figures[k] for k in ("kept", "review", "merged", "withheld", "conflicts", "rejected")},
        "adds_up": all(figures["adds_up"].values()),
        "seconds": seconds,
        "encode_calls_s": round(timed.seconds, 2),
        "all_but_encode_calls_s": round(total - timed.seconds, 2),
        "ratio_to_encode_calls": round((total - timed.seconds) / timed.seconds, 3) if timed.seconds else None,
        "second_run_s": round(again, 2),
        "peak_memory_mib": round(peak),
    }


if __name__ == "__main__":
    main()
