"""The stages in their order, each with what is pending and the job that does it; `run` drains them one after another.

A stage knows the store and its settings, never another stage. Where one needs something of a higher room (an encoder,
an index writer) it is handed in here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from etl.errors import SettingsError
from etl.progress import Meter, Pending, Progress, Tally
from orchestration.workspace import CACHE, FOLDERS, Workspace

if TYPE_CHECKING:
    from embeddings.encoder import Encoder
    from etl.ingest import Sessions
    from etl.ingest.sessions import Peeked
    from etl.read import Reader
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
    sessions: str | None = None
    salvage: bool = False
    meter: Meter = field(default_factory=Tally)
    peeked: Peeked = field(default_factory=dict)
    scratch: Path | None = None

    @cached_property
    def encoder(self) -> Encoder:
        """The model of this run; weights are loaded when the first text is encoded."""
        from embeddings.encoder import open_encoder

        embed = self.workspace.settings.embed
        path = Path(embed.path) if embed.path and self.model is None else None
        device = (self.device or embed.device) or None
        return open_encoder(self.model or embed.model, path=path, device=device, engine=embed.engine)

    @cached_property
    def chosen(self) -> Sessions | None:
        """Which files `sessions` lets through; None where it was not given."""
        from etl.ingest import Sessions
        from orchestration.control.inputs import session_numbers

        wanted = None if self.sessions is None else frozenset(session_numbers(self.sessions))
        return None if wanted is None else Sessions(wanted, self.store, self.reader, self.peeked)

    @property
    def aliases(self) -> dict[str, str]:
        """What the settings say about names of indicators and categories."""
        from etl.normalise.names import spoken

        said = self.workspace.settings
        return spoken(said.read.aliases | said.indicators.aliases, said.categories.synonyms, said.categories.paths)

    def reader(self) -> Reader:
        """A reader of deliveries under the limits of the settings."""
        from etl.read import Reader

        read = self.workspace.settings.read
        return Reader(timeout_s=read.timeout_s, memory_mb=read.memory_mb)

    @cached_property
    def vectors_recipe(self) -> str:
        """The digest under which this run's vectors are stored."""
        from embeddings import embed

        return embed.recipe(self.encoder).digest

    @property
    def linked(self) -> tuple[str, dict[str, Any]]:
        """The model whose links are stored (else this run's own): the digest of its vectors' recipe, and its sheet.

        `etl resolve` and `etl export` go by it, so that a trial with another model is not taken for the usual one.
        """
        found = self.store.query(
            """
            SELECT DISTINCT model.recipe, model.parameters::VARCHAR AS parameters
            FROM searches s JOIN recipes link USING (recipe)
            JOIN recipes model ON model.recipe = link.parameters->>'encoder'
            WHERE s.method = 'cosine'
            """
        ).rows()
        if len(found) == 1:
            return found[0][0], json.loads(found[0][1])
        from embeddings import embed

        own = embed.recipe(self.encoder)
        return own.digest, dict(own.parameters)

    @property
    def rules(self) -> dict[str, Any]:
        """The settings of `resolve`, with the languages that the model declares and what was calibrated for it."""
        from orchestration import calibrating

        recipe, sheet = self.linked
        languages = sheet["languages"]
        settings = msgspec.structs.asdict(self.workspace.settings.resolve)
        settings |= {"languages": None if languages is None else tuple(languages)}
        by_language = calibrating.thresholds(self.workspace, self.store, model=recipe)
        return settings | ({"by_language": by_language} if by_language else {})

    @property
    def newest_manifest(self) -> dict[str, Any] | None:
        """The manifest of the newest release, as the store remembers it."""
        rows = self.store.query(
            "SELECT manifest::VARCHAR AS m FROM releases ORDER BY length(version) DESC, version DESC LIMIT 1"
        )
        return json.loads(rows.item()) if rows.height else None

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

        read, root = self.workspace.settings.read, self.workspace.root
        ours = [root / name for name in (*FOLDERS, CACHE, "etl.toml") if name != "inbox"]
        options: dict[str, Any] = {"root": root, "aliases": self.aliases, "mappings": read.mappings, "skip": ours}
        options["choose"] = self.chosen and self.chosen.choose
        options["salvage"] = self.salvage

        def job() -> Iterator[Progress]:
            with self.reader() as reader:
                yield from ingest.ingest(
                    self.store,
                    self.paths,
                    meter=self.meter,
                    inbox=self.workspace.inbox,
                    reader=reader.read,
                    unpack=reader.unpack,
                    sender=self.sender,
                    limit=self.limit,
                    scratch=self.scratch,
                    **options,
                )

        return Stage("ingest", lambda: ingest.pending(self.store, self.paths, **options), job)

    def _assess(self) -> Stage:
        from quality import assess

        languages = self.workspace.settings.project.languages
        return Stage(
            "assess",
            lambda: assess.pending(self.store, languages=languages),
            lambda: assess.assess(self.store, meter=self.meter, languages=languages),
        )

    def _embed(self) -> Stage:
        from embeddings import embed

        size = self.batch_size or self.workspace.settings.embed.batch_size
        return Stage(
            "embed",
            lambda: embed.pending(self.store, self.encoder),
            lambda: embed.embed(self.store, self.encoder, meter=self.meter, batch_size=size, limit=self.limit),
        )

    def _link(self) -> Stage:
        from embeddings import link

        floors = msgspec.structs.asdict(self.workspace.settings.link)
        cache = self.workspace.link_cache
        return Stage(
            "link",
            lambda: link.pending(self.store, encoder_recipe=self.vectors_recipe, **floors),
            lambda: link.link(self.store, meter=self.meter, encoder_recipe=self.vectors_recipe, cache=cache, **floors),
        )

    def _resolve(self) -> Stage:
        from etl import resolve

        return Stage(
            "resolve",
            lambda: resolve.pending(self.store, **self.rules),
            lambda: resolve.resolve(self.store, meter=self.meter, **self.rules),
        )

    def _audit(self) -> Stage:
        from quality import audit

        return Stage("audit", lambda: audit.pending(self.store), lambda: audit.audit(self.store, meter=self.meter))

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
        from embeddings.index import write_index
        from etl import export

        wanted: dict[str, Any] = msgspec.structs.asdict(self.workspace.settings.export)
        exports = self.workspace.exports

        def terms() -> dict[str, Any]:
            recipe, sheet = self.linked
            return wanted | {"vectors_recipe": recipe, "model": {"name": sheet["model"], "sha256": sheet["digest"]}}

        return Stage(
            "export",
            lambda: export.pending(self.store, exports, recipe=export.recipe(**terms())),
            lambda: export.export(self.store, exports, meter=self.meter, write_index=write_index, **terms()),
        )

    def _report(self) -> Stage:
        from quality import report

        folder = self.workspace.reports
        return Stage(
            "report",
            lambda: report.pending(self.store, folder, release=self.newest_manifest),
            lambda: report.report(self.store, folder, meter=self.meter, release=self.newest_manifest),
        )

    def _snapshot(self) -> Stage:
        from etl.store import snapshot

        def publish() -> Iterator[Progress]:
            made = snapshot.create(self.store)
            yield Progress("snapshot", made.name, 1, 1)

        return Stage("snapshot", lambda: Pending("snapshot", 1, "copy"), publish)
