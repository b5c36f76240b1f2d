"""The examples after a whole run with the real model: everything in KEY.md is found, and nothing else."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl import Store
from orchestration.runs import run_path
from orchestration.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples" / "deliveries"
PLANTED: dict[str, Any] = json.loads((ROOT / "examples" / "key.json").read_text(encoding="utf-8"))
NEVER_MERGED = ("look_alikes", "conflicts", "variants")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    workspace = Workspace.at(tmp_path_factory.mktemp("examples") / "ws")
    told = run_path(workspace, [EXAMPLES], say=lambda _: None).text
    (workspace.root / "told.txt").write_text(told, encoding="utf-8")
    with workspace.store() as snapshot:
        yield snapshot


@pytest.fixture(scope="module")
def keys(store: Store) -> dict[tuple[str, str], str]:
    """(file, position) -> key of the pair."""
    rows = store.query("SELECT d.path, o.position, o.key FROM occurrences o JOIN deliveries d USING (delivery)")
    return {(relative(path), position): key for path, position, key in rows.iter_rows()}


def relative(path: str) -> str:
    return path.rpartition("deliveries/")[2]


def planted(kind: str, keys: dict[tuple[str, str], str]) -> list[list[str]]:
    """The groups of one kind as keys."""
    return [[keys[file, position] for file, position, _ in group] for group in PLANTED[kind]]


def test_each_file_gives_what_the_key_says(store: Store) -> None:
    rows = store.query("SELECT path, candidates, rejects, CASE state WHEN 'refused' THEN reason END FROM deliveries")
    found = {relative(path): tuple(rest) for path, *rest in rows.iter_rows()}
    expected = {f: (e["accepted"], e["rejected"], e["refused"]) for f, e in PLANTED["files"].items()}
    assert found == expected


def test_every_rejected_record_is_a_planted_one(store: Store) -> None:
    rows = store.query("SELECT d.path, r.position, r.reason FROM rejects r JOIN deliveries d USING (delivery)")
    found = {(relative(path), position): reason for path, position, reason in rows.iter_rows()}
    assert found == {tuple(r["at"]): r["why"] for r in PLANTED["rejects"]}


def test_exact_duplicates_are_one_pair_and_no_other_record_is(store: Store, keys: dict[tuple[str, str], str]) -> None:
    groups = planted("exact_duplicates", keys)
    assert all(len(set(group)) == 1 for group in groups)
    repeated = store.query("SELECT key FROM pairs WHERE occurrences > 1").to_series().to_list()
    assert sorted(repeated) == sorted(group[0] for group in groups)


def test_near_duplicates_and_paraphrases_are_merged_and_nothing_else_is(
    store: Store, keys: dict[tuple[str, str], str]
) -> None:
    survivor = dict(store.query("SELECT key, survivor FROM decisions").iter_rows())
    groups = planted("near_duplicates", keys) + planted("paraphrases", keys)
    assert [g for g in groups if len({survivor[k] for k in g}) > 1] == []
    merged = set(store.query("SELECT key FROM decisions WHERE status = 'merged'").to_series())
    assert merged <= {k for group in groups for k in group}
    assert len(merged) == sum(len(set(g)) - 1 for g in groups)


@pytest.mark.parametrize("kind", NEVER_MERGED)
def test_what_only_looks_alike_stays_apart(kind: str, store: Store, keys: dict[tuple[str, str], str]) -> None:
    survivor = dict(store.query("SELECT key, survivor FROM decisions").iter_rows())
    assert [g for g in planted(kind, keys) if len({survivor[k] for k in g}) < len(set(g))] == []


def test_the_contradiction_ledger_holds_exactly_the_planted_conflicts(
    store: Store, keys: dict[tuple[str, str], str]
) -> None:
    found = {frozenset(row) for row in store.query("SELECT a, b FROM conflicts").iter_rows()}
    assert found == {frozenset(group) for group in planted("conflicts", keys)}


def test_variants_are_told_apart_from_conflicts(store: Store, keys: dict[tuple[str, str], str]) -> None:
    rows = store.query("SELECT a, b FROM verdicts WHERE verdict = 'variant'")
    found = {frozenset(row) for row in rows.iter_rows()}
    assert {frozenset(group) for group in planted("variants", keys)} <= found


def test_each_planted_flaw_is_flagged_and_no_sound_pair_is(store: Store, keys: dict[tuple[str, str], str]) -> None:
    kinds = {flaw["flag"] for flaw in PLANTED["flags"]}
    rows = store.query("SELECT key, flag FROM flags")
    found = {(key, flag) for key, flag in rows.iter_rows() if flag in kinds}
    assert found == {(keys[tuple(flaw["at"])], flaw["flag"]) for flaw in PLANTED["flags"]}


def test_mojibake_is_repaired_and_the_raw_text_kept(store: Store, keys: dict[tuple[str, str], str]) -> None:
    for file, position, _ in PLANTED["mojibake"]:
        key = keys[file, position]
        raw, repairs = store.query("SELECT raw, repairs FROM occurrences WHERE key = ? AND raw IS NOT NULL", [key]).row(
            0
        )
        assert raw
        assert any("mojibake" in repair for repair in repairs)


def test_the_readme_shows_what_the_command_says(store: Store) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    told = (store.path.parent / "told.txt").read_text(encoding="utf-8").splitlines()
    figures = [line for line in told if not line.startswith(("release", "report"))]
    assert [line for line in figures if line not in readme] == []


def test_the_deliveries_are_what_their_source_gives() -> None:
    """The files are built from examples/pairs; nobody edited one by hand."""
    done = subprocess.run(
        [sys.executable, "examples/make_deliveries.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
