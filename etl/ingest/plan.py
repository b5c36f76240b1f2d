"""Files and the store's memory of them in; which to read, and why, out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import StoreError
from etl.ingest.remembered import Remembered, lookup, standing
from etl.ingest.touched import concerning
from etl.ingest.unpacked import INSIDE, stamp
from etl.ingest.walk import File, Found, walk
from etl.progress import Pending
from etl.recipe import Recipe
from etl.shapes.own import versions
from etl.store import Store

if TYPE_CHECKING:
    from etl.ingest.batch import Delivered

# Raise whenever detection, a shape, a reader, a repair, a key or an election would give different rows.
VERSION = 9
ATTEMPTS = 3
DIED = "reader_died"
PARKED = "parked_after_three_attempts"

NEW = "new"
CHANGED = "changed since it was read"
OUTDATED = "read by an earlier recipe"
RENAMED = "with names that the settings change"
REMAPPED = "with another mapping"
AGAIN = "its reader died"
WITHIN = "a file inside it is to be read again"
TO_SALVAGE = "broken, to be salvaged"

JOIN = ".join"
_RECIPES = """
SELECT recipe, version, parameters::VARCHAR FROM recipes SEMI JOIN deliveries USING (recipe) WHERE name = 'ingest'
"""
_JOINED = """
SELECT unnest([format->>'$.details.joined.questions.sha256', format->>'$.details.joined.answers.sha256'])
FROM deliveries WHERE shape = 'joined' AND state = 'accepted'
"""

Mappings = Mapping[str, Mapping[str, str]]
NO_ALIASES: Mapping[str, str] = {}
NO_MAPPINGS: Mappings = {}


def recipe(
    *, aliases: Mapping[str, str | None] = NO_ALIASES, mapping: Mapping[str, str] | None = None, salvaged: bool = False
) -> Recipe:
    """How a delivery becomes rows. `aliases` are those that concern it (`etl.ingest.touched`), `mapping` is the user's
    for this one delivery, so that changed ones make only that delivery pending; one that was salvaged stays so. Shapes
    that the user installed are named with their versions."""
    parameters: dict[str, Any] = {"aliases": dict(aliases), "mapping": dict(mapping or {})}
    own = versions()
    parameters |= {"shapes": own} if own else {}
    return Recipe("ingest", VERSION, parameters | ({"salvaged": True} if salvaged else {}))


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of a delivery."""

    state: str
    reason: str | None
    recipe: str
    attempts: int
    path: str
    candidates: int
    salvaged: bool = False
    sender: str | None = None
    signature: str | None = None
    names: str | None = None  # JSON, see `etl.ingest.touched`

    @property
    def deaths(self) -> int:
        """How often in a row its reader has died."""
        return self.attempts if self.reason == DIED else 0


@dataclass(frozen=True, slots=True)
class Todo:
    """A file to look at. `delivery` is its sha256 where the stat cache knows it, else it has to be hashed."""

    file: File
    delivery: str | None
    why: str
    read: Delivered | None = None  # an archive whose files came before it: only its own books are left


@dataclass(slots=True)
class Memory:
    """Sightings by path and deliveries by sha256, read in one go, and the recipes of this run."""

    sightings: dict[str, tuple[int, int, str]]
    deliveries: dict[str, Known]
    aliases: Mapping[str, str]
    mappings: Mappings
    salvage: bool
    remembered: Mapping[tuple[str | None, str], Remembered] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)  # files that are read as parts of a join
    recipes: Mapping[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)  # what digests stand for

    @classmethod
    def of(
        cls,
        store: Store | None,
        *,
        aliases: Mapping[str, str] = NO_ALIASES,
        mappings: Mappings = NO_MAPPINGS,
        salvage: bool = False,
    ) -> Memory:
        """What the store knows; nothing where there is none."""
        if store is None:
            return cls({}, {}, aliases, mappings, salvage)
        seen = store.query("SELECT path, bytes, modified_ns, delivery FROM sightings")
        known = store.query(
            """
            SELECT delivery, state, reason, recipe, attempts, path, candidates,
                   json_exists(format, '$.details.salvaged') IS TRUE AS salvaged,
                   sender, format->>'$.details.signature' AS signature, format->'$.details.names' AS names
            FROM deliveries
            """
        )
        return cls(
            {path: (size, time, delivery) for path, size, time, delivery in seen.iter_rows()},
            {row[0]: Known(*row[1:]) for row in known.iter_rows()},
            aliases,
            mappings,
            salvage,
            standing(store),
            set(store.query(_JOINED).to_series()),
            {digest: (version, json.loads(said)) for digest, version, said in store.query(_RECIPES).iter_rows()},
        )

    def mapping(self, name: str, delivery: str) -> Mapping[str, str] | None:
        """The user's mapping for a file: that of the settings, else what was said of its sender and signature."""
        told, known = self.told(name, delivery), self.deliveries.get(delivery)
        if told is not None or known is None:
            return told
        found = lookup(self.remembered, known.sender, known.signature)
        return None if found is None else found.mapping

    def told(self, name: str, delivery: str) -> Mapping[str, str] | None:
        """The mapping of the settings for a file: the first whose pattern fits its path or file name, or that names the
        start of its sha256."""
        for pattern, mapping in self.mappings.items():
            base = name.rpartition("/")[2]
            if fnmatchcase(name, pattern) or fnmatchcase(base, pattern) or _is_prefix(pattern, delivery):
                return mapping
        return None

    def recipe(self, name: str, delivery: str) -> Recipe:
        """The recipe that a delivery seen at this path is to be read with."""
        known = self.deliveries.get(delivery)
        salvaged = known is not None and known.salvaged
        return recipe(aliases=self.concerning(known), mapping=self.mapping(name, delivery), salvaged=salvaged)

    def concerning(self, known: Known | None) -> dict[str, str | None]:
        """What the settings say of the names of a delivery that is known."""
        if known is None or not self.aliases:
            return {}
        names = None if known.names is None else json.loads(known.names)
        return concerning(names, known.path, self.aliases, accepted=known.state == "accepted")

    def _what_changed(self, before: str, made: Recipe) -> str:
        """Why a delivery read by one recipe has to be read by another."""
        version, parameters = self.recipes.get(before, (None, {}))
        if version != made.version:
            return OUTDATED
        changed = {name for name in made.parameters if made.parameters[name] != parameters.get(name)}
        return {frozenset({"aliases"}): RENAMED, frozenset({"mapping"}): REMAPPED}.get(frozenset(changed), OUTDATED)

    def salvages(self, delivery: str) -> bool:
        """What stands before a break in the JSON is to be taken: it was asked for, now or when it was read."""
        return self.salvage or (delivery in self.deliveries and self.deliveries[delivery].salvaged)

    def seen(self, file: File) -> str | None:
        """The delivery of a file whose size and time have not moved."""
        size, time, delivery = self.sightings.get(file.name, (-1, -1, ""))
        return delivery if (size, time) == (file.bytes, file.modified_ns) else None

    def why_read(self, delivery: str) -> str:
        """Why a delivery with this content has to be read; '' where it need not."""
        known = self.deliveries.get(delivery)
        if delivery in self.joined and (known is None or known.state != "accepted"):
            return ""
        if known is None:
            return NEW
        if known.state == "retracted":
            return ""
        made = self.recipe(known.path, delivery)
        if known.recipe != made.digest:
            return self._what_changed(known.recipe, made)
        if self.salvage and known.reason == "broken_json":
            return TO_SALVAGE
        return AGAIN if known.reason == DIED else ""

    def todo(self, files: Sequence[File]) -> list[Todo]:
        """The files that need a look, in their order; one for each known delivery."""
        listed, wanted = [], set()
        outdated = {delivery: why for delivery in self.deliveries if (why := self.why_read(delivery))}
        within = self._archives(outdated)
        for file in files:
            delivery = self.seen(file)
            if delivery is None:
                listed.append(Todo(file, None, CHANGED if file.name in self.sightings else NEW))
            elif delivery in outdated and delivery not in wanted:
                wanted.add(delivery)
                listed.append(Todo(file, delivery, outdated[delivery]))
            elif (file.name, stamp(delivery)) in within and self.deliveries[delivery].state != "retracted":
                listed.append(Todo(file, delivery, WITHIN))
        return sorted(listed, key=lambda todo: not todo.file.name.endswith(JOIN))  # before the files that it names

    def _archives(self, outdated: Mapping[str, str]) -> set[tuple[str, int]]:
        """Path and stamp of the archives in which outdated deliveries were seen."""
        found = set()
        for path, (_, time, delivery) in self.sightings.items():
            if delivery in outdated and INSIDE in path:
                parts = path.split(INSIDE)
                found |= {(INSIDE.join(parts[:i]), time) for i in range(1, len(parts))}
        return found


def own_files(store: Store | None) -> list[Path]:
    """The store's own files and snapshots, which are never deliveries."""
    try:
        path = None if store is None else store.path
    except StoreError:  # in memory
        path = None
    if store is None or path is None:
        return []
    return [path, store.snapshots, *path.parent.glob(f"{path.name}.*")]


def look(store: Store, paths: Sequence[Path | str], *, root: Path, skip: Sequence[Path] = ()) -> Found:
    """Walk the paths, leaving the store's own files out."""
    return walk(paths, root=root, own=[*own_files(store), *skip])


def pending(
    store: Store,
    paths: Sequence[Path | str],
    *,
    root: Path,
    aliases: Mapping[str, str] = NO_ALIASES,
    mappings: Mappings = NO_MAPPINGS,
    salvage: bool = False,
    skip: Sequence[Path] = (),
    choose: Callable[[Sequence[File]], Sequence[File]] | None = None,
) -> Pending:
    """How many files `ingest` would look at, and why. Nothing is hashed: a copy under a new name counts as new."""
    found = look(store, paths, root=root, skip=skip)
    files = found.files if choose is None else choose(found.files)
    memory = Memory.of(store, aliases=aliases, mappings=mappings, salvage=salvage)
    reasons = Counter(todo.why for todo in memory.todo(files))
    words = [f"{number} {why}" for why, number in sorted(reasons.items())]
    if found.arriving:
        words.append(f"{len(found.arriving)} still arriving wait")
    return Pending("ingest", sum(reasons.values()), "files", ", ".join(words))


def _is_prefix(pattern: str, delivery: str) -> bool:
    return len(pattern) >= 8 and delivery.startswith(pattern)
