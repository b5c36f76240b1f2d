"""Names of targets in; inputs fed under coverage with atheris, those that fail kept as files, one line a target out.

    python tests/fuzz/run.py --runs 1000000 --found found/      # all targets, one process each
    python tests/fuzz/run.py yaml xml --seconds 30

Atheris needs Linux and comes with the extra `fuzz`. Exit code 1 when an input failed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
HANG_S = 10  # of wall time: a busy machine is slow, a hang is for ever. Processor time is held to one second
LONGEST = 4096  # bytes of an input


def main() -> int:
    """Run each target in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=0, help="stop a target after so long; 0 is never")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        _feed(options.targets[0], options.runs, options.seconds, options.found)
        return 0
    options.found.mkdir(parents=True, exist_ok=True)
    failed = [name for name in options.targets or _names() if not _run(name, options)]
    print(f"failed: {', '.join(failed)}" if failed else "no input failed")
    return 1 if failed else 0


def _names() -> list[str]:
    sys.path.insert(0, str(HERE))
    from targets import TARGETS

    return list(TARGETS)


def _run(name: str, options: argparse.Namespace) -> bool:
    command = [sys.executable, __file__, name, "--inside", "--found", str(options.found)]
    command += ["--runs", str(options.runs), "--seconds", str(options.seconds)]
    done = subprocess.run(command, capture_output=True, check=False)
    said = done.stderr.decode("utf-8", "replace")
    counts = re.findall(r"^#(\d+)\s+(?:DONE|\w+)\s+cov: (\d+)|Done (\d+) runs in (\d+) second", said, re.MULTILINE)
    inputs = max((int(number) for row in counts for number in (row[0], row[2]) if number), default=0)
    covered = max((int(row[1]) for row in counts if row[1]), default=0)
    seconds = next((row[3] for row in reversed(counts) if row[3]), "?")
    print(f"{name:15} {inputs:>9,} inputs in {seconds} s, {covered} edges, {'ok' if not done.returncode else 'FAILED'}")
    if done.returncode:
        (options.found / f"{name}.log").write_text(said[-20_000:], encoding="utf-8")
    sys.stdout.flush()
    return done.returncode == 0


def _feed(name: str, runs: int, seconds: int, found: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["etl"]):
        sys.path.insert(0, str(HERE))
        from targets import TARGETS
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as corpus:
        for i, seed in enumerate(target.seeds):
            Path(corpus, f"seed{i}").write_bytes(seed)
        arguments = [f"-runs={runs}", f"-timeout={HANG_S}", f"-max_len={LONGEST}", "-rss_limit_mb=4096"]
        arguments += [f"-artifact_prefix={found.absolute()}/{name}-", "-print_final_stats=1"]
        arguments += [f"-max_total_time={seconds}"] if seconds else []
        atheris.Setup([sys.argv[0], *arguments, corpus], target.timed)
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
