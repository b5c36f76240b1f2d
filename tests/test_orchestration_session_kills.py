"""Killed at any named point, the next `etl mine` ends in the same state: no unit twice, none missed, handoffs true."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from etl.store import Store
from etl.store import snapshot as snapshots
from orchestration import tasks
from orchestration.checks import store_checks
from orchestration.cli import run
from orchestration.control import Control, sessions

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples" / "deliveries" / "claude"
KILLER = Path(__file__).parent / "killer.py"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX signal")

SESSION = "orchestration.session"
POINTS = [
    f"{SESSION}.mine.begin:after:1",  # start
    "assess:inside:1",  # unit
    f"{SESSION}.mine.book:before:2",  # committed, not booked
    f"{SESSION}.booking._book:after:1",  # inside the books' transaction
    f"{SESSION}.wrap.finish:after:1",
    f"{SESSION}.wrap.state:after:1",
    f"{SESSION}.wrap.snapshot:after:1",
    f"{SESSION}.wrap.commit:after:1",
    f"{SESSION}.wrap.handoff:after:1",
    "orchestration.grades.write_report:before:1",
    f"{SESSION}.wrap.queue:after:1",
    f"{SESSION}.wrap.close:after:1",
    f"{SESSION}.wrap.publish:before:2",  # wrapped; the commit with the report, the tag and the notice not made
    "orchestration.git.tag:after:1",  # the tag is there, the books do not know
]


def mine(root: Path) -> None:
    """`etl mine`, in this process."""
    assert run(["mine", "--quiet", "-w", str(root)]) == 0


def killed(root: Path, point: str) -> int:
    """`etl mine` in a process of its own, killed at a point; its exit code."""
    command = [sys.executable, str(KILLER), point, "--", "mine", "--quiet", "-w", str(root)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode


def prepared(root: Path) -> Path:
    """A workspace in a repository with two tasks on a few examples."""
    (root / "inbox").mkdir(parents=True)
    for file in sorted(EXAMPLES.glob("*.json"))[:2]:
        (root / "inbox" / file.name).write_bytes(file.read_bytes())
        os.utime(root / "inbox" / file.name, (1_700_000_000, 1_700_000_000))
    with Control.open(root) as control:
        tasks.add(control, tasks.Spec("read", kind="ingest+assess", priority=1))
        tasks.add(control, tasks.Spec("split_them", kind="audit+split", priority=2, needs=("read",)))
    subprocess.run(["git", "-C", str(root), "init", "-q"], check=False)
    return root


def ended(root: Path) -> dict[str, Any]:
    """What must not differ: the ledger's work, the tasks, what is spent, and that every handoff is true."""
    with Store.open(root, write=True) as store:
        assert [check for check in store_checks(store) if not check.ok] == []
        rows = store.query("SELECT seq, job, unit, counts::VARCHAR FROM ledger ORDER BY seq").rows()
    with Control.open(root) as control:
        found = control.rows("SELECT task, status, done, total, units, grade FROM tasks ORDER BY task")
        seqs = [event["detail"]["seq"] for event in control.events(event="unit")]
        open_ = control.value("SELECT count(*) FROM sessions WHERE state IN ('open', 'wrapping')")
        told_of = [
            e["detail"]["text"] for e in control.events(event="notice") if "is completed, grade" in e["detail"]["text"]
        ]
        completed = [event["task"] for event in control.events(event="completed")]
        assert control.value("SELECT count(*) FROM holds") == 0
        names = [row["session"] for row in control.rows("SELECT session FROM sessions")]
    assert sorted(seqs) == [row[0] for row in rows], "a unit was booked twice or not at all"
    assert open_ == 0
    told = []
    for name in names:
        handoff = json.loads((root / "session_handoffs" / f"handoff_{name}.json").read_text(encoding="utf-8"))
        told += [seq for unit in handoff["done"]["units"] for seq in unit["seqs"]]
        for unit in handoff["done"]["units"]:
            sums: dict[str, int] = {}
            for seq, job, _, counts in rows:
                if seq in unit["seqs"]:
                    assert job == unit["job"]
                    for key, value in json.loads(counts).items():
                        sums[key] = sums.get(key, 0) + value
            assert sums == unit["counts"]
        true(root, name, handoff)
    assert sorted(told) == sorted(seqs), "the handoffs do not tell of each unit once"
    reports = sorted(path.name for path in (root / "task_reports").glob("*"))
    tags = subprocess.run(["git", "-C", str(root), "tag"], capture_output=True, check=True, encoding="utf-8").stdout
    assert len([text for text in told_of if text.endswith("completed, grade A")]) == len(set(told_of)) == 2
    assert len(tags.split()) == 2
    return {"ledger": rows, "tasks": [tuple(row) for row in found], "completed": completed, "reports": reports}


def true(root: Path, name: str, handoff: dict[str, Any]) -> None:
    """Each other claim of a handoff, worked out anew: state, task, usage, snapshot and commit."""
    with Control.open(root) as control:
        session = sessions.get(control, name)
        assert (handoff["state"], handoff["task"]["name"]) == (session.state, session.task)
        spent = control.rows(
            """
            SELECT resource, sum(amount) FROM usage WHERE session = ? AND stage <> 'reserved'
            GROUP BY resource HAVING sum(amount) <> 0
            """,
            (name,),
        )
        assert handoff["usage"] == dict(tuple(row) for row in spent)
    if handoff["snapshot"] is not None:
        snapshots.verify(snapshots.find(root / "snapshots", handoff["snapshot"]))
    if handoff["commit"] is not None:
        shown = ["git", "-C", str(root), "show", "--format=%B", "--name-only", handoff["commit"]]
        text = subprocess.run(shown, capture_output=True, check=True, encoding="utf-8").stdout
        assert f"Motherlode-Session: {name}" in text
        assert f"session_handoffs/handoff_{name}.json" in text


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = prepared(tmp_path_factory.mktemp("undisturbed") / "ws")
    mine(root)
    state = ended(root)
    assert [row[1] for row in state["tasks"]] == ["completed", "completed"]
    return state


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_session_goes_on_to_the_same_end(point: str, tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    root = prepared(tmp_path / "ws")
    assert killed(root, point) == -9, f"mining was never at {point}"
    mine(root)
    assert ended(root) == undisturbed
