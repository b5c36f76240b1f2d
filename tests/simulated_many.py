"""Many seeds of the simulated months, over several processes: `python tests/simulated_many.py --seeds 2000 --out FILE`.

A line of JSON a seed goes to the file as it ends; run again, the seeds that stand there are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from simulated import simulated
from simulated_load import busy

EVERY = 10  # so many seeds to one near capacity


def one(seed: int, days: int) -> dict[str, Any]:
    """One seed's months: what happened, or what broke."""
    kind = "busy" if seed % EVERY == EVERY - 1 else "ordinary"
    began, error, happened = time.process_time(), None, Counter[str]()
    with tempfile.TemporaryDirectory(prefix="simulated") as folder:
        try:
            happened = (busy if kind == "busy" else simulated)(seed, Path(folder), days=days)
        except Exception as broken:  # noqa: BLE001 - told with the seed, the others go on
            error = f"{type(broken).__name__}: {broken}"
    cpu = round(time.process_time() - began, 2)
    return {"seed": seed, "days": days, "kind": kind, "cpu_s": cpu, "happened": dict(happened), "error": error}


def many(seeds: list[int], *, days: int, workers: int) -> Iterator[dict[str, Any]]:
    """Each seed as it ends."""
    with ProcessPoolExecutor(workers) as pool:
        for done in as_completed([pool.submit(one, seed, days) for seed in seeds]):
            yield done.result()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    known = set()
    if given.out.exists():
        known = {json.loads(line)["seed"] for line in given.out.read_text(encoding="utf-8").splitlines()}
    broken = 0
    with given.out.open("a", encoding="utf-8") as out:
        wanted = [seed for seed in range(given.seeds) if seed not in known]
        for result in many(wanted, days=given.days, workers=given.workers):
            out.write(json.dumps(result) + "\n")
            out.flush()
            broken += result["error"] is not None
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
