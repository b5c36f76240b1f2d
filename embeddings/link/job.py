"""The job `link`: live pairs and their vectors in, rows of `links`, `searches` and `groups` out.

A unit searches some pairs that were not searched yet against themselves and all that were, so each two pairs meet
once. What is left does not depend on the order of pairs, on the units, or on how often the job ran in between.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl

from embeddings import chunks
from embeddings.link.prepare import KNOWN, MANY, fresh_pairs, old_pairs, prepared, remember, with_vectors
from embeddings.link.rows import MOST_ALIKE, MOST_OTHER, Floors, link_rows
from embeddings.link.upkeep import outdated, refresh_groups, sweep, unsettled
from etl.errors import SettingsError
from etl.progress import Meter, Pending, Progress
from etl.recipe import Recipe
from etl.store import Store, Unit

Method = Literal["cosine", "lexical"]
Choice = Literal["cosine", "lexical", "both"]

JOB = "link"
VERSIONS = {"cosine": 1, "lexical": 3}
UNIT_PAIRS = 250_000  # a unit goes through all pairs searched before it, so a million take four and not twenty

# Measured on NQ-open, Alpaca, COVID-19 FAQs and Toolformer: with these floors 9,636 pairs of
# the first three gave 636 cosine and 182 lexical links, 2,488 Toolformer pairs (one template) 33,713 and 26,351.
ANSWER_FLOOR = {"cosine": 0.7, "lexical": 0.5}
ALONE_FLOOR = {"cosine": 0.85, "lexical": 0.8}

HAS_VECTOR = """EXISTS (
    FROM vectors v WHERE v.recipe = $encoder AND v.text_key = left(sha256({text}), 32)
    AND (NOT v.truncated OR EXISTS (FROM chunks c WHERE c.recipe = $chunks AND c.text_key = v.text_key))
)"""
WAITING = f"""
    WITH waiting AS MATERIALIZED (
        SELECT p.question, p.answer FROM pairs p
        WHERE p.occurrences > 0
          AND NOT EXISTS (FROM searches s WHERE s.key = p.key AND s.method = $method AND s.recipe = $recipe)
    )
    SELECT count(*) AS pairs,
           count(*) FILTER (WHERE $encoder <> ''
               AND NOT ({HAS_VECTOR.format(text="p.question")} AND {HAS_VECTOR.format(text="p.answer")})) AS unready
    FROM waiting p
"""


class _Overtaken(Exception):  # noqa: N818  # a signal between two functions, never seen outside
    """Another process has searched pairs since this one looked."""


def recipe(
    method: Method,
    *,
    encoder_recipe: str | None = None,
    floor_cosine: float = 0.80,
    floor_lexical: float = 0.50,
) -> Recipe:
    """How one finder makes its links."""
    floors = _floors(method, floor_cosine, floor_lexical)
    parameters = {
        "method": method,
        "floor_question": floors.question,
        "floor_answer": floors.answer,
        "floor_alone": floors.alone,
        "most_alike": MOST_ALIKE,
        "most_other": MOST_OTHER,
    }
    if method == "cosine":
        further = {"encoder": encoder_recipe, "chunks": chunks.recipe(encoder_recipe or "").digest}
        return Recipe(JOB, VERSIONS[method], parameters | further)
    return Recipe(JOB, VERSIONS[method], parameters)


def pending(
    store: Store,
    *,
    encoder_recipe: str | None,
    floor_cosine: float = 0.80,
    floor_lexical: float = 0.50,
    method: Choice = "both",
) -> Pending:
    """How many searches (a pair and a finder) are missing; pairs that wait for their vectors are not counted."""
    amount, reasons = 0, []
    for one in _methods(method, encoder_recipe):
        made = recipe(one, encoder_recipe=encoder_recipe, floor_cosine=floor_cosine, floor_lexical=floor_lexical)
        encoder = encoder_recipe or "" if one == "cosine" else ""
        parameters = {"method": one, "recipe": made.digest, "encoder": encoder, "chunks": chunks.recipe(encoder).digest}
        waiting, unready = store.query(WAITING, parameters).row(0)
        amount += waiting - unready
        if waiting:
            reasons.append(f"{one}: {_why(store, one, made, waiting, unready)}")
        void, dead_links = outdated(store, one, made)
        if void.height or dead_links:
            reasons.append(f"{one}: {void.height} searches and {dead_links} links to tidy up")
        elif unsettled(store, one):
            reasons.append(f"{one}: groups to write")
        else:
            continue
        amount += 1
    return Pending(JOB, amount, "searches", "; ".join(reasons))


def link(
    store: Store,
    *,
    meter: Meter,
    encoder_recipe: str | None,
    floor_cosine: float = 0.80,
    floor_lexical: float = 0.50,
    unit_pairs: int = UNIT_PAIRS,
    method: Choice = "both",
    cache: Path | None = None,
) -> Iterator[Progress]:
    """Search for every pair that was not searched yet, `unit_pairs` at a time; `encoder_recipe` None: by words only.

    Pairs whose vectors are missing stay pending for the cosine search. `cache`: a folder for what a small batch would
    otherwise work out again about all pairs before it (see `embeddings.link.nearby`); it changes no link.
    Spends "pairs". Counts a unit: `searched`, `links` (new ones before the last trim), `unreadable` (left out of the
    cosine search for their script); of the upkeep units `outdated`, `trimmed`, `boilerplate`, `crowded`.
    """
    floors = {"floor_cosine": floor_cosine, "floor_lexical": floor_lexical}
    recipes = {one: recipe(one, encoder_recipe=encoder_recipe, **floors) for one in _methods(method, encoder_recipe)}
    for one, made in recipes.items():
        swept = sweep(store, one, made)
        if swept is not None:
            yield swept
    live = store.value("SELECT count(*) FROM pairs WHERE occurrences > 0")
    total = sum(live - store.value(KNOWN, [one, made.digest]) for one, made in recipes.items())
    done = 0
    for one, made in recipes.items():
        search = _Search(store, one, made, _floors(one, **floors), encoder_recipe, meter=meter, unit_pairs=unit_pairs,
                         cache=cache)  # fmt: skip
        for unit, counts in search.units():
            done += counts["searched"]
            yield Progress(JOB, unit, done, max(done, total), counts)
        groups = refresh_groups(store, one, made, answer_floor=_floors(one, **floors).answer)
        if groups is not None:
            yield Progress(JOB, groups[0], done, max(done, total), groups[1])


class _Search:
    """One method's search over a store."""

    def __init__(
        self,
        store: Store,
        method: Method,
        made: Recipe,
        floors: Floors,
        encoder_recipe: str | None,
        *,
        meter: Meter,
        unit_pairs: int,
        cache: Path | None,
    ) -> None:
        self.store, self.method, self.made, self.floors = store, method, made, floors
        self.encoder_recipe, self.meter, self.unit_pairs, self.cache = encoder_recipe, meter, unit_pairs, cache

    def units(self) -> Iterator[tuple[str, dict[str, int]]]:
        """Commit unit after unit; starts again with a new look where another process got in between."""
        while True:
            try:
                yield from self._units()
                return
            except _Overtaken:
                continue

    def _units(self) -> Iterator[tuple[str, dict[str, int]]]:
        source = (self.store, self.method, self.made.digest, self.encoder_recipe)
        known = self.store.value(KNOWN, [self.method, self.made.digest])
        fresh = fresh_pairs(*source)
        for number, start in enumerate(range(0, fresh.height, self.unit_pairs), start=1):
            part = fresh.slice(start, self.unit_pairs)
            self.meter.spend("pairs", part.height)
            old = old_pairs(*source, part=part, threshold=self.floors.question, cache=self.cache)
            if self.method == "cosine":
                old = with_vectors(self.store, old, self.encoder_recipe or "")
            ready = prepared(self.store, self.method, self.encoder_recipe, pl.concat([part, old]).sort("key"))
            rows = link_rows(ready.pairs, ready.finder, self.floors)
            name = f"{self.method} {number}: {part['key'][0]}"
            with self.store.unit(JOB, name, recipe=self.made) as unit:
                self._write(unit, rows, part.select("key"), known)
                unit.counts["unreadable"] = ready.unreadable.height
                counts = dict(unit.counts)
            known += part.height
            yield name, counts
        if self.cache is not None and MANY * fresh.height > known:
            remember(*source, cache=self.cache)

    def _write(self, unit: Unit, rows: pl.DataFrame, part: pl.DataFrame, known: int) -> None:
        if unit.query(KNOWN, [self.method, self.made.digest]).item() != known:
            raise _Overtaken
        stamp = {"method": pl.lit(self.method), "recipe": pl.lit(self.made.digest)}
        unit.insert("searches", part.with_columns(**stamp))
        unit.counts["links"] = unit.insert("links", rows.with_columns(**stamp))
        unit.counts["searched"] = part.height


def _methods(method: Choice, encoder_recipe: str | None) -> list[Method]:
    if method not in ("cosine", "lexical", "both"):
        raise SettingsError(f"link method {method!r} is unknown: expected cosine, lexical or both")
    if method == "cosine" and encoder_recipe is None:
        raise SettingsError("the cosine search needs vectors: give the encoder's recipe, or link with method lexical")
    chosen: list[Method] = ["cosine", "lexical"] if method == "both" else [method]
    return [one for one in chosen if one == "lexical" or encoder_recipe is not None]


def _floors(method: Method, floor_cosine: float, floor_lexical: float) -> Floors:
    question = floor_cosine if method == "cosine" else floor_lexical
    if not 0.1 <= question <= 1:
        raise SettingsError(f"floor_{method} is {question}: expected a similarity between 0.1 and 1")
    return Floors(question, ANSWER_FLOOR[method], max(question, ALONE_FLOOR[method]))


def _why(store: Store, method: Method, made: Recipe, waiting: int, unready: int) -> str:
    old = store.query(
        """
        SELECT r.version, r.parameters FROM recipes r
        WHERE r.recipe IN (SELECT recipe FROM searches WHERE method = ? AND recipe <> ?) ORDER BY r.recipe LIMIT 1
        """,
        [method, made.digest],
    ).rows()
    why = f"changed: {made.changes_from(old[0][0], json.loads(old[0][1]))}" if old else f"{waiting - unready} to search"
    return f"{why}, {unready} wait for their vectors" if unready else why
