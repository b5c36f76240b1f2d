"""Names of targets in; inputs fed under coverage with atheris, those that fail kept as files, one line a target out.

    python tests/fuzz/run.py --runs 1000000 --found found/      # all targets, one process each
    python tests/fuzz/run.py yaml xml --seconds 30
    python tests/fuzz/run.py --results benchmarks/results/fuzz.json    # each target's row of the file is made anew

Atheris needs Linux and comes with the extra `fuzz`. Exit code 1 when an input failed.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from books import record
from tokens import TOKENS

HERE = Path(__file__).resolve().parent
HANG_S = 300  # by the clock: a busy or paused machine is slow, a hang is for ever. Processor time is held to a second
LONGEST = 4096  # bytes of an input


def main() -> int:
    """Run each target in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=0, help="stop a target after so long; 0 is never")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--results", type=Path, help="a JSON file; the rows of these targets are replaced")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        _feed(options.targets[0], options.runs, options.seconds, options.found)
        return 0
    options.found.mkdir(parents=True, exist_ok=True)
    rows = [_run(name, options) for name in options.targets or _names()]
    failed = [row["target"] for row in rows if not row["passed"]]
    print(f"failed: {', '.join(failed)}" if failed else "no input failed")
    return 1 if failed else 0


def _names() -> list[str]:
    from targets import TARGETS

    return list(TARGETS)


def _run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One target's row: inputs, seconds by the clock and of the processor, edges covered, whether all passed."""
    command = [sys.executable, __file__, name, "--inside", "--found", str(options.found)]
    command += ["--runs", str(options.runs), "--seconds", str(options.seconds)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # small frames gain nothing from a pool of threads: waking it took a third of the time of an input
    done = subprocess.run(command, capture_output=True, check=False, env=os.environ | {"POLARS_MAX_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = done.stderr.decode("utf-8", "replace")
    counts = re.findall(r"^#(\d+)\s+(?:DONE|\w+)\s+cov: (\d+)|Done (\d+) runs in (\d+) second", said, re.MULTILINE)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    row = {
        "target": name,
        "inputs": max((int(number) for row in counts for number in (row[0], row[2]) if number), default=0),
        "seconds": next((int(row[3]) for row in reversed(counts) if row[3]), None),
        "processor_seconds": round(processor, 1),
        "edges": max((int(row[1]) for row in counts if row[1]), default=0),
        "passed": done.returncode == 0,
    }
    took = f"{row['seconds'] or '?'} s ({processor:.0f} s of the processor)"
    ended = "ok" if row["passed"] else "FAILED"
    print(f"{name:15} {row['inputs']:>9,} inputs in {took}, {row['edges']} edges, {ended}")
    sys.stdout.flush()
    if done.returncode:
        (options.found / f"{name}.log").write_text(said[-20_000:], encoding="utf-8")
    if options.results is not None:
        record(options.results, row)
    return row


def _feed(name: str, runs: int, seconds: int, found: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["etl"]):
        from targets import TARGETS
    target = TARGETS[name]
    for seed in target.seeds:
        target.run(seed)  # imports are no part of the time of an input
    with tempfile.TemporaryDirectory() as folder:
        tokens, corpus = Path(folder, "tokens"), Path(folder, "corpus")
        tokens.write_text("".join(f'"{_escaped(token)}"\n' for token in TOKENS), encoding="ascii")
        corpus.mkdir()
        for i, seed in enumerate(target.seeds):
            (corpus / f"seed{i}").write_bytes(seed)
        arguments = [f"-runs={runs}", f"-timeout={HANG_S}", f"-max_len={LONGEST}", "-rss_limit_mb=4096"]
        arguments += [f"-artifact_prefix={found.absolute()}/{name}-", "-print_final_stats=1", f"-dict={tokens}"]
        arguments += [f"-max_total_time={seconds}"] if seconds else []
        atheris.Setup([sys.argv[0], *arguments, str(corpus)], target.timed)
        atheris.Fuzz()


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


if __name__ == "__main__":
    sys.exit(main())
