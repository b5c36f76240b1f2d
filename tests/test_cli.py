"""The command line as a stranger meets it: options anywhere, one line for a mistake, one JSON object with --json."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etl import Store
from orchestration.cli import hoist, run

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples" / "deliveries"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples after a whole run without a model."""
    root = tmp_path_factory.mktemp("cli") / "ws"
    assert run(["run", str(EXAMPLES), "--model", "hash", "--quiet", "--workspace", str(root)]) == 0
    return root


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_global_options_may_stand_anywhere() -> None:
    assert hoist(["run", "x", "--json", "-w", "ws"]) == ["--json", "-w", "ws", "run", "x"]
    assert hoist(["explain", "--", "--json"]) == ["explain", "--", "--json"]
    assert hoist(["status", "--workspace=ws", "-q"]) == ["--workspace=ws", "--quiet", "status"]


def test_json_is_exactly_one_object_with_the_promised_keys(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "status", "--json", "-w", workspace)
    data = json.loads(out)
    assert code == 0
    assert out.count("\n") == 1
    promised = (
        "pairs kept merged review conflicts withheld rejected flagged embedded occurrences deliveries refused unmapped "
        "categories splits releases goal"
    )
    assert set(promised.split()) <= set(data)
    assert data["pairs"] == sum(data[s] for s in ("kept", "review", "merged", "withheld", "retracted", "undecided"))
    assert all(data["adds_up"].values())


def test_a_second_run_says_that_nothing_is_new_and_makes_no_release(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = json.loads(call(capsys, "status", "--json", "-w", workspace)[1])
    code, out, _ = call(capsys, "run", EXAMPLES, "--model", "hash", "-w", workspace, "--json")
    data = json.loads(out)
    assert code == 0
    assert (data["new"], data["changed"], data["releases"]) == (0, False, before["releases"])
    assert data["seconds"] < 5


def test_strict_exits_3_when_a_file_was_not_read(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "run", EXAMPLES, "--model", "hash", "-w", workspace, "--strict")
    assert code == 3
    assert re.search(r"\d+ files? NOT read: ", out.splitlines()[-1])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "no/such/file.json"], "no/such/file.json"),
        (["run"], "no inbox"),
        (["status"], "etl run"),
        (["run", "x", "--until", "nowhere"], "stages are"),
        (["snapshot", "verify"], "snapshot"),
        (["explain", "something"], "etl run"),
        (["delivery", "list"], "etl run"),
    ],
)
def test_an_ordinary_mistake_gives_one_line_and_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    code, out, err = call(capsys, *arguments, "-w", tmp_path / "ws")
    assert code == 1
    assert out == ""
    assert told in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["nonsense"], ["run", "--nonsense"], ["embed", "--batch-size", "0"]])
def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert call(capsys, *arguments)[0] == 2


def test_every_command_is_documented() -> None:
    """docs/commands.md names each command, so that none exists which nobody can find."""
    documented = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    from orchestration.cli import app

    names = [command_name(c) for c in app.registered_commands]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        names += [f"{group.name} {command_name(c)}" for c in group.typer_instance.registered_commands]
    assert [name for name in names if f"etl {name}" not in documented] == []


def command_name(command: object) -> str:
    name = getattr(command, "name", None)
    return name or command.callback.__name__.strip("_").replace("_", "-")  # type: ignore[attr-defined]  # typer's CommandInfo


def test_explain_answers_for_text_key_file_and_rejects(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key_sheet = json.loads((ROOT / "examples" / "key.json").read_text(encoding="utf-8"))
    merged = json.loads(call(capsys, "search", "RSI", "--words", "--json", "-w", workspace)[1])["results"][0]
    for what in (merged["key"], merged["key"][:8], merged["question"]):
        code, out, _ = call(capsys, "explain", what, "-w", workspace)
        assert code == 0
        assert merged["question"][:40] in out
    rejected = key_sheet["rejects"][0]["at"]
    code, out, _ = call(capsys, "explain", f"{rejected[0]}:{rejected[1].removeprefix('line:')}", "-w", workspace)
    assert code == 0
    assert "reject" in out


def test_what_a_narrow_terminal_cannot_show_is_replaced_not_fatal(workspace: Path) -> None:
    for encoding in ("cp1252", "ascii"):
        done = subprocess.run(
            [sys.executable, "-m", "orchestration", "search", "RSI", "--words", "-w", str(workspace)],
            capture_output=True,
            check=False,
            env={"PYTHONIOENCODING": encoding, "PATH": ""},
        )
        assert done.returncode == 0, done.stderr


def test_doctor_finds_a_changed_release_file(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, "doctor", "-w", workspace)[0] == 0
    copy = tmp_path / "ws"
    shutil.copytree(workspace, copy)
    release = next((copy / "exports").glob("v*/train.csv"))
    release.write_text("altered", encoding="utf-8")
    code, out, _ = call(capsys, "doctor", "-w", copy)
    assert code == 1
    assert "train.csv" in out


@pytest.mark.skipif(os.name != "posix", reason="SIGINT to a child is a POSIX matter")
@pytest.mark.parametrize("delay", [0.7, 2.5])
def test_ctrl_c_exits_130_and_says_how_to_go_on(tmp_path: Path, delay: float) -> None:
    command = [
        sys.executable,
        "-m",
        "orchestration",
        "run",
        str(EXAMPLES),
        "--model",
        "hash",
        "-w",
        str(tmp_path / "ws"),
    ]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    time.sleep(delay)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    if child.returncode != 0:  # a fast machine may be through by then
        assert child.returncode == 130
        assert b"same command" in err
        assert b"Traceback" not in err
    assert run([*command[3:], "--quiet"]) == 0


def test_a_store_that_another_process_holds_is_an_error_with_a_name(
    workspace: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    copy = tmp_path / "ws"
    shutil.copytree(workspace, copy)
    (copy / "etl.toml").write_text("[store]\nwait_s = 0.2\n", encoding="utf-8")
    with Store.open(copy, write=True) as store, store.unit("test", "held"):
        code, _, err = call(capsys, "run", EXAMPLES, "--model", "hash", "-w", copy)
        assert code == 1
        assert f"process {os.getpid()}" in err
        assert call(capsys, "status", "-w", copy)[0] == 0, "readers are not kept out"


def test_files_without_pairs_make_no_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "paper.pdf").write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n")
    code, out, _ = call(capsys, "run", tmp_path / "in", "--model", "hash", "-w", tmp_path / "ws")
    assert code == 0
    assert "nothing to release" in out
    assert "1 file NOT read" in out
    assert not (tmp_path / "ws" / "exports").exists()


def test_an_unmapped_file_names_the_next_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["Was ist das,Eine ganz lange Antwort mit vielen Worten", "Noch ein Text,Andere Antwort die auch lang ist"]
    rows.append("Dritte Zeile,Weitere lange Antwort ohne Sinn und Verstand")
    (tmp_path / "odd.csv").write_text("\n".join(["col_a,col_b", *rows]), encoding="utf-8")
    _, out, _ = call(capsys, "run", tmp_path / "odd.csv", "--model", "hash", "-w", tmp_path / "ws")
    assert "(unmapped)\n'etl mapping list'" in out


def test_a_retracted_delivery_leaves_the_next_release_and_comes_back(
    workspace: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    copy = tmp_path / "ws"
    shutil.copytree(workspace, copy)
    with Store.open(copy) as store:
        before = store.query("SELECT key, status, survivor FROM decisions ORDER BY key")
        which, only = store.query(
            """
            SELECT d.delivery, count(*) FROM deliveries d JOIN occurrences o USING (delivery)
            JOIN pairs p ON p.key = o.key AND p.occurrences = 1 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1
            """
        ).row(0)
    assert call(capsys, "delivery", "retract", which[:12], "-w", copy)[0] == 0
    assert call(capsys, "run", EXAMPLES, "--model", "hash", "-w", copy)[0] == 0
    with Store.open(copy) as store:
        assert store.value("SELECT count(*) FROM decisions WHERE status = 'retracted'") == only
        assert store.value("SELECT count(*) FROM kept_pairs WHERE occurrences = 0") == 0
    assert call(capsys, "delivery", "restore", which[:12], "-w", copy)[0] == 0
    assert call(capsys, "run", EXAMPLES, "--model", "hash", "-w", copy)[0] == 0
    with Store.open(copy) as store:
        assert store.query("SELECT key, status, survivor FROM decisions ORDER BY key").equals(before)


def test_undo_keeps_both_and_withdrawing_it_restores_the_merge(
    workspace: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    copy = tmp_path / "ws"
    shutil.copytree(workspace, copy)
    with Store.open(copy) as store:
        before = store.query("SELECT * FROM decisions ORDER BY key")
        key = store.query("SELECT min(key) AS key FROM decisions WHERE status = 'merged'").item()
    assert call(capsys, "undo", key[:10], "--who", "tester", "-w", copy)[0] == 0
    assert call(capsys, "resolve", "-w", copy)[0] == 0
    with Store.open(copy) as store:
        assert store.query("SELECT status FROM decisions WHERE key = ?", [key]).item() == "kept"
    assert call(capsys, "override", "withdraw", "1", "-w", copy)[0] == 0
    assert call(capsys, "resolve", "-w", copy)[0] == 0
    with Store.open(copy) as store:
        assert store.query("SELECT * FROM decisions ORDER BY key").equals(before)


def test_sums_hold_while_a_later_stage_is_pending(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "ws"
    assert call(capsys, "run", EXAMPLES / "droid", "--model", "hash", "-w", root)[0] == 0
    code, out, _ = call(capsys, "run", EXAMPLES / "zai", "--model", "hash", "--until", "resolve", "-w", root)
    assert code == 0
    assert "DOES NOT ADD UP" not in out
    assert call(capsys, "snapshot", "create", "-w", root)[0] == 0
    assert all(json.loads(call(capsys, "status", "--json", "-w", root)[1])["adds_up"].values())


def test_readers_see_what_was_restored(workspace: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    root = tmp_path / "ws"
    assert call(capsys, "run", EXAMPLES / "droid", "--model", "hash", "-w", root)[0] == 0
    before = json.loads(call(capsys, "status", "--json", "-w", root)[1])
    assert call(capsys, "run", EXAMPLES / "zai", "--model", "hash", "-w", root)[0] == 0
    assert call(capsys, "snapshot", "restore", before["snapshot"], "-w", root)[0] == 0
    assert json.loads(call(capsys, "status", "--json", "-w", root)[1])["pairs"] == before["pairs"]
    (root / "motherlode.duckdb").unlink()
    assert call(capsys, "doctor", "-w", root)[0] == 1


def test_a_folder_that_does_not_exist_is_one_line(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "rejects", "export", "no/such/folder/x.jsonl", "-w", workspace)
    assert code == 1
    assert len(err.strip().splitlines()) == 1
