"""In a workspace that may not be written to, everything that only looks works; what writes says so in one line."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.cli import run
from orchestration.runs import run_path
from orchestration.workspace import Workspace, init

PAIRS = [
    {"question": f"What is thing {i}?", "answer": f"Thing {i} is made of wood, {i} parts of it."} for i in range(3)
]
LOOKS = [
    ["status"], ["inbox"], ["delivery", "list"], ["rejects", "list"], ["mapping", "list"], ["conflict", "list"],
    ["override", "list"], ["review", "list"], ["calibrate", "--show"], ["doctor"], ["snapshot", "list"],
    ["snapshot", "verify"], ["ingest", "--dry-run"], ["explain", "What is thing 1?"], ["search", "--words", "thing"],
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with a release, read-only: as root by a mount, for root may write whatever the modes say."""
    root = tmp_path_factory.mktemp("read_only") / "mine"
    init(root)
    (root / "inbox" / "a.json").write_text(json.dumps(PAIRS), encoding="utf-8")
    run_path(Workspace.at(root), (), model="hash")
    mounted = os.geteuid() == 0
    if mounted:
        for options in (["--bind"], ["-o", "remount,bind,ro"]):
            target = [str(root), str(root)] if options == ["--bind"] else [str(root)]
            done = subprocess.run(["mount", *options, *target], capture_output=True, check=False)
            if done.returncode:
                subprocess.run(["umount", str(root)], capture_output=True, check=False)
                pytest.skip(
                    f"root may write everywhere, and no mount is permitted here: {done.stderr.decode().strip()}"
                )
    else:
        for path in (root, *(one for one in root.rglob("*") if one.is_dir())):
            path.chmod(0o555)
    try:
        yield root
    finally:
        if mounted:
            subprocess.run(["umount", str(root)], check=True)
        else:
            for path in (root, *(one for one in root.rglob("*") if one.is_dir())):
                path.chmod(0o755)


@pytest.mark.parametrize("command", LOOKS, ids=" ".join)
def test_what_only_looks_works(folder: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--workspace", str(folder)]) == 0, capsys.readouterr().err


def test_the_live_store_is_looked_at_and_not_a_snapshot(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json", "--workspace", str(folder)]) == 0
    checks = {row["check"]: row["finding"] for row in json.loads(capsys.readouterr().out)["checks"]}
    assert "chain unbroken" in checks["ledger"]
    with Workspace.at(folder).live() as store:
        assert store.snapshot is None
        assert store.value("SELECT count(*) FROM pairs") == 3


@pytest.mark.parametrize("command", [["run"], ["delivery", "retract", "a.json"], ["review", "undo"]], ids=" ".join)
def test_what_writes_says_in_one_line_that_it_cannot(
    folder: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--workspace", str(folder)]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "ead-only" in said or "ermission denied" in said
