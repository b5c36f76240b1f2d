"""Looking at a rejected record, and reading again what was rejected or refused."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

import etl
from etl.ingest.mending import MENDS, OTHERWISE, how_to_mend
from etl.ingest.plan import DIED, PARKED
from etl.read.salvaged import REASON
from orchestration import mending, runs
from orchestration.cli import run
from orchestration.workspace import Workspace, init

GOOD = {"question": "What is RSI?", "answer": "An oscillator of momentum between 0 and 100."}
LONG = {"question": "", "answer": "An answer without a question. " * 60}
BROKEN = b'{"question": "What is MACD?", "answer": "A difference \xff\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    init(tmp_path / "mine")
    inbox = tmp_path / "mine" / "inbox" / "droid"
    inbox.mkdir()
    (inbox / "lines.jsonl").write_bytes(json.dumps(GOOD).encode() + b"\n" + BROKEN + json.dumps(GOOD).encode() + b"\n")
    (inbox / "list.json").write_text(json.dumps([GOOD, LONG]))
    (inbox / "columns.csv").write_text("alpha,beta\n" + "".join(f"{n},{n * 7}\n" for n in range(9)))
    runs.run_stage(Workspace.at(tmp_path / "mine"), "ingest")
    return Workspace.at(tmp_path / "mine")


def command(workspace: Workspace, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["-w", str(workspace.root), "--json", *arguments]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_show_gives_bytes_reason_place_recipe_and_advice(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = command(workspace, capsys, "rejects", "list")["rejects"]
    broken = next(row for row in listed if row["path"].endswith("lines.jsonl"))
    shown = command(workspace, capsys, "rejects", "show", broken["id"][:6])
    assert (shown["position"], shown["reason"], shown["file"]) == ("line:2", "broken_json_line", "there")
    assert shown["bytes"] == BROKEN.decode("ascii", "backslashreplace")
    assert "mend this line in a copy" in shown["mend"]
    assert shown["recipe"]["parameters"]["mapping"] == {}
    assert command(workspace, capsys, "rejects", "show", "lines.jsonl:2") == shown


def test_show_gives_the_whole_record_where_the_store_keeps_its_start(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = command(workspace, capsys, "rejects", "show", "list.json:/1")
    assert shown["raw"].endswith("...")
    assert shown["record"] == LONG
    (workspace.inbox / "droid" / "list.json").write_text("[]")
    again = command(workspace, capsys, "rejects", "show", "list.json:/1")
    assert (again["file"], "record" in again, again["raw"]) == ("changed", False, shown["raw"])


@pytest.mark.parametrize("which", ["feed", "abc", "list.json:/7", ""])
def test_show_of_nothing_is_one_line(workspace: Workspace, capsys: pytest.CaptureFixture[str], which: str) -> None:
    assert run(["-w", str(workspace.root), "rejects", "show", which]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def counts(workspace: Workspace) -> tuple[int, int, int]:
    with workspace.store() as store:
        return (
            store.value("SELECT count(*) FROM pairs"),
            store.value("SELECT count(*) FROM occurrences"),
            store.value("SELECT count(*) FROM rejects"),
        )


def test_retry_without_a_change_changes_nothing(workspace: Workspace) -> None:
    before = counts(workspace)
    data = mending.retry(workspace).data
    assert (data["rejects"], data["pairs"], sum(data["left"].values()), data["deliveries"]) == (2, 0, 2, 2)
    assert counts(workspace) == before
    assert runs.run_stage(workspace, "ingest").data["adds_up"] == dict.fromkeys(
        runs.status(workspace).data["adds_up"], True
    )


def test_retry_with_a_mapping_turns_rejects_and_refused_files_into_pairs(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    state = runs.status(workspace).data["not_read"]
    reason = next(row["reason"] for row in state if row["path"].endswith("columns.csv"))
    (workspace.root / "etl.toml").write_text('[read.mappings]\n"columns.csv" = {question = "alpha", answer = "beta"}\n')
    data = command(workspace, capsys, "rejects", "retry", "--reason", reason)
    assert (data["accepted"], data["refused"]) == (["inbox/droid/columns.csv"], 1)
    assert counts(workspace)[0] == 10


def test_retry_says_how_many_turned_into_pairs(workspace: Workspace) -> None:
    """A reader that has become better is stood in for by rejects that an older one had left behind."""
    with workspace.store(write=True) as store, store.unit("test", "an older reader") as unit:
        taken = unit.query("SELECT delivery FROM deliveries WHERE path LIKE '%lines.jsonl'").item()
        unit.execute("DELETE FROM occurrences WHERE delivery = ? AND position = 'line:1'", [taken])
        unit.execute("INSERT INTO rejects VALUES (?, 'line:1', 'no_answer', NULL, '')", [taken])
        unit.execute("UPDATE deliveries SET candidates = 1, new = 0, duplicates = 1, rejects = 2 WHERE delivery = ?",
                     [taken])  # fmt: skip
    data = mending.retry(workspace, reason="no_answer").data
    assert (data["rejects"], data["pairs"], data["left"], data["gone"]) == (1, 1, {}, 0)
    assert counts(workspace) == (1, 3, 2)


def test_retry_says_whose_file_is_gone(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    before = counts(workspace)
    (workspace.inbox / "droid" / "list.json").unlink()
    data = command(workspace, capsys, "rejects", "retry", "--delivery", "inbox/droid/list.json")
    assert (data["lost"], data["deliveries"]) == (["inbox/droid/list.json"], 0)
    assert counts(workspace) == before
    assert run(["-w", str(workspace.root), "rejects", "retry", "--reason", "nonsense"]) == 1
    assert "there are: " in capsys.readouterr().err


def test_a_corrected_file_replaces_its_former_version_and_can_be_taken_back(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace.inbox / "droid" / "list.json"
    path.write_text(json.dumps([{"question": "What is RSI?", "answer": "A momentum oscillator from 0 to 100."}]))
    data = command(workspace, capsys, "delivery", "replace", "inbox/droid/list.json", str(path))
    assert (data["state"], data["left"], data["corrected"]) == ("retracted", 0, "inbox/droid/list.json")
    with workspace.store() as store:
        states = dict(store.query("SELECT delivery, state FROM deliveries WHERE path LIKE '%list.json'").iter_rows())
    assert states == {data["delivery"]: "retracted", data["replaced_by"]: "accepted"}
    assert command(workspace, capsys, "delivery", "restore", data["delivery"])["state"] == "accepted"


def test_a_corrected_file_that_is_not_taken_in_replaces_nothing(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "broken.json").write_text("[{")
    for file in (tmp_path / "broken.json", workspace.inbox / "droid" / "list.json", tmp_path / "nowhere"):
        assert run(["-w", str(workspace.root), "delivery", "replace", "inbox/droid/list.json", str(file)]) == 1
        assert capsys.readouterr().err.strip().count("etl: ") == 1
    with workspace.store(write=True) as store:
        assert store.value("SELECT count(*) FROM deliveries WHERE state = 'retracted'") == 0


# ── advice ───────────────────────────────────────────────────────────────────────────────────────────────────

GIVEN = {"Refusal": 0, "refused": 0, "Barred": 0, "_bar": 1, "ReaderDied": 0, "BadXmlError": 0, "Why": 0, "Reject": 1,
         "reject": 1}  # fmt: skip


def reasons_in_the_code() -> set[str]:
    """Each reason that a file or record can be given, wherever it stands as a literal or as a constant."""
    found = {f"{how}_{side}" for how in ("no", "empty") for side in ("question", "answer")}  # put together in SQL terms
    found |= {
        DIED,
        PARKED,
        REASON,
        "retracted_by_user",
        "field_too_large",
        "joined",
        "no_id",
        "no_partner",
        "duplicate_id",
    }
    for path in (Path(etl.__file__).parent).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                found |= _literals(node.args[GIVEN[name]]) if len(node.args) > GIVEN.get(name, 99) else set()
            elif isinstance(node, ast.Return) and path.name == "archive.py":  # pairs of a reason and evidence
                found |= {
                    word for one in ast.walk(node) if isinstance(one, ast.Tuple) for word in _literals(one.elts[0])
                }
    return found


def _literals(node: ast.expr) -> set[str]:
    if isinstance(node, ast.IfExp):
        return _literals(node.body) | _literals(node.orelse)
    said = isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch("[a-z_]+", node.value)
    return {said[0]} if said else set()


def test_every_reason_that_is_given_has_advice_and_every_advice_a_reason() -> None:
    reasons = reasons_in_the_code()
    assert {"macros", "unsafe_path", "too_many_turns", "no_answer", "broken_xml", "folder_loop"} <= reasons
    assert len(reasons) > 60
    assert sorted(reason for reason in reasons if how_to_mend(reason) == OTHERWISE) == []
    assert sorted(set(MENDS) - reasons) == []


def test_a_refused_file_is_shown_with_its_advice(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    refused = command(workspace, capsys, "delivery", "show", "columns.csv")
    assert (refused["state"], refused["mend"]) == ("refused", MENDS["tabular"])
    assert command(workspace, capsys, "delivery", "show", "list.json")["mend"] is None
