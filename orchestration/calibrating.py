"""A workspace and a person's answers, or a labelled file, in; thresholds for its model and language out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import NotFoundError, SettingsError
from orchestration.settings import named
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

    from etl.calibrate import Answer, Asked, Fit
    from etl.resolve import Rules
    from etl.store import Store
    from orchestration.pipeline import Pipeline

QUESTIONS = 40
WANTED, CONFIDENCE = 0.9, 0.95
ASK = "y the same   n not the same   s skip   u undo   q quit"


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one call came to: the fit of one language, its id where it was stored, and what etl.toml overrules."""

    language: str
    method: str
    fit: Fit
    id: int | None
    overruled: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        return self.fit.to_dict() | {
            "language": self.language, "method": self.method, "stored": self.id, "overruled": self.overruled,
        }  # fmt: skip

    def text(self) -> str:
        """For a person: what was shown, or what is missing."""
        found, share = self.fit, f"{self.fit.right} of {self.fit.answers} right"
        low = _down(found.low)
        bounds = f"{low} to {found.high:.3f}"
        where = f"{self.language}, {self.method}"
        if found.merge is None:
            seen = f"at {found.at:.2f} and above {share} ({bounds}, Clopper-Pearson)" if found.answers else (
                "no pair that was answered could merge by this method"
            )  # fmt: skip
            return (
                f"{where}: a precision of {found.wanted:g} is not shown with {found.confidence:.0%} confidence; "
                f"{seen}. {found.more:,} more right answers, none of them wrong, would show it. Nothing was stored"
            )
        told = (
            f"{where}: merge from {found.merge:.2f}, review from {found.review:.2f}. At {found.merge:.2f} and above "
            f"{share}: the precision lies above {low} with {found.confidence:.0%} confidence ({bounds}, "
            f"Clopper-Pearson on {found.effective:g} effective answers). Stored as calibration {self.id}"
        )
        lines = [told]
        for name, value in self.overruled.items():
            lines.append(f"etl.toml says {name} = {value:g}, and that wins; remove the line to use what was calibrated")
        return "\n".join(lines)


def _down(bound: float) -> str:
    """A lower bound with three decimals, never more than it is."""
    return f"{int(bound * 1000) / 1000:.3f}"


def thresholds(workspace: Workspace, store: Store, *, model: str) -> tuple[tuple[str, str, float], ...]:
    """(language, name, value) of what stands for this model and for words, but for what etl.toml names itself."""
    from etl.calibrate import standing
    from etl.calibrate.books import WORDS

    if store.version < 4:
        return ()  # a snapshot of an older schema: nothing was calibrated yet
    given = named(workspace.root / "etl.toml", "resolve")
    found = []
    for row in standing(store):
        if row["model"] in (model, WORDS):
            names = {f"merge_{row['method']}": row["merge"], f"review_{row['method']}": row["review"]}
            if not given & set(names):  # one of the two by itself could contradict the other
                found += [(row["language"], name, value) for name, value in names.items()]
    return tuple(sorted(found))


@dataclass(slots=True)
class Sitting:
    """One person's way through the questions of a method and language. Each answer is stored as it is given."""

    pipeline: Pipeline
    who: str
    method: str
    language: str
    model: str
    waiting: list[Asked]
    populations: pl.DataFrame

    @classmethod
    def begin(
        cls,
        pipeline: Pipeline,
        *,
        who: str,
        method: str = "cosine",
        language: str | None = None,
        count: int = QUESTIONS,
    ) -> Sitting:
        """Sample pairs; those answered before count towards `count` and are not asked again."""
        from etl.calibrate import answers, questions, strata
        from etl.calibrate.books import WORDS

        store = pipeline.store
        model = pipeline.linked[0] if method == "cosine" else WORDS
        chosen = language or _most_linked(pipeline, method)
        looked, populations = strata(store, rules(pipeline), method=method, language=chosen)
        known = answers(store, model=model, method=method, language=chosen)
        asked = questions(looked, count=count, known=known.select("a", "b").rows())
        return cls(pipeline, who, method, chosen, model, asked, populations)

    def answer(self, asked: Asked, duplicate: bool | None) -> None:
        """Store an answer; None takes it back."""
        from etl.calibrate import answer

        answer(
            self.pipeline.store, model=self.model, method=self.method, language=self.language, a=asked.a, b=asked.b,
            similarity=asked.similarity, mergeable=asked.mergeable, duplicate=duplicate, who=self.who,
        )  # fmt: skip

    def fit(self, *, wanted: float = WANTED, confidence: float = CONFIDENCE, store: bool = True) -> Calibration:
        """Fit all answers to this model, method and language, each standing for its share of the store's pairs."""
        from etl.calibrate import FLOORS, answers, fit

        given = answers(self.pipeline.store, model=self.model, method=self.method, language=self.language)
        found = fit(_weighted(given, self.populations, self.method), floor=FLOORS[self.method], wanted=wanted,
                    confidence=confidence)  # fmt: skip
        about = {"kind": "answers", "answers": given.height}
        return _stored(self.pipeline, found, self.model, self.method, self.language, self.who, about, store=store)


def ask(sitting: Sitting, keys: Iterator[str], say: Callable[[str], None], *, colour: bool = False) -> int:
    """Ask until the questions or the keys are at their end; returns how many were answered now. Ctrl-C is a quit."""
    done: list[Asked] = []
    place, shown = 0, -1
    try:
        while place < len(sitting.waiting):
            asked = sitting.waiting[place]
            if shown != place:
                say(_question(sitting, asked, place, colour=colour))
                shown = place
            key = next(keys, "q")
            if key == "q":
                break
            if key in "yn":
                sitting.answer(asked, key == "y")
                done.append(asked)
                place += 1
            elif key == "s":
                place += 1
            elif key == "u" and done:
                sitting.answer(done[-1], None)
                place = sitting.waiting.index(done.pop())
            else:
                say(f"  {ASK}")
    except KeyboardInterrupt:
        pass
    return len(done)


def from_files(
    pipeline: Pipeline, paths: Sequence[Path], *, who: str, wanted: float = WANTED, confidence: float = CONFIDENCE,
    language: str | None = None, store: bool = True,
) -> list[Calibration]:  # fmt: skip
    """Fit the labelled pairs of some files together, one calibration a language; `language` takes only that."""
    import hashlib

    from etl.calibrate import FLOORS, fit, labelled

    groups: dict[str, list[Answer]] = {}
    for path in paths:
        for name, found in labelled(path, rules(pipeline), _alike(pipeline)).items():
            groups.setdefault(name, []).extend(found)
    named_files = ", ".join(path.name for path in paths)
    chosen = {name: found for name, found in sorted(groups.items()) if language in (None, name)}
    if not chosen:
        raise NotFoundError(f"{named_files} holds no labelled pairs{f' of {language}' if language else ''}")
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    about = {"kind": "file", "name": named_files, "sha256": ", ".join(digests)}
    model = pipeline.vectors_recipe
    return [
        _stored(
            pipeline, fit(given, floor=FLOORS["cosine"], wanted=wanted, confidence=confidence), model, "cosine", name,
            who, about | {"answers": len(given)}, store=store,
        )
        for name, given in chosen.items()
    ]  # fmt: skip


def shown(workspace: Workspace, store: Store, pipeline: Pipeline) -> list[dict[str, Any]]:
    """Every threshold with its value and where it comes from."""
    from etl.calibrate import defaults, standing

    given = named(workspace.root / "etl.toml", "resolve")
    settings = workspace.settings.resolve
    names = ("merge_cosine", "review_cosine", "merge_lexical", "review_lexical")
    rows: list[dict[str, Any]] = [
        {
            "threshold": name, "language": "any", "value": getattr(settings, name),
            "from": "etl.toml" if name in given else f"default: {defaults.told(name)}",
        }
        for name in names
    ]  # fmt: skip
    model = pipeline.linked[0]
    for row in standing(store):
        evidence = row["evidence"]
        used = row["model"] in (model, "words")
        for side in ("merge", "review"):
            name = f"{side}_{row['method']}"
            state = "" if used else "not used, another model: "
            if {f"merge_{row['method']}", f"review_{row['method']}"} & given:
                state = "not used, etl.toml wins: "
            told = f"{evidence['right']} of {evidence['answers']} right, precision above {_down(evidence['low'])}"
            source = f"{state}calibration {row['id']} by {row['who']}: {told}"
            rows.append({"threshold": name, "language": row["language"], "value": row[side], "from": source})
    return rows


def check_method(method: str) -> None:
    """Raise `SettingsError` for a method that is none."""
    from etl.calibrate import FLOORS

    if method not in FLOORS:
        raise SettingsError(f"there is no method {method!r}; known are {', '.join(FLOORS)}")


@contextmanager
def published(store: Store) -> Iterator[None]:
    """What was answered or stored inside is published in a snapshot at the end."""
    from etl.store import snapshot

    before = store.last_seq("calibrate")
    try:
        yield
    finally:
        if store.last_seq("calibrate") != before:
            snapshot.create(store)


def pipeline_of(workspace: Workspace, store: Store, *, model: str | None = None) -> Pipeline:
    """The path over this store, for its model and its rules."""
    from orchestration.pipeline import Pipeline

    return Pipeline(workspace, store, model=model)


def rules(pipeline: Pipeline) -> Rules:
    """The rules of this workspace as `resolve` takes them."""
    from etl.resolve import Rules

    return Rules(**pipeline.rules)


def _stored(
    pipeline: Pipeline, found: Fit, model: str, method: str, language: str, who: str, about: dict[str, Any], *,
    store: bool,
) -> Calibration:  # fmt: skip
    from etl.calibrate import adopt

    number = None
    if found.merge is not None and store:
        number = adopt(pipeline.store, found, model=model, method=method, language=language, who=who, source=about)
    settings = pipeline.workspace.settings.resolve
    given = named(pipeline.workspace.root / "etl.toml", "resolve")
    overruled = {
        name: getattr(settings, name) for name in (f"merge_{method}", f"review_{method}") if name in given
    }  # fmt: skip
    return Calibration(language, method, found, number, overruled)


def _weighted(given: pl.DataFrame, populations: pl.DataFrame, method: str) -> list[Any]:
    """Answers that each stand for the pairs of their band and kind that nobody was asked about as well."""
    from etl.calibrate import Answer, bands

    edges = [low for low, _ in bands(method)]
    rows = []
    for similarity, could, duplicate in given.select("similarity", "mergeable", "duplicate").iter_rows():
        band = max((n for n, low in enumerate(edges) if similarity >= low - 1e-9), default=0)
        rows.append((band, similarity, could, duplicate))
    sizes = {(band, could): n for band, could, n in populations.iter_rows()}
    asked: dict[tuple[int, bool], int] = {}
    for band, _, could, _ in rows:
        asked[band, could] = asked.get((band, could), 0) + 1
    return [
        Answer(
            similarity, duplicate, could, max(sizes.get((band, could), 0.0), asked[band, could]) / asked[band, could]
        )
        for band, similarity, could, duplicate in rows
    ]


def _most_linked(pipeline: Pipeline, method: str) -> str:
    """The language with the most links by this method, of those that the model declares."""
    declared = pipeline.linked[1]["languages"] if method == "cosine" else None
    rows = pipeline.store.query(
        """
        SELECT g.language, count(*) AS n FROM links l JOIN grades g ON g.key = l.a WHERE l.method = ?
        GROUP BY g.language ORDER BY n DESC, g.language
        """,
        [method],
    ).rows()
    found = [language for language, _ in rows if declared is None or language in declared]
    if not found:
        known = f"the model declares {', '.join(declared) or 'none'}" if declared is not None else "there are no links"
        raise NotFoundError(
            f"no pairs to ask about by {method}: {known}. 'etl link' finds links; --method lexical needs no model"
        )
    return str(found[0])


def _alike(pipeline: Pipeline) -> Callable[[Sequence[tuple[str, str]]], list[tuple[float, bool]]]:
    """Cosines by the workspace's model, with whether one text of the two is longer than its window."""
    import numpy as np

    encoder = pipeline.encoder

    def measure(couples: Sequence[tuple[str, str]]) -> list[tuple[float, bool]]:
        texts = sorted({text for couple in couples for text in couple}, key=lambda text: (len(text), text))
        place = {text: n for n, text in enumerate(texts)}
        vectors, lengths = encoder.encode(texts), encoder.lengths(texts)
        found = []
        for one, other in couples:
            i, j = place[one], place[other]
            cosine = float(np.clip(vectors[i] @ vectors[j], -1.0, 1.0))
            found.append((cosine, bool(max(lengths[i], lengths[j]) > encoder.window)))
        return found

    return measure


def _question(sitting: Sitting, asked: Asked, place: int, *, colour: bool) -> str:
    from orchestration.reviewing import side_by_side

    rows = sitting.pipeline.store.query(
        "SELECT key, question, answer, context FROM pairs WHERE key IN (?, ?)", [asked.a, asked.b]
    ).to_dicts()
    text = side_by_side(rows[0], rows[-1], colour=colour)
    # the similarity is not shown: it would answer for the person
    return f"\n{'─' * 72}\n{place + 1} of {len(sitting.waiting)}: do both say the same?\n{text}\n\n{ASK}"
