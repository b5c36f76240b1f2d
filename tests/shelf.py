"""A worker that runs the real loop over effects in one SQLite file: `python shelf.py WORKSPACE SEED`.

Every unit appends a row, in one transaction with the task's fencing token, to a table that would show anything done
twice or never. It stands for the store, and is quick enough for thousands of tasks.
"""

import random
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etl.errors import FencedOffError
from etl.progress import Meter, Progress
from orchestration.control import Claim, Control
from orchestration.control.task import Task
from orchestration.quota import Limit, Quota
from orchestration.session.mine import Miner
from orchestration.session.works import Row
from orchestration.workspace import Workspace

FILE = "effects.db"
ITEMS = 3  # units a task
LIMIT = Limit("calls", "calls", 100_000, per="day")


class Shelf:
    """Works whose ledger is a table; each unit takes a few milliseconds."""

    def __init__(self, root: Path, seed: int = 0) -> None:
        self.con = sqlite3.connect(root / FILE, timeout=60, isolation_level=None)
        self.con.execute("PRAGMA journal_mode = WAL")
        self.con.execute("PRAGMA synchronous = NORMAL")
        self.con.execute(
            "CREATE TABLE IF NOT EXISTS effects (seq INTEGER PRIMARY KEY, task TEXT, item INTEGER, token INTEGER)"
        )
        self.con.execute("CREATE TABLE IF NOT EXISTS fences (task TEXT PRIMARY KEY, token INTEGER)")
        self.random = random.Random(seed)

    def missing(self, task: Task) -> str | None:
        return None

    def _done(self, task: Task) -> int:
        return int(self.con.execute("SELECT count(*) FROM effects WHERE task = ?", (task.name,)).fetchone()[0])

    def units(self, task: Task, claim: Claim, meter: Meter, had: Mapping[str, Mapping[str, int]]) -> Iterator[Progress]:
        while (item := self._done(task)) < ITEMS:
            meter.spend("calls")
            time.sleep(self.random.uniform(0, 0.01))
            self.con.execute("BEGIN IMMEDIATE")
            seen = self.con.execute("SELECT token FROM fences WHERE task = ?", (task.name,)).fetchone()
            if seen is not None and seen[0] > claim.token:
                self.con.execute("ROLLBACK")
                raise FencedOffError(f"task {task.name} was taken over")
            self.con.execute("INSERT OR REPLACE INTO fences VALUES (?, ?)", (task.name, claim.token))
            self.con.execute("INSERT INTO effects (task, item, token) VALUES (?, ?, ?)", (task.name, item, claim.token))
            self.con.execute("COMMIT")
            yield Progress("assess", f"{task.name} {item}", item + 1, ITEMS, {"pairs": 1})

    def mark(self) -> int:
        return int(self.con.execute("SELECT coalesce(max(seq), 0) FROM effects").fetchone()[0])

    def _rows(self, where: str, values: Sequence[Any]) -> list[Row]:
        found = self.con.execute(f"SELECT seq, task, item, token FROM effects WHERE {where} ORDER BY seq", values)
        return [Row(seq, "assess", f"{t} {item}", {"pairs": 1}, f"d{seq}", t, token) for seq, t, item, token in found]

    def rows(self, task: Task, after: int) -> list[Row]:
        return self._rows("seq > ? AND task = ?", (after, task.name))

    def owned(self, after: int) -> list[Row]:
        return self._rows("seq > ?", (after,))

    def digests(self, seqs: Sequence[int]) -> Mapping[int, str]:
        return {seq: f"d{seq}" for seq in seqs if 0 < seq <= self.mark()}

    def tokens(self) -> Mapping[str, int]:
        return dict(self.con.execute("SELECT task, token FROM fences").fetchall())

    def query(self, sql: str) -> object:
        return None

    def adjusted(self, task: Task) -> Mapping[str, Any]:
        return {}

    def arrived(self) -> list[str]:
        return []

    def close(self) -> None:
        pass


def work(root: Path, seed: int) -> None:
    """Mine until nothing is ready."""
    with Control.open(root) as control:
        Miner(control, Workspace.at(root), Shelf(root, seed), Quota(control, (LIMIT,)), say=lambda _: None).mine()


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]))
