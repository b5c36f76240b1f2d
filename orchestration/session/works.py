"""Tasks in, units out: what a session drives. `PipelineWorks` runs the stages of the pipeline and shell commands.

The loop knows only `Works`, so that it can run over anything that commits units and can say afterwards which.
"""

from __future__ import annotations

import glob
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from etl.errors import MotherlodeError, StoreLockedError
from etl.ingest.sessions import numbers_in
from etl.progress import Meter, Progress
from orchestration.control import Claim, inputs
from orchestration.control.task import COMMAND, Task
from orchestration.pipeline import Pipeline
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from embeddings.encoder import Encoder
    from etl.ingest.sessions import Peeked
    from etl.store import Store

SIGHTING = "sighting"  # a unit of ingest that met only known files
# what a stage's items are, as its rows of the ledger count them
ITEMS = {
    "ingest": "files", SIGHTING: "files", "assess": "pairs", "embed": "texts", "link": "searched",
    "resolve": "changed", "audit": "pairs", "split": "added", "export": "exported", "report": "reports",
}  # fmt: skip
LIMITED = {"ingest": "candidates", "embed": "texts"}  # what a task's --limit counts


@dataclass(frozen=True, slots=True)
class Row:
    """One committed unit, as the ledger has it."""

    seq: int
    job: str
    unit: str
    counts: Mapping[str, int]
    digest: str = ""  # of the row and all before it: after a restore a number comes again, a digest does not
    task: str | None = None  # under whose token it was committed; None: a plain run, or an older store
    token: int | None = None

    @property
    def items(self) -> int:
        """How many of the task's items it did; a job without a count of its own does one."""
        return self.counts.get(ITEMS[self.job], 0) if self.job in ITEMS else 1


class Works(Protocol):
    """What a session needs of the work itself."""

    def missing(self, task: Task) -> str | None:
        """In words what a task has not got to work on yet; None when it can work."""

    def units(self, task: Task, claim: Claim, meter: Meter, had: Mapping[str, Mapping[str, int]]) -> Iterator[Progress]:
        """Do the task, a unit each step; `had` is what its round has done, the sums of the counts of each job."""

    def mark(self) -> int:
        """The newest row of the ledger."""

    def rows(self, task: Task, after: int) -> list[Row]:
        """The rows of the ledger after one, of the jobs that a task runs."""

    def owned(self, after: int) -> list[Row]:
        """The rows of the ledger after one that were committed under a task's token, by number."""

    def digests(self, seqs: Sequence[int]) -> Mapping[int, str]:
        """The chain digests of rows of the ledger, of those that are there."""

    def tokens(self) -> Mapping[str, int]:
        """The fencing tokens that the store has seen."""

    def query(self, sql: str) -> object:
        """The first value of a query on the store; None where it has no row."""

    def adjusted(self, task: Task) -> Mapping[str, Any]:
        """What is done otherwise at this attempt than at the first, by name; empty at the first."""

    def arrived(self) -> list[str]:
        """Files that wait in the inbox, as patterns below the workspace."""

    def close(self) -> None:
        """Let go of the store until it is used again."""


class CommandFailedError(MotherlodeError):
    """A task's command ended with another code than 0."""


class PipelineWorks:
    """The stages of the pipeline over one workspace; each unit carries the task's fencing token."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._encoders: dict[tuple[Any, ...], Encoder] = {}
        self._peeked: Peeked = {}
        self._idle: dict[str, int] = {}  # tasks for which nothing was pending, and at which row of the ledger

    @cached_property
    def store(self) -> Store:
        """The live store; made where there is none."""
        return self.workspace.store(write=True)

    @property
    def _there(self) -> bool:
        return (self.workspace.root / inputs.STORE).exists()

    def missing(self, task: Task) -> str | None:
        """Files first, then what the stages have pending. A task that did anything is sent back to wait only for the
        sessions of its range that have no file yet."""
        if task.units or task.done:
            return self._absent(task)
        lacking = inputs.missing(task, self.workspace.root)
        if lacking is not None or not task.stages or not self._there:
            return lacking
        try:
            if task.stages[0] == "ingest":
                ready = bool(self._pipeline(task).stage("ingest").pending())
            elif not self.store.value("SELECT count(*) FROM pairs"):
                return "the store is empty: nothing was ingested"
            else:
                ready = self._pending(task)
        except StoreLockedError:  # busy is not empty: whoever claims the task waits for the store
            return None
        return None if ready else f"nothing is pending for {task.kind}"

    def _absent(self, task: Task) -> str | None:
        if not inputs.ranged(task) or not self._there:
            return None
        try:
            if self._pipeline(task).stage("ingest").pending():
                return None
            told = self.store.query(
                """
                SELECT DISTINCT source_session FROM occurrences WHERE source_session IS NOT NULL
                UNION SELECT source_session FROM deliveries WHERE source_session IS NOT NULL
                """
            )
        except StoreLockedError:
            return None
        stored = numbers_in([text for (text,) in told.iter_rows()])
        return inputs.absent(task, self.workspace.root, stored=stored)

    def units(self, task: Task, claim: Claim, meter: Meter, had: Mapping[str, Mapping[str, int]]) -> Iterator[Progress]:
        if task.kind == COMMAND:
            yield self._command(task)
            return
        self.store.fence = claim.fence()
        try:
            for name in task.stages:
                limit = task.parameters.get("limit") if name in LIMITED else None
                left = None if limit is None else limit - had.get(name, {}).get(LIMITED[name], 0)
                if left is not None and left <= 0:
                    continue
                if name not in ("ingest", "snapshot") and not self.store.value("SELECT count(*) FROM pairs"):
                    continue
                yield from self._pipeline(task, meter=meter, limit=left).stage(name).job()
        finally:
            self.store.fence = None

    def mark(self) -> int:
        return self.store.value("SELECT max(seq) FROM ledger") if self._there else 0

    def rows(self, task: Task, after: int) -> list[Row]:
        jobs = {*task.stages, SIGHTING} if "ingest" in task.stages else set(task.stages)
        if not self._there or not jobs:
            return []
        return [row for row in self._rows(after) if row.job in jobs]

    def owned(self, after: int) -> list[Row]:
        return [row for row in self._rows(after) if row.task is not None] if self._there else []

    def digests(self, seqs: Sequence[int]) -> Mapping[int, str]:
        if not self._there or not seqs:
            return {}
        return dict(self.store.rows("SELECT seq, digest FROM ledger WHERE list_contains(?, seq)", [list(seqs)]))

    def tokens(self) -> Mapping[str, int]:
        return dict(self.store.rows("SELECT task, token FROM fences")) if self._there else {}

    def query(self, sql: str) -> object:
        rows = self.store.rows(sql)
        return rows[0][0] if rows else None

    def adjusted(self, task: Task) -> Mapping[str, Any]:
        changes: dict[str, Any] = {}
        if task.attempts > 1 and "embed" in task.stages:
            changes["batch_size"] = self._batch_size(task)
        if task.attempts > 1 and "ingest" in task.stages:
            changes["timeout_s"] = self._timeout_s(task)
        return changes

    def arrived(self) -> list[str]:
        from etl import ingest

        inbox = self.workspace.inbox
        if not inbox.is_dir() or not any(inbox.iterdir()):
            return []
        frame = ingest.inbox(self.store if self._there else None, inbox, root=self.workspace.root)
        return [glob.escape(row["path"]) for row in frame.to_dicts() if row["state"] == "new"]

    def close(self) -> None:
        if "store" in self.__dict__:
            self.store.close()

    def _rows(self, after: int) -> list[Row]:
        # asked after each unit: two plain look-ups take 1.0 ms, one with a join and a list of jobs 2.3 ms
        found = self.store.rows(
            "SELECT seq, job, unit, counts::VARCHAR, digest FROM ledger WHERE seq > ? ORDER BY seq", [after]
        )
        tokens = self.store.rows("SELECT seq, task, token FROM unit_tokens WHERE seq > ?", [after]) if found else []
        whose = {seq: (task, token) for seq, task, token in tokens}
        return [
            Row(seq, job, unit, json.loads(counts), digest, *whose.get(seq, (None, None)))
            for seq, job, unit, counts, digest in found
        ]

    def _pending(self, task: Task) -> bool:
        at = self.mark()
        if self._idle.get(task.name) == at:
            return False
        pipeline = self._pipeline(task)
        ready = any(pipeline.stage(name).pending() for name in task.stages)
        if not ready:
            self._idle[task.name] = at
        return ready

    def _pipeline(self, task: Task, *, meter: Meter | None = None, limit: int | None = None) -> Pipeline:
        options = task.parameters
        wanted = options.get("input") or [inputs.INBOX]
        files = inputs.matching([wanted] if isinstance(wanted, str) else wanted, self.workspace.root)
        read = msgspec.structs.replace(self.workspace.settings.read, timeout_s=self._timeout_s(task))
        settings = msgspec.structs.replace(self.workspace.settings, read=read)
        pipeline = Pipeline(
            replace(self.workspace, settings=settings), self.store,
            sorted(files) if task.stages[0] == "ingest" else (), limit=limit,
            model=options.get("model"), device=options.get("device"), sender=options.get("sender"),
            sessions=options.get("sessions"), peeked=self._peeked,
            batch_size=self._batch_size(task),
        )  # fmt: skip
        if meter is not None:
            pipeline.meter = meter
        model = (pipeline.model, pipeline.device)
        if {"embed", "link", "resolve", "export"} & set(task.stages):
            if model in self._encoders:
                pipeline.__dict__["encoder"] = self._encoders[model]
            else:
                self._encoders[model] = pipeline.encoder
        return pipeline

    def _batch_size(self, task: Task) -> int:
        """After each failure half as much at a time: what did not fit into memory may."""
        size: int = task.parameters.get("batch_size") or self.workspace.settings.embed.batch_size
        return max(1, size >> max(0, task.attempts - 1))

    def _timeout_s(self, task: Task) -> float:
        """After each failure a reader gets twice the time."""
        return self.workspace.settings.read.timeout_s * 2.0 ** max(0, task.attempts - 1)

    def _command(self, task: Task) -> Progress:
        command = str(task.parameters["command"])
        self.close()  # it may well be an `etl` that wants the store
        done = subprocess.run(  # noqa: S602 - a shell command that the user wrote for their own workspace
            command, shell=True, cwd=self.workspace.root, check=False, capture_output=True, text=True,
            encoding="utf-8", errors="replace",
        )  # fmt: skip
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "it printed nothing").splitlines()[-1]
            raise CommandFailedError(f"the command ended with {done.returncode}: {last[:200]}")
        return Progress(COMMAND, command[:80], 1, 1)
