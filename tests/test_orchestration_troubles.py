"""What comes from outside, each a path of its own: a locked store, a full disk, a read-only folder, a clock that jumps,
an agent that vanishes, a limit that is overrun. Nothing is lost or counted twice, and it is said in one line."""

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from virtual import Clock, Fake, ends, miner, queued

from etl.errors import DiskFullError, FencedOffError
from etl.store import Store
from orchestration import session, tasks
from orchestration.checks import store_checks
from orchestration.cli import run
from orchestration.control import Control, holding, sessions
from orchestration.control.standing import flagged
from orchestration.quota import Limit, Quota
from orchestration.session.mine import Miner
from orchestration.session.recover import alive
from orchestration.session.start import DRIVEN, begin, claim_of
from orchestration.session.works import PipelineWorks
from orchestration.workspace import Workspace

HOLD = """
import sys, time
from etl.store import Store
with Store.open(sys.argv[1], write=True) as store, store.exclusive():
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def control(tmp_path: Path, clock: Clock) -> Control:
    return Control.open(tmp_path, now=clock)


def workspace_with_pairs(root: Path, settings: str = "") -> Path:
    """A workspace with one file in its inbox and two tasks on it."""
    assert run(["init", "--quiet", str(root)]) == 0
    (root / "etl.toml").write_text(settings, encoding="utf-8")
    pairs = [{"question": f"What is indicator {i}?", "answer": f"It is number {i} of the set."} for i in range(3)]
    file = root / "inbox" / "session_101.json"
    file.write_text(json.dumps(pairs), encoding="utf-8")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    with Control.open(root) as control:
        tasks.add(control, tasks.Spec("read", kind="ingest+assess", priority=1))
    return root


def mined(root: Path) -> None:
    """Mining goes on to the end, and the books are right."""
    assert run(["mine", "--quiet", "-w", str(root)]) == 0
    with Store.open(root, write=True) as store:
        assert [check for check in store_checks(store) if not check.ok] == []
        rows = store.query("SELECT seq FROM ledger ORDER BY seq").rows()
        assert store.value("SELECT count(*) FROM pairs") == 3
    with Control.open(root) as control:
        assert tasks.fetch(control, "read").status == "completed"
        assert sorted(event["detail"]["seq"] for event in control.events(event="unit")) == [row[0] for row in rows]


@contextmanager
def held(root: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """The store held by a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root), str(seconds)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    """A small file system of its own."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False)
    if done.returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small file system"
)


def test_a_store_locked_by_another_process_is_waited_for(tmp_path: Path) -> None:
    root = workspace_with_pairs(tmp_path / "ws", "[store]\nwait_s = 0.1\n")
    Store.open(root, write=True).close()
    naps: list[float] = []
    with Control.open(root) as control, held(root, 60) as holder:
        workspace = Workspace.at(root)
        works = PipelineWorks(workspace)

        def sleep(seconds: float) -> None:
            naps.append(seconds)
            if len(naps) == 2:
                holder.kill()
                holder.wait()

        one = Miner(control, workspace, works, Quota(control, ()), sleep=sleep, say=lambda _: None, jitter=lambda: 0.5)
        works.tokens = dict  # type: ignore[method-assign]  # of the recovery, which waits by itself
        works.owned = lambda task=None: []  # type: ignore[method-assign]  # the same
        ended = one.mine()
        works.close()
        assert naps == [5.0, 10.0]
        assert ends(ended) == [("read", "done")]
        assert [event["detail"]["attempt"] for event in control.events(event="store_locked")] == [1, 2]
    mined(root)


def test_a_store_that_stays_locked_ends_the_session_saved_and_the_next_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = workspace_with_pairs(tmp_path / "ws", "[store]\nwait_s = 0.1\n")
    monkeypatch.setattr(time, "sleep", lambda _, nap=time.sleep: nap(0.01))
    with Control.open(root) as control, held_when_mining(root, control):
        found = tasks.fetch(control, "read")
        (ended,) = [sessions.get(control, row[0]) for row in control.rows("SELECT session FROM sessions")]
        assert (found.status, ended.state, ended.journal["ending"]["how"]) == ("ready", "wrapped", "interrupted")
    assert "store locked" in capsys.readouterr().err.replace("store_locked", "store locked")
    mined(root)


@contextmanager
def held_when_mining(root: Path, control: Control) -> Iterator[None]:
    """The store is free when mining begins, and held for good from its first unit on."""
    workspace = Workspace.at(root)
    works = PipelineWorks(workspace)
    with held(root, 60):
        works.tokens = dict  # type: ignore[method-assign]  # as if the store had been free at the start
        works.owned = lambda task=None: []  # type: ignore[method-assign]  # the same
        one = Miner(control, workspace, works, Quota(control, ()), sleep=lambda _: None, say=_to_stderr)
        one.mine()
        assert one.trouble is not None
        works.close()
        yield


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


@needs_root
def test_a_full_disk_ends_mining_in_one_line_and_the_next_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mounted(tmp_path / "small", "48m"):
        root = workspace_with_pairs(tmp_path / "small" / "ws")
        Store.open(root, write=True).close()
        Control.open(root).close()
        ballast = root.parent / "ballast"
        with ballast.open("wb") as file:
            try:
                while True:
                    file.write(bytes(65_536))
                    file.flush()
            except OSError:
                pass
        capsys.readouterr()
        assert run(["mine", "-w", str(root)]) == 1
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        assert "full" in told.err or "no room" in told.err
        ballast.unlink()
        mined(root)


@needs_root
def test_a_read_only_folder_ends_mining_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with mounted(tmp_path / "small", "64m"):
        root = workspace_with_pairs(tmp_path / "small" / "ws")
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "small")], check=True)
        capsys.readouterr()
        assert run(["mine", "-w", str(root)]) == 1
        told = capsys.readouterr().err
        assert "Traceback" not in told
        assert "written" in told or "read-only" in told.lower()
        subprocess.run(["mount", "-o", "remount,rw", str(tmp_path / "small")], check=True)
        mined(root)


def test_a_disk_that_fills_in_a_unit_saves_the_session_and_blames_no_task(control: Control, clock: Clock) -> None:
    queued(control, clock, "a")
    works = Fake(clock, {"a": 2})
    works.raising = [DiskFullError("no room for motherlode.duckdb")]
    one = miner(control, works, clock)
    assert ends(one.mine()) == [("a", "interrupted")]
    found = tasks.fetch(control, "a")
    assert control.events(event="notice")[-1]["detail"]["text"] == "mining stopped: disk full"
    assert (found.status, found.errors, one.trouble) == ("ready", 0, "disk full: no room for motherlode.duckdb")
    works.raising = [DiskFullError("no room for motherlode.duckdb")]
    miner(control, works, clock).mine()
    said = [event["detail"]["text"] for event in control.events(event="notice")]
    assert said.count("mining stopped: disk full") == 1  # a service comes again every few minutes
    assert ends(miner(control, works, clock).mine()) == [("a", "done")]


class Jumping(Clock):
    """A wall clock beside the time that passes: `put` moves the one and not the other."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.passed += seconds

    def put(self, hours: float) -> None:
        self.at += timedelta(hours=hours)


@pytest.mark.parametrize("there", [13.0, -13.0])
def test_a_clock_that_jumps_over_a_reset_and_back_frees_no_quota_and_loses_nothing(
    tmp_path: Path, there: float
) -> None:
    clock = Jumping()
    control = Control.open(tmp_path, now=clock)
    queued(control, clock, "a", "b")
    works = Fake(clock, {"a": 6, "b": 6})
    one = miner(control, works, clock, Limit("calls", "calls", 1_000, per="day"), Limit("hours", "hours", 8))
    one.monotonic = lambda: clock.passed
    jumps = {3: there, 6: -there}
    started = clock.passed

    def say(text: str) -> None:
        if text.startswith("  work") and len(works.ledger) in jumps:
            clock.put(jumps.pop(len(works.ledger)))

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.passed - started > 5 * 86_400:
            raise KeyboardInterrupt

    one.say, one.sleep = say, sleep
    with pytest.raises(KeyboardInterrupt):
        one.mine(forever=True)
    assert [tasks.fetch(control, name).status for name in "ab"] == ["completed", "completed"]
    assert len(works.ledger) == 12
    jumped = [event["detail"]["by_s"] / 3600 for event in control.events(event="clock_jumped")]
    assert jumped == pytest.approx([there, -there], abs=0.1)
    assert all(flagged(control, name) is None for name in "ab")  # no hour was worked too many
    spans = [(s.ended - s.started).total_seconds() / 3600 for s in one.ended if s.ended is not None]
    assert max(map(abs, spans)) >= 13  # as the clock has it, and none was taken for an overrun


def test_after_the_clock_was_put_back_what_was_spent_counts_at_once(tmp_path: Path) -> None:
    clock = Jumping()
    control = Control.open(tmp_path, now=clock)
    quota = Quota(control, [Limit("calls", "calls", 1_000, per="day")])
    clock.put(13)
    quota.meter().spend("calls", 700)
    clock.put(-13)
    assert quota.standings()[0].spent == 700


def test_a_retry_waits_as_long_as_it_would_have(tmp_path: Path) -> None:
    clock = Jumping()
    control = Control.open(tmp_path, now=clock)
    queued(control, clock, "a", "b")
    works = Fake(clock, {"a": 1, "b": 3})
    works.failing = {"a": 1}
    one = miner(control, works, clock)
    one.monotonic = lambda: clock.passed

    def say(text: str) -> None:
        if text == "  work: unit 0, 1 of 3":
            clock.put(-9)

    one.say = say
    before = clock.passed
    one.mine()
    assert tasks.fetch(control, "a").status == "completed"
    assert clock.passed - before < 2 * 3600


def test_a_vanished_agent_loses_its_task_and_what_it_still_tries_is_refused(control: Control, clock: Clock) -> None:
    """It hangs on another machine: its process is seen to live, its signs of life have ceased."""
    queued(control, clock, "a")
    works = Fake(clock, {"a": 2})
    gone = begin(control, Quota(control, ()), mode=DRIVEN, holder="etl mine on another machine")
    with alive(control.root, gone.session.name):
        clock.sleep(30)
        assert miner(control, works, clock).mine() == []
        clock.sleep(61)
        assert ends(miner(control, works, clock).mine()) == [("a", "done")]
        with pytest.raises(FencedOffError):
            holding.progress(control, claim_of(control, gone.session), done=1)
    assert [event["detail"]["token"] for event in control.events("a", event="lease_expired")] == [1]
    assert tasks.fetch(control, "a").units == 2


def test_a_failing_unit_is_tried_with_other_parameters_and_the_history_says_so(control: Control, clock: Clock) -> None:
    queued(control, clock, "a")
    works = Fake(clock, {"a": 1})
    works.failing = {"a": 9}
    miner(control, works, clock).mine()
    assert tasks.fetch(control, "a").status == "parked"
    events = [(e["event"], e["detail"].get("batch_size")) for e in control.events("a")]
    assert [size for name, size in events if name == "adjusted"] == [2, 1]
    waits = [e["at"] for e in control.events("a") if e["event"] in ("attempt_failed", "claimed")]
    assert waits == sorted(waits)


def test_the_pipeline_halves_its_batch_and_doubles_its_patience(tmp_path: Path) -> None:
    root = workspace_with_pairs(tmp_path / "ws", '[embed]\nbatch_size = 64\nmodel = "hash"\n[read]\ntimeout_s = 10\n')
    with Control.open(root) as control:
        tasks.add(control, tasks.Spec("both", kind="ingest+embed"))
        with control.transaction() as con:
            con.execute("UPDATE tasks SET attempts = 3 WHERE task = 'both'")
        works = PipelineWorks(Workspace.at(root))
        task = tasks.fetch(control, "both")
        assert works.adjusted(task) == {"batch_size": 16, "timeout_s": 40.0}
        pipeline = works._pipeline(task)
        assert (pipeline.batch_size, pipeline.workspace.settings.read.timeout_s) == (16, 40.0)
        works.close()


def overrun(control: Control, clock: Clock, hours: float) -> sessions.Session:
    """A session whose first unit takes so many of its eight hours."""
    queued(control, clock, "a")
    works = Fake(clock, {"a": 3})
    works.takes = [hours * 3600]
    one = miner(control, works, clock, Limit("hours", "hours", 8))
    ended = one.mine()
    assert tasks.fetch(control, "a").status == "completed"
    assert len(works.ledger) == 3
    return ended[0]


def test_past_the_hard_stop_a_session_wraps_and_its_task_is_marked(control: Control, clock: Clock) -> None:
    ended = overrun(control, clock, 7.3)
    assert ended.state == "wrapped"
    assert "incomplete" not in ended.journal["ending"]
    assert "91.2%" in str(flagged(control, "a"))
    assert any("needs review" in event["detail"]["text"] for event in control.events(event="notice"))


def test_at_panic_the_wrap_is_forced_flagged_incomplete_and_noticed(control: Control, clock: Clock) -> None:
    ended = overrun(control, clock, 7.8)
    steps = ended.journal["wrap"]
    assert list(steps) == ["finish", "state", "snapshot", "commit", "handoff", "queue", "close"]
    assert "97.5%" in ended.journal["ending"]["incomplete"]
    assert (steps["snapshot"]["snapshot"], steps["queue"]["task"]) == (None, "ready")
    levels = {event["detail"]["level"] for event in control.events(event="notice")}
    assert "failure" in levels
    handed = session.handoff(control, ended)
    assert any("incomplete" in problem for problem in handed["problems"])


def test_a_wrap_that_reaches_panic_on_its_way_goes_on_by_the_shortest_way(
    control: Control, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a wrap has begun only the panic rule applies, and it never kills the wrap."""
    queued(control, clock, "a")
    works = Fake(clock, {"a": 9})
    works.takes = [7.0 * 3600]
    one = miner(control, works, clock, Limit("hours", "hours", 8))
    module = importlib.import_module("orchestration.session.wrap")
    slow = module.state

    def state(wrapping: Any) -> dict[str, Any]:
        clock.sleep(0.7 * 3600)  # 87.5% when it began, 96% now
        return slow(wrapping)

    monkeypatch.setattr(module, "state", state)
    one.mine(limit=1)
    ended = one.ended[0]
    assert ended.state == "wrapped"
    assert "96." in ended.journal["ending"]["incomplete"]
    assert ended.journal["wrap"]["queue"]["problem"].startswith("incomplete")


def test_a_session_by_hand_that_reports_panic_is_wrapped_by_force(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    assert run(["init", "--quiet", str(root)]) == 0
    with Control.open(root) as control:
        tasks.add(control, tasks.Spec("a", total=4))
    where = ["--quiet", "-w", str(root)]
    assert run(["session", "start", *where]) == 0
    assert run(["session", "wrap", "--final-tokens", "195000", *where]) == 0
    with Control.open(root) as control:
        assert "97.5%" in str(flagged(control, "a"))
        assert tasks.as_row(control, tasks.fetch(control, "a"))["needs_review"]
        assert run(["task", "review", "a", "--note", "fine", *where]) == 0
        assert flagged(control, "a") is None
        assert run(["task", "review", "a", *where]) == 1
