"""Workers on one control store, killed at random moments again and again: every effect is there exactly once."""

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shelf import FILE, ITEMS, Shelf, work

from orchestration import tasks
from orchestration.control import Control, books
from orchestration.control.claims import ATTEMPTS

WORKER = Path(__file__).parent / "shelf.py"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX signal")


def queued(root: Path, number: int) -> None:
    """Tasks of three units each; every fifth needs the one before it. No git, no pairs: many small sessions."""
    (root / "etl.toml").write_text("[git]\nenabled = false\n", encoding="utf-8")
    with Control.open(root) as control:
        for n in range(number):
            needs = (f"t{n - 1:05}",) if n % 5 == 4 else ()
            tasks.add(control, tasks.Spec(f"t{n:05}", kind="command", parameters={"command": "true"}, needs=needs))


def effects(root: Path) -> int:
    """How many there are by now."""
    con = sqlite3.connect(root / FILE, timeout=60)
    try:
        return int(con.execute("SELECT count(*) FROM effects").fetchone()[0])
    finally:
        con.close()


def disturbed(root: Path, *, workers: int, kills: int, number: int, seed: int) -> int:
    """Work with workers that are killed as often, each at a moment of its own; returns how many were."""
    rnd = random.Random(seed)
    moments = sorted(rnd.uniform(0, number * ITEMS * 0.95) for _ in range(kills))
    Shelf(root)
    running: list[subprocess.Popen[bytes]] = []
    started = killed = 0
    while killed < kills:
        for process in [one for one in running if one.poll() is not None]:
            assert process.returncode == 0, "a worker failed"
            running.remove(process)
        while len(running) < workers:
            started += 1
            running.append(subprocess.Popen([sys.executable, str(WORKER), str(root), str(seed + started)]))
        if effects(root) >= moments[killed]:
            time.sleep(rnd.uniform(0, 0.1))
            victim = rnd.choice(running)
            victim.kill()
            killed += victim.wait() == -9
            running.remove(victim)
        time.sleep(0.005)
    for process in running:
        assert process.wait(timeout=600) == 0
    return killed


def settled(root: Path, number: int) -> None:
    """What the kills left over is done; parked is only what died in three attempts, and that can be seen."""
    with Control.open(root) as control:
        for _ in range(5):
            work(root, 0)
            for task in tasks.listed(control, status="parked"):
                lost = control.events(task.name, event="lease_expired")
                assert task.reason == "holder_died"
                assert len(lost) >= ATTEMPTS - 1
                tasks.retry(control, task.name)
        assert {task.status for task in tasks.listed(control)} == {"completed"}


def chaos(root: Path, *, number: int, workers: int, kills: int, seed: int) -> None:
    queued(root, number)
    assert disturbed(root, workers=workers, kills=kills, number=number, seed=seed) == kills
    settled(root, number)
    con = sqlite3.connect(root / FILE)
    done = con.execute("SELECT task, item, count(*) FROM effects GROUP BY task, item").fetchall()
    owned = con.execute("SELECT seq, task, token FROM effects ORDER BY seq").fetchall()
    con.close()
    assert sorted(done) == [(f"t{n:05}", item, 1) for n in range(number) for item in range(ITEMS)]
    with Control.open(root) as control:
        units = sorted((e["detail"]["seq"], e["task"], e["session"]) for e in control.events(event="unit"))
        assert [(seq, task) for seq, task, _ in units] == [(seq, task) for seq, task, _ in owned]
        whose = {(r["task"], r["token"]): r["session"] for r in control.rows("SELECT * FROM sessions")}
        assert [session for _, _, session in units] == [whose[task, token] for _, task, token in owned]
        assert books.spent(control, "calls") >= number * ITEMS
        assert control.value("SELECT count(*) FROM holds") == 0
        assert control.value("SELECT count(*) FROM sessions WHERE state IN ('open', 'wrapping')") == 0
        completed = [event["task"] for event in control.events(event="completed")]
        assert sorted(completed) == [f"t{n:05}" for n in range(number)]
    told = []
    for file in (root / "session_handoffs").glob("*.json"):
        handoff = json.loads(file.read_text(encoding="utf-8"))
        told += [seq for unit in handoff["done"]["units"] for seq in unit["seqs"]]
    assert sorted(told) == [seq for seq, _, _ in owned]


def test_three_workers_twenty_kills_two_hundred_tasks(tmp_path: Path) -> None:
    chaos(tmp_path, number=200, workers=3, kills=20, seed=1)


@pytest.mark.torture
def test_four_workers_two_hundred_kills_two_thousand_tasks(tmp_path: Path) -> None:
    chaos(tmp_path, number=2_000, workers=4, kills=200, seed=2)
