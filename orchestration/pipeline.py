"""The stages in their order, each with what is pending and the job that does it; `run` drains them one after another.

A stage knows the store and its settings, never another stage. Where one needs something of a higher room (an encoder,
an index writer) it is handed in here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from etl.errors import SettingsError
from etl.progress import Meter, Pending, Progress, Tally
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from embeddings.encoder import Encoder
    from etl.store import Store

STAGES = ("ingest", "assess", "embed", "link", "resolve", "audit", "split", "export", "report", "snapshot")


class Watcher(Protocol):
    """Sees a run go by: a progress bar, a log, a notebook."""

    def begin(self, pending: Pending) -> None: ...
    def step(self, progress: Progress) -> None: ...
    def end(self, job: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the path. `pending` is cheap; `job` drains what is pending."""

    name: str
    pending: Callable[[], Pending]
    job: Callable[[], Iterator[Progress]]


@dataclass
class Pipeline:
    """The whole path over one workspace. `Pipeline(workspace, store).run()` is what `etl run` does."""

    workspace: Workspace
    store: Store
    paths: Sequence[Path] = ()
    limit: int | None = None
    model: str | None = None
    device: str | None = None
    batch_size: int | None = None
    sender: str | None = None
    meter: Meter = field(default_factory=Tally)

    @cached_property
    def encoder(self) -> Encoder:
        """The model of this run; weights are loaded when the first text is encoded."""
        from embeddings.encoder import open_encoder

        embed = self.workspace.settings.embed
        path = Path(embed.path) if embed.path and self.model is None else None
        return open_encoder(self.model or embed.model, path=path, device=(self.device or embed.device) or None)

    @cached_property
    def vectors_recipe(self) -> str:
        """The digest under which this run's vectors are stored."""
        from embeddings import embed

        return embed.recipe(self.encoder).digest

    def stages(self, until: str | None = None) -> list[Stage]:
        """The stages up to and including `until`; raises `SettingsError` for a name that is none."""
        if until is not None and until not in STAGES:
            raise SettingsError(f"there is no stage {until!r}; the stages are: {', '.join(STAGES)}")
        last = len(STAGES) if until is None else STAGES.index(until) + 1
        return [self.stage(name) for name in STAGES[:last]]

    def stage(self, name: str) -> Stage:
        """One stage by its name."""
        stage: Stage = getattr(self, f"_{name}")()
        return stage

    def run(self, *, until: str | None = None, watcher: Watcher | None = None) -> dict[str, Counter[str]]:
        """Drain the stages in order; returns each one's counts. Stopped anywhere, it goes on when called again."""
        totals: dict[str, Counter[str]] = {}
        for stage in self.stages(until):
            totals[stage.name] = self.drain(stage, watcher=watcher)
        return totals

    def drain(self, stage: Stage, *, watcher: Watcher | None = None) -> Counter[str]:
        """Drain one stage under a watcher."""
        counts: Counter[str] = Counter()
        pending = stage.pending()
        if watcher is not None:
            watcher.begin(pending)
        for progress in stage.job():
            counts.update(progress.counts)
            if watcher is not None:
                watcher.step(progress)
        if watcher is not None:
            watcher.end(stage.name)
        return counts

    def _ingest(self) -> Stage:
        from etl import ingest

        read = self.workspace.settings.read
        options = {"root": self.workspace.root, "inbox": self.workspace.inbox, "aliases": read.aliases}
        return Stage(
            "ingest",
            lambda: ingest.pending(self.store, self.paths, **options),
            lambda: ingest.ingest(
                self.store, self.paths, meter=self.meter, sender=self.sender, limit=self.limit, **options
            ),
        )

    def _assess(self) -> Stage:
        from quality import assess

        languages = self.workspace.settings.project.languages
        return Stage(
            "assess",
            lambda: assess.pending(self.store, languages=languages),
            lambda: assess.assess(self.store, meter=self.meter, languages=languages),
        )

    def _audit(self) -> Stage:
        from quality import audit

        return Stage(
            "audit", lambda: audit.pending(self.store), lambda: audit.audit(self.store, meter=self.meter)
        )

    def _split(self) -> Stage:
        from etl import split

        shares = self.workspace.settings.split
        ratios = (shares.train, shares.validation, shares.test)
        return Stage(
            "split",
            lambda: split.pending(self.store, ratios=ratios),
            lambda: split.split(self.store, meter=self.meter, ratios=ratios),
        )

    def _export(self) -> Stage:
        from etl import export

        wanted = msgspec.structs.asdict(self.workspace.settings.export)
        vectors = {"vectors_recipe": self.vectors_recipe, "model": self._model_sheet()}
        return Stage(
            "export",
            lambda: export.pending(self.store, self.workspace.exports, recipe=export.recipe(**wanted, **vectors)),
            lambda: export.export(
                self.store, self.workspace.exports, meter=self.meter, write_index=_write_index, **wanted, **vectors
            ),
        )

    def _snapshot(self) -> Stage:
        from etl.store import snapshot

        def publish() -> Iterator[Progress]:
            made = snapshot.create(self.store)
            yield Progress("snapshot", made.name, 1, 1)

        return Stage("snapshot", lambda: Pending("snapshot", 1, "copy"), publish)
