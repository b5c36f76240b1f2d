"""A million pairs into a store, side by side with others: wall time and peak memory of whole processes.

    python benchmarks/ingest.py                            # everything, a million pairs
    python benchmarks/ingest.py --rows 100000 --only jsonl,csv
    python benchmarks/ingest.py --peers .venv-peers/bin/python --repeats 3

Ours is `etl ingest`'s own function into a fresh deduplicated store: hashing the file, the strict reading in a child,
repairs, keys, deduplication, both tables, the commit. DuckDB reads with its own reader and inserts, nothing else.
Contestants take turns, so that a busy moment of the machine hits all of them. Results of earlier calls with the same
number of rows stay in benchmarks/results/ingest-<rows>.json unless they are measured again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PEERS = ("duckdb", "datasets", "dlt")
KINDS = ("jsonl", "nested", "csv", "parquet")
COLUMNS = "question VARCHAR, answer VARCHAR, indicator VARCHAR, category VARCHAR, sources VARCHAR"
DLT_ROWS = 100_000  # dlt on Python records takes minutes for a million; its time is scaled, and the result says so


def records(rows: int) -> Iterator[dict[str, Any]]:
    from corpus import pairs

    for pair in pairs(rows):
        pair.pop("planted", None)
        yield pair


def make_files(folder: Path, rows: int) -> dict[str, Path]:
    """The same pairs as JSON lines, one nested JSON text, CSV and parquet; made once a folder."""
    files = {
        "jsonl": folder / f"pairs-{rows}.jsonl",
        "nested": folder / f"pairs-{rows}.json",
        "csv": folder / f"pairs-{rows}.csv",
        "parquet": folder / f"pairs-{rows}.parquet",
    }
    if files["parquet"].exists():
        return files
    import polars as pl

    names = [column.split()[0] for column in COLUMNS.split(", ")]
    with (
        files["jsonl"].open("w", encoding="utf-8", newline="\n") as lines,
        files["nested"].open("w", encoding="utf-8", newline="\n") as nested,
        files["csv"].open("w", encoding="utf-8", newline="") as table,
    ):
        writer = csv.writer(table)
        writer.writerow(names)
        nested.write('{"qa_pairs": [\n')
        for number, pair in enumerate(records(rows)):
            text = json.dumps(pair)
            lines.write(text + "\n")
            nested.write((",\n" if number else "") + text)
            flat = {**pair, "sources": pair["sources"][0]}
            writer.writerow([flat[name] for name in names])
        nested.write("\n]}\n")
    schema = dict.fromkeys(names, pl.String) | {"sources": pl.List(pl.String)}
    pl.scan_ndjson(files["jsonl"], schema=schema).sink_parquet(files["parquet"])  # type: ignore[arg-type]  # classes are types
    return files


# ── contestants: each runs in a process of its own ───────────────────────────────────────────────────────────────


def ours(file: Path, target: Path) -> int:
    from etl.ingest import ingest
    from etl.progress import Tally, drain
    from etl.store import Store

    with Store.open(target, write=True) as store:
        counts = drain(ingest(store, [file], meter=Tally(), root=target))
    if counts["records"] != counts["new"] + counts["duplicates"] + counts["rejects"]:
        raise SystemExit(f"the books do not balance: {dict(counts)}")
    return counts["records"]


def by_duckdb(file: Path, target: Path) -> int:
    import duckdb

    con = duckdb.connect(str(target / "peer.duckdb"), config={"threads": os.cpu_count() or 2})
    sources = "VARCHAR" if file.suffix == ".csv" else "VARCHAR[]"
    con.execute(f"CREATE TABLE pairs ({COLUMNS.replace('sources VARCHAR', f'sources {sources}')})")
    names = "question, answer, indicator, category, sources"
    if file.suffix == ".json":
        largest = file.stat().st_size * 2
        con.execute(
            f"""
            INSERT INTO pairs SELECT p.question, p.answer, p.indicator, p.category, p.sources
            FROM (SELECT unnest(qa_pairs) AS p FROM read_json(?, maximum_object_size = {largest}))
            """,
            [str(file)],
        )
    else:
        reader = {".jsonl": "read_json", ".csv": "read_csv", ".parquet": "read_parquet"}[file.suffix]
        con.execute(f"INSERT INTO pairs SELECT {names} FROM {reader}(?)", [str(file)])
    rows = con.execute("SELECT count(*) FROM pairs").fetchall()[0][0]
    con.close()
    return int(rows)


def by_datasets(file: Path, target: Path) -> int:
    import duckdb
    from datasets import load_dataset

    loaded = load_dataset("json", data_files=str(file), split="train", cache_dir=str(target / "cache"))
    con = duckdb.connect(str(target / "peer.duckdb"))
    con.register("loaded", loaded.data.table)
    con.execute("CREATE TABLE pairs AS SELECT * FROM loaded")
    rows = con.execute("SELECT count(*) FROM pairs").fetchall()[0][0]
    con.close()
    return int(rows)


def by_dlt(file: Path, target: Path) -> int:
    import itertools

    import dlt

    def given() -> Iterator[Any]:
        with file.open(encoding="utf-8") as lines:
            for line in itertools.islice(lines, DLT_ROWS):
                yield json.loads(line)

    pipeline = dlt.pipeline(
        "bench",
        destination=dlt.destinations.duckdb(str(target / "peer.duckdb")),
        dataset_name="bench",
        pipelines_dir=str(target / "dlt"),
    )
    pipeline.run(dlt.resource(given, name="pairs"), write_disposition="append")
    return sum(pipeline.last_trace.last_normalize_info.row_counts.get(name, 0) for name in ("pairs",))


CONTESTANTS = {"ours": ours, "duckdb": by_duckdb, "datasets": by_datasets, "dlt": by_dlt}


# ── measuring ────────────────────────────────────────────────────────────────────────────────────────────────────


def measured(python: str, who: str, file: Path, target: Path) -> dict[str, Any]:
    """Run one contestant as a process; seconds from start to end, and the peak of the memory of its whole tree."""
    started, used = time.perf_counter(), processor()
    process = subprocess.Popen(
        [python, str(HERE / "ingest.py"), "--contestant", who, "--file", str(file), "--target", str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident(process.pid))
        time.sleep(0.02)
    seconds = time.perf_counter() - started
    out, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{who} on {file.name} failed:\n{errors[-2000:]}")
    told = json.loads(out.splitlines()[-1])
    spent = round(processor() - used, 2)  # of both cores; says more than the seconds where others use the machine
    return {"seconds": round(seconds, 2), "processor": spent, "peak_mib": round(peak / 2**20), **told}


def processor() -> float:
    """Processor seconds of all processes that this one has waited for, and of those that they have; 0 on Windows."""
    try:
        import resource
    except ImportError:
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def resident(pid: int) -> int:
    """Bytes of memory of a process and all below it, as Linux counts them; 0 elsewhere."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") + sum(resident(int(child)) for child in below)


def versions(python: str, *names: str) -> dict[str, str]:
    code = f"import json, importlib.metadata as m; print(json.dumps({{n: m.version(n) for n in {names!r}}}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    return dict(json.loads(done.stdout))


def races(only: set[str], peers: str | None) -> list[tuple[str, str, str]]:
    """(race, contestant, file kind) in the order in which they take turns."""
    found = [(kind, who, kind) for kind in KINDS for who in ("ours", "duckdb")]
    if peers is not None:
        found += [("datasets", "datasets", "jsonl"), ("dlt", "dlt", "jsonl")]
    return [race for race in found if not only or race[0] in only]


def run_batch(scratch: Path, files: dict[str, Path], repeats: int) -> list[dict[str, Any]]:
    """10,000 pairs that are new, by another seed, into the store that the whole file made."""
    from corpus import pairs

    base = scratch / "base"
    base.mkdir()
    measured(sys.executable, "ours", files["jsonl"], base)
    found = []
    for number in range(repeats):
        extra = scratch / f"extra-{number}.jsonl"
        with extra.open("w", encoding="utf-8", newline="\n") as lines:
            lines.writelines(json.dumps(pair) + "\n" for pair in pairs(10_000, seed=100 + number))
        found.append(measured(sys.executable, "ours", extra, base))
        sys.stderr.write(f"batch: {found[-1]}\n")
    shutil.rmtree(base)
    return found


def summary(runs: dict[str, list[dict[str, Any]]], rows: int) -> dict[str, Any]:
    """Medians, and our time as a multiple of the other's: below 1 is faster."""

    def median(name: str) -> float | None:
        times = [run["seconds"] * (rows / run["rows"] if name.startswith("dlt") else 1) for run in runs.get(name, [])]
        return round(statistics.median(times), 2) if times else None

    medians = {name: median(name) for name in runs}
    ratios: dict[str, float | None] = {}
    for kind in KINDS:
        own, other = medians.get(f"{kind}/ours"), medians.get(f"{kind}/duckdb")
        ratios[f"{kind}: ours / duckdb"] = round(own / other, 2) if own and other else None
    for peer in ("datasets", "dlt"):
        own, other = medians.get("jsonl/ours"), medians.get(f"{peer}/{peer}")
        ratios[f"{peer} / ours"] = round(other / own, 2) if own and other else None
    peaks = {name: max(run["peak_mib"] for run in found) for name, found in runs.items() if found}
    return {"median_seconds": medians, "ratios": ratios, "peak_mib": peaks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", default="", help=f"of {', '.join((*KINDS, 'datasets', 'dlt', 'batch'))}")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", default=os.environ.get("MOTHERLODE_PEERS"), help="the Python of the peers")
    parser.add_argument("--files", type=Path, help="where the generated files are kept; unset, a temporary folder")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--target", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        rows = CONTESTANTS[options.contestant](options.file, options.target)
        sys.stdout.write(json.dumps({"rows": rows}) + "\n")
        return
    default = HERE.parent / ".venv-peers" / "bin" / "python"
    peers = options.peers or (str(default) if default.exists() else None)
    only = {name for name in options.only.split(",") if name}
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        folder = options.files or scratch
        folder.mkdir(parents=True, exist_ok=True)
        files = make_files(folder, options.rows)
        run_all(options, only, peers, scratch, files)


def run_all(
    options: argparse.Namespace, only: set[str], peers: str | None, scratch: Path, files: dict[str, Path]
) -> None:
    """Let the contestants take turns, and save what is known after each turn."""
    runs: dict[str, list[dict[str, Any]]] = {}
    if not only or "batch" in only:
        runs["batch/10,000 into the store"] = run_batch(scratch, files, options.repeats)
    for turn in range(options.repeats):
        for race, who, kind in races(only, peers):
            if who == "dlt" and turn:
                continue
            space = scratch / f"{race}-{who}-{turn}"
            space.mkdir()
            python = peers if who in PEERS and peers else sys.executable
            run = measured(python, who, files[kind], space)
            runs.setdefault(f"{race}/{who}", []).append(run)
            sys.stderr.write(f"{race}/{who}: {run}\n")
            shutil.rmtree(space)
        text = saved(options, peers, files, runs)
    sys.stdout.write(text)


def saved(
    options: argparse.Namespace, peers: str | None, files: dict[str, Path], runs: dict[str, list[dict[str, Any]]]
) -> str:
    """Write the results, with those of earlier calls for what was not measured now; returns the text."""
    target = options.results / f"ingest-{options.rows}.json"
    result = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {"runs": {}}
    result["runs"] |= runs
    result |= summary(result["runs"], options.rows)
    result["rows"] = options.rows
    result["dlt"] = f"measured on {min(DLT_ROWS, options.rows):,} records and scaled to {options.rows:,}"
    result["hardware"] = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    result["file_bytes"] = {kind: file.stat().st_size for kind, file in files.items()}
    result["versions"] = versions(sys.executable, "duckdb", "polars", "pyarrow", "msgspec")
    if peers:
        result["peers"] = versions(peers, "duckdb", "datasets", "dlt", "pyarrow")
    text = json.dumps(result, indent=1) + "\n"
    target.write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    main()
