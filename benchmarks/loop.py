"""What the session loop costs: over a run of 30,000 pairs beside the bare jobs, and a simulated day of it.

    python benchmarks/loop.py                 # the hash encoder, so that the jobs are as quick as they get
    python benchmarks/loop.py --model MODEL   # another one

Writes benchmarks/results/loop-<n>.json. Processor time of the process and of its children, so that other work on the
machine matters less; the share outside the jobs is taken inside the driven run, between the units.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from corpus import pairs

from etl.progress import Meter, Progress
from etl.store import Store
from orchestration import tasks, workspace
from orchestration.control import Claim, Control
from orchestration.control.task import Task
from orchestration.logs import SessionLog
from orchestration.pipeline import Pipeline
from orchestration.quota import Quota
from orchestration.secrets import BY_PATTERN
from orchestration.session import publishing
from orchestration.session.mine import Miner
from orchestration.session.works import PipelineWorks

wrapping = sys.modules["orchestration.session.wrap"]  # the module; the package gives the function of that name

KIND = "ingest+assess+embed+link+resolve+audit+split+export+report"
MEMORY = Path("/dev/shm")  # a folder in memory, where there is one
TESTS = Path(__file__).parent.parent / "tests"


def spent() -> float:
    """Processor seconds so far, the children's that have ended with them."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


class TimedWorks(PipelineWorks):
    """Adds up what passes inside the jobs."""

    inside = 0.0
    units_done = 0

    def units(self, task: Task, claim: Claim, meter: Meter, had: Mapping[str, Mapping[str, int]]) -> Iterator[Progress]:
        """The same units, watched."""
        units = super().units(task, claim, meter, had)
        while True:
            began = spent()
            progress = next(units, None)
            self.inside += spent() - began
            if progress is None:
                return
            self.units_done += 1
            yield progress


class TimedStep:
    """The snapshots of one module, watched: that of the wrap, which a run without the loop takes too, or those that
    go before the commits between units."""

    def __init__(self, module: Any) -> None:
        self.cpu_s, self._step = 0.0, module.snapshot
        self.__name__ = self._step.__name__
        module.snapshot = self

    def __call__(self, *given: Any) -> dict[str, Any]:
        began = spent()
        done = self._step(*given)
        self.cpu_s += spent() - began
        return done


def bare(root: Path, model: str) -> dict[str, Any]:
    """The jobs drained one after another, and the snapshot that ends a run."""
    began = spent()
    with Store.open(root, write=True) as store:
        pipeline = Pipeline(workspace.Workspace.at(root), store, [root / "inbox"], model=model)
        for stage in pipeline.stages():
            pipeline.drain(stage)
    return {"cpu_s": round(spent() - began, 2)}


def driven(root: Path, model: str) -> dict[str, Any]:
    """The same jobs as a task of the queue: quotas, books, a wrap with snapshot, commit and handoff."""
    space = workspace.Workspace.at(root)
    log, snapshot, between = SessionLog(root), TimedStep(wrapping), TimedStep(publishing)
    began = spent()
    with Control.open(root, heard=log.heard) as control:
        tasks.add(control, tasks.Spec("all", kind=KIND, parameters={"model": model}))
        works, quota = TimedWorks(space), Quota.from_settings(control, space.settings)
        Miner(control, space, works, quota, say=lambda _: None, log=log, monotonic=time.monotonic).mine()
        done = tasks.fetch(control, "all")
        works.close()
    total = spent() - began
    jobs = works.inside + snapshot.cpu_s
    outside = total - jobs
    return {
        "cpu_s": round(total, 2),
        "status": done.status,
        "units": works.units_done,
        "inside_jobs_s": round(works.inside, 2),
        "snapshot_s": round(snapshot.cpu_s, 2),
        "outside_s": round(outside, 3),
        "outside_share": round(outside / jobs, 4),
        "of_it_snapshots_before_commits_s": round(between.cpu_s, 3),
        "outside_share_without_these": round((outside - between.cpu_s) / jobs, 4),
    }


def simulated_day(seeds: int, days: int) -> dict[str, Any]:
    """Processor time of a day of the simulated months of the tests: three drivers, kills, providers and checks; on the
    disk, and in memory where there is such a folder: months in seconds make and drop files faster than a disk likes."""
    sys.path.insert(0, str(TESTS))
    from simulated import simulated

    with tempfile.TemporaryDirectory() as folder:
        simulated(seeds, Path(folder), days=2)  # what it imports is not a day's
    found: dict[str, Any] = {"seeds": seeds, "days": days, **months(seeds, days, None)}
    if MEMORY.is_dir():
        found["in_memory"] = months(seeds, days, MEMORY)
        del found["in_memory"]["happened"]  # the same
    return found


def months(seeds: int, days: int, place: Path | None) -> dict[str, Any]:
    """Milliseconds a day over some seeds; of them `simulation_ms` for its own books, providers and checks."""
    from simulated import timed

    happened: dict[str, int] = {}
    costs, own = [], []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory(dir=place) as folder:
            began = spent()
            counts, own_s = timed(seed, Path(folder), days=days)
            costs.append((spent() - began) / days * 1000)
            own.append(own_s / days * 1000)
        for name, number in counts.items():
            happened[name] = happened.get(name, 0) + number
    return {
        "ms_a_day": round(sum(costs) / len(costs), 1),
        "simulation_ms": round(sum(own) / len(own), 1),
        "least": round(min(costs), 1),
        "most": round(max(costs), 1),
        "happened": happened,
    }


def apart(what: str, root: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--only", what, "--root", str(root), "--n", str(options.n)]
    command += ["--model", options.model, "--seeds", str(options.seeds), "--days", str(options.days)]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def prepared(root: Path, n: int) -> Path:
    """A workspace with the corpus in its inbox, in a repository of its own."""
    workspace.init(root)
    with (root / "inbox" / "corpus.jsonl").open("w", encoding="utf-8") as target:
        target.writelines(json.dumps(pair) + "\n" for pair in pairs(n))
    os.utime(root / "inbox" / "corpus.jsonl", (1_700_000_000, 1_700_000_000))
    subprocess.run(["git", "-C", str(root), "init", "-q"], check=True)
    return root


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=30_000)
    parser.add_argument("--model", default="hash")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--only", choices=["bare", "driven", "day"], help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        BY_PATTERN.ready()  # what either imports is not the loop's
        one = {"bare": bare, "driven": driven}.get(options.only)
        found = simulated_day(options.seeds, options.days) if one is None else one(options.root, options.model)
        sys.stdout.write(json.dumps(found) + "\n")
        return
    with tempfile.TemporaryDirectory() as scratch:
        result: dict[str, Any] = {
            "hardware": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
            "load": [round(each, 1) for each in os.getloadavg()],
            "pairs": options.n,
            "model": options.model,
            "bare": apart("bare", prepared(Path(scratch) / "bare", options.n), options),
            "driven": apart("driven", prepared(Path(scratch) / "driven", options.n), options),
            "simulated": apart("day", Path(scratch), options),
        }
    text = json.dumps(result, indent=1)
    (Path(__file__).parent / "results" / f"loop-{options.n}.json").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
