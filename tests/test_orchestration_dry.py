"""A dry run: nothing is written, and its figures are those of the real run afterwards."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestration import dry, runs
from orchestration.cli import run
from orchestration.workspace import Workspace, init

EXAMPLES = Path(__file__).parents[1] / "examples" / "deliveries"
FIRST = ["droid/session_101_rsi.json", "droid/session_108_interrupted.json", "claude/shared_export.jsonl"]
THEN = [EXAMPLES / name for name in ("claude", "droid/session_103_trend.json", "zai/institutional_derivatives.csv")]
POOR = {
    "question": "Why do miners sell after a halving?",
    "answer": "Their income in coins is cut in half, so some of them have to sell to pay for power and machines.",
}
KEPT_CATEGORY = {"question": "What does the RSI measure over its period?", "answer": "The speed of price changes.",
                 "category": "momentum"}  # fmt: skip


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Fail where any byte, name or time of change below a folder is another one afterwards."""

    def seen() -> dict[str, Any]:
        return {
            str(path.relative_to(folder)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            if path.is_file()
            else ""
            for path in sorted(folder.rglob("*"))
        }

    before = seen()
    yield
    assert seen() == before


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a part of the examples in its store and release."""
    root = tmp_path_factory.mktemp("dry") / "mine"
    init(root)
    (root / "inbox" / "poor.json").write_text(json.dumps([POOR]))
    paths = [root / "inbox", *(EXAMPLES / name for name in FIRST)]
    runs.run_path(Workspace.at(root), paths, model="hash", until="resolve")
    return Workspace.at(root)


@pytest.mark.parametrize("published", [True, False], ids=["from the snapshot", "from the live store"])
def test_the_real_run_brings_what_the_dry_run_foretold(tmp_path: Path, published: bool) -> None:
    root = tmp_path / "mine"
    init(root)
    mine = Workspace.at(root)
    runs.run_path(mine, [EXAMPLES / name for name in FIRST], model="hash", until="resolve")
    if published:
        assert run(["-w", str(root), "snapshot", "create"]) == 0
    before = runs.status(mine).data
    with untouched(root):
        told = dry.foresee(mine, THEN, semantic=True, model="hash")
    real = runs.run_path(mine, THEN, model="hash", until="resolve")
    totals = told["totals"]
    assert (totals["new"], totals["duplicates"]) == (real.data["new"], real.data["duplicates"])
    assert totals["rejects"] == real.data["rejected"] - before["rejected"]
    assert totals["conflicts"] == real.data["conflicts"] - before["conflicts"] > 0
    with mine.store(write=True) as store:
        now = {row["path"]: row for row in store.query("SELECT * FROM deliveries").to_dicts()}
        statuses = dict(
            store.query("SELECT status, count(*) FROM decisions JOIN pairs USING (key) GROUP BY 1").iter_rows()
        )
    for row in told["files"]:
        if row["state"] != "known":
            assert {name: row[name] for name in ("records", "new", "duplicates", "rejects")} == {
                name: now[row["path"]][name] for name in ("records", "new", "duplicates", "rejects")
            }
    assert told["improves"]["standing"]["after"] == statuses["kept"] + statuses["review"]
    assert totals["near"] > 0
    assert sum(row["near"] for row in told["files"]) == totals["near"]
    assert sum(row["conflicts"] for row in told["files"]) == totals["conflicts"]


def test_a_second_dry_run_knows_all_files(workspace: Workspace) -> None:
    with untouched(workspace.root):
        told = dry.foresee(workspace, [EXAMPLES / name for name in FIRST])
    assert set(told["totals"]["files"]) <= {"known"}
    assert {name: told["totals"][name] for name in dry.FIGURES} == dict.fromkeys(dry.FIGURES, 0)


def test_what_a_batch_improves_is_said(workspace: Workspace, tmp_path: Path) -> None:
    with workspace.store() as store:
        kept = store.query(
            "SELECT question, answer FROM pairs WHERE length(answer) > 80 ORDER BY key LIMIT 1"
        ).row(0, named=True)  # fmt: skip
    rows = [
        {"question": kept["question"], "answer": kept["answer"], "phrasings": ["Said in another way?"]},
        {"question": "How is a harvest moon told from others?", "answer": "It rises near the equinox of autumn.",
         "category": "astronomy", "indicator": "Moon"},
        KEPT_CATEGORY,
    ]  # fmt: skip
    (tmp_path / "batch.json").write_text(json.dumps(rows))
    improves = dry.foresee(workspace, [tmp_path / "batch.json"])["improves"]
    assert improves["categories"]["lacking"] == {"astronomy": [0, 1]}
    assert improves["indicators"]["lacking"] == {"Moon": [0, 1]}
    assert improves["standing"]["after"] == improves["standing"]["before"] + 2


def test_a_better_graded_survivor_is_said_to_replace(workspace: Workspace, tmp_path: Path) -> None:
    better = POOR | {"answer": POOR["answer"] + " They have to."}
    better |= {"category": "onchain", "indicator": "Miners", "sources": ["https://example.org/a"]}
    (tmp_path / "better.json").write_text(json.dumps([better]))
    told = dry.foresee(workspace, [tmp_path / "better.json"])
    assert told["near"] == {}
    with workspace.store() as store:
        (key,) = store.query("SELECT key FROM pairs WHERE question = ?", [POOR["question"]])["key"]
    assert [row["key"] for row in told["improves"]["replaced"]] == [key]


def test_states_of_files_that_bring_nothing(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([KEPT_CATEGORY]))
    (tmp_path / "b.json").write_bytes((tmp_path / "a.json").read_bytes())
    (tmp_path / "c.json.part").write_text("[")
    (tmp_path / "d.json").write_text("[1")
    rows = dry.foresee(workspace, [tmp_path])["files"]
    assert [row["state"] for row in rows] == ["new", "copy", "arriving", "refused"]


def test_the_command_prints_a_table_and_one_object_and_needs_no_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(tmp_path)
    capsys.readouterr()
    where = ["-w", str(tmp_path), "ingest", "--dry-run", str(EXAMPLES / "droid")]
    with untouched(tmp_path):
        assert run(where) == 0
        text = capsys.readouterr().out
        assert run([*where, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "session_101_rsi.json" in text
    assert "dry run, nothing was written: 7 new, 1 refused" in text
    assert told["totals"]["files"] == {"new": 7, "refused": 1}
    assert run(["-w", str(tmp_path), "ingest", "--dry-run", str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_files_that_another_synonym_reads_again_are_told_apart_from_new_ones(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    init(root)
    (root / "inbox" / "rsi.json").write_text(json.dumps([KEPT_CATEGORY]))
    (root / "inbox" / "poor.json").write_text(json.dumps([POOR]))
    runs.run_path(Workspace.at(root), (), model="hash", until="ingest")
    settings = root / "etl.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + '\n[categories.synonyms]\nmomentum = "speed"\n')
    (root / "inbox" / "more.json").write_text(json.dumps([KEPT_CATEGORY | {"question": "And why is that so?"}]))
    told = dry.foresee(Workspace.at(root), [root / "inbox"])
    states = {row["path"]: (row["state"], row["new"]) for row in told["files"]}
    assert states == {
        "inbox/more.json": ("new", 1), "inbox/poor.json": ("known", 0), "inbox/rsi.json": ("read again", 0),
    }  # fmt: skip
    assert told["totals"]["new"] == 1
    why = "with names that the settings change"
    assert told["again"] == {"files": 1, "why": {why: 1}, "new": 0, "gone": 0}
    assert f"1 known files would be read again (1 {why}): 0 pairs more, 0 fewer" in dry.text(told, semantic=False)
