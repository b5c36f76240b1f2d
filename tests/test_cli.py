"""The command line as a stranger meets it: options anywhere, one line for a mistake, one JSON object with --json."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert data["seconds"] < 2


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
