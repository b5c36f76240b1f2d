"""Many processes on one control store: each task is done once, also when a worker is killed in the middle."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from orchestration import tasks
from orchestration.control import Control, books, claims, holding, sessions
from orchestration.tasks import Spec

WORKER = """
import sys, time
from pathlib import Path
from orchestration.control import Control, books, claims, holding

root, name = Path(sys.argv[1]), sys.argv[2]
control = Control.open(root)
idle = 0
while idle < 40:
    claim = claims.claim(control, holder=name, lease_s=0.8)
    if claim is None:
        left = control.value("SELECT count(*) FROM tasks WHERE status <> 'completed'")
        if not left:
            break
        idle += 1
        time.sleep(0.05)
        continue
    idle = 0
    books.observe(control, "calls", 1, about=books.For(task=claim.task))
    if claim.task == "t030" and name == "w0":
        print("stuck", flush=True)
        time.sleep(60)
    holding.progress(control, claim, done=1, total=1)
    holding.complete(control, claim)
    with (root / f"{name}.done").open("a", encoding="utf-8") as out:
        out.write(claim.task + chr(10))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="uses SIGKILL")
def test_four_processes_do_each_task_once_though_one_is_killed(tmp_path: Path) -> None:
    with Control.open(tmp_path) as control:
        for number in range(60):
            tasks.add(control, Spec(f"t{number:03}", needs=(f"t{number - 1:03}",) if number % 5 == 1 else ()))
        # so that the one that will be killed has it
        tasks.edit(control, "t030", priority=1, agent=None)
    start = [sys.executable, "-c", WORKER, str(tmp_path)]
    victim = subprocess.Popen([*start, "w0"], stdout=subprocess.PIPE, text=True, encoding="utf-8")
    assert victim.stdout is not None
    assert victim.stdout.readline() == "stuck\n"
    others = [subprocess.Popen([*start, f"w{number}"]) for number in (1, 2, 3)]
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    assert [worker.wait(timeout=30) for worker in others] == [0, 0, 0]
    done = sorted(line for file in tmp_path.glob("*.done") for line in file.read_text(encoding="utf-8").split())
    assert done == [f"t{number:03}" for number in range(60)]
    with Control.open(tmp_path) as control:
        assert {task.status for task in tasks.listed(control)} == {"completed"}
        assert books.spent(control, "calls") == 61  # the killed one's call counts
        assert [event["task"] for event in control.events(event="lease_expired")] == ["t030"]
        assert control.value("SELECT token FROM leases WHERE task = 't030'") == 2


def test_a_control_store_may_be_made_by_several_at_once(tmp_path: Path) -> None:
    script = "import sys; from orchestration.control import Control; Control.open(sys.argv[1]).event('hello')"
    several = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) for _ in range(4)]
    assert [one.wait(timeout=30) for one in several] == [0] * 4
    with Control.open(tmp_path) as control:
        assert len(control.events(event="hello")) == 4


def test_a_thread_may_send_heartbeats_through_the_same_control_store(tmp_path: Path) -> None:
    with Control.open(tmp_path) as control:
        tasks.add(control, Spec("one", total=500))
        claim = claims.claim(control, holder="h", lease_s=60)
        assert claim is not None
        stop = threading.Event()
        beats: list[int] = []

        def beat() -> None:
            while not stop.is_set():
                holding.heartbeat(control, claim)
                beats.append(1)
                time.sleep(0.001)

        thread = threading.Thread(target=beat)
        thread.start()
        for done in range(1, 501):
            holding.progress(control, claim, done=done)
        stop.set()
        thread.join()
        task = tasks.fetch(control, "one")
        assert (task.done, task.units) == (500, 500)
        assert len(beats) > 5


def test_two_agents_begin_sessions_at_once(tmp_path: Path) -> None:
    with Control.open(tmp_path) as one, Control.open(tmp_path) as other:
        names = {sessions.begin(one, agent="a").name, sessions.begin(other, agent="b").name}
        assert len(names) == 2
