"""An older snapshot restored in the midst of a task: its work is done again, and the books say what the ledger says."""

import json
import os
from pathlib import Path

import pytest

from etl.store import Store, snapshot
from orchestration import session, tasks
from orchestration.checks import store_checks
from orchestration.cli import run
from orchestration.control import Control, sessions
from orchestration.quota import Quota
from orchestration.session.mine import Miner
from orchestration.session.works import PipelineWorks
from orchestration.workspace import Workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "ws"
    assert run(["init", "--quiet", str(root)]) == 0
    pairs = [{"question": f"What is indicator {i}?", "answer": f"It is number {i} of the set."} for i in range(3)]
    file = root / "inbox" / "session_101.json"
    file.write_text(json.dumps(pairs), encoding="utf-8")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    with Control.open(root) as control:
        tasks.add(control, tasks.Spec("read", kind="ingest+assess+audit+split"))
    return root


def mine(root: Path, *, until: str = "") -> None:
    """Drive the queue; interrupted, and wrapped, after the unit of a job."""

    def say(text: str) -> None:
        if until and text.startswith(f"  {until}:"):
            raise KeyboardInterrupt

    with Control.open(root) as control:
        workspace = Workspace.at(root)
        works = PipelineWorks(workspace)
        try:
            Miner(control, workspace, works, Quota(control, ()), say=say).mine()
        except KeyboardInterrupt:
            assert until
        finally:
            works.close()


@pytest.mark.parametrize(("reached", "foreign"), [("assess", True), ("audit", False)])
def test_after_a_restore_work_goes_on_and_nothing_is_counted_twice(root: Path, reached: str, foreign: bool) -> None:
    """`foreign`: somebody else's unit takes the number of one that was booked and is gone."""
    mine(root, until="ingest")
    oldest = snapshot.listed(root / "snapshots")[0]
    mine(root, until=reached)
    with Store.open(root, write=True) as store:
        snapshot.restore(store, oldest)
        if foreign:
            with store.unit("assess", "by hand") as unit:
                unit.counts["pairs"] = 0
    mine(root)
    with Store.open(root, write=True) as store:
        assert [check for check in store_checks(store) if not check.ok] == []
        rows = store.query("SELECT seq, job, unit, digest FROM ledger ORDER BY seq").rows()
    ours = [row for row in rows if row[2] != "by hand"]
    with Control.open(root) as control:
        found = tasks.fetch(control, "read")
        assert (found.status, found.units) == ("completed", len(ours))
        assert len(control.events(event="unit_lost")) == {"assess": 1, "audit": 2}[reached]
        assert any("took back" in event["detail"]["text"] for event in control.events(event="notice"))
        told = []
        for row in control.rows("SELECT session FROM sessions"):
            handed = session.handoff(control, sessions.get(control, row["session"]))
            told += [seq for unit in handed["done"]["units"] for seq in unit["seqs"]]
    assert sorted(told) == [row[0] for row in ours]
    assert [row[1] for row in ours] == ["ingest", "assess", "audit", "split"]
