"""Paths in, units out: the job that reads what is pending and commits it, one large delivery or many small ones a
unit."""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from etl.errors import DeliveryError
from etl.ingest import barred, plan
from etl.ingest.batch import Delivered, Early, Prepared
from etl.ingest.plan import ATTEMPTS, DIED, NO_ALIASES, NO_MAPPINGS, PARKED, Known, Mappings, Memory, Todo
from etl.ingest.remembered import Remembered, lookup
from etl.ingest.touched import concerning, names_of
from etl.ingest.unpacked import Unpack, Unpacker, stamp
from etl.ingest.walk import Barred, File, moved, parts_below, settled
from etl.normalise.names import source_session
from etl.progress import Meter, Progress
from etl.read.joined import parts_of
from etl.store import Store, Unit

if TYPE_CHECKING:
    from etl.read import Reader, Reading
    from etl.read.archive import Unpacked

BATCH_FILES = 64
BATCH_PAIRS = 20_000

Choose = Callable[[Sequence[File]], Sequence[File]]
ReadFile = Callable[..., "Reading"]  # (path), with mapping=... and salvage=True where the user wants that


def ingest(
    store: Store,
    paths: Sequence[Path | str],
    *,
    meter: Meter,
    root: Path,
    inbox: Path | None = None,
    reader: ReadFile | None = None,
    unpack: Unpack | None = None,
    sender: str | None = None,
    limit: int | None = None,
    aliases: Mapping[str, str] = NO_ALIASES,
    mappings: Mappings = NO_MAPPINGS,
    salvage: bool = False,
    skip: Sequence[Path] = (),
    choose: Choose | None = None,
    scratch: Path | None = None,
    batch_files: int = BATCH_FILES,
    batch_pairs: int = BATCH_PAIRS,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Progress]:
    """Read files and folders that are new, changed, or known by an older recipe.

    `root` is the workspace: paths are stored relative to it. The sender is the first folder below the inbox, or below
    the given folder, unless told. `mappings` goes from a pattern of a path, or the start of a sha256, to a mapping (our
    field -> the sender's name). With `salvage` broken JSON gives the records
    before the break and one reject for the rest, also where it was refused before; later runs leave it so. `reader`
    reads one file; unset, a spawned child does that may die of it. `unpack`
    unpacks one archive, whose files are then deliveries of their own (`archive.zip!/member`); unset, that is the
    child's as well, and with a `reader` of one's own archives stay refused. Archives are unpacked below `scratch`, else
    below the root. `choose` leaves files out before they are looked at (`Sessions.choose`). What may not be read is
    kept as a refused delivery. Reads at least `limit` candidates where there are as many, then stops.
    Counts: files, records, candidates, new, duplicates, rejects, refused, unmapped; `left` (files) where the limit
    ended it; `barred` and `cleared` of `etl.ingest.barred`. Spends `files` and `pairs`.
    Raises `DeliveryError` for a path that does not exist before anything is done.
    """
    found = plan.look(store, paths, root=root, skip=skip)
    memory = Memory.of(store, aliases=aliases, mappings=mappings, salvage=salvage)
    todo = memory.todo(found.files if choose is None else choose(found.files))
    ready = set(settled([item.file for item in todo], now=store.now(), sleep=sleep)[0])
    todo = [item for item in todo if item.file in ready]
    with ExitStack() as stack:
        read, opens, start = (reader, unpack, None) if reader is not None else _child(stack)
        unpacker = Unpacker(unpack or opens, scratch or root, stack, now=store.now().timestamp())
        in_parts = reader is None  # our own child hands large files over in parts
        desk = _Desk(
            store, meter, memory, inbox, sender, read, unpacker, in_parts=in_parts, total=len(todo), start=start
        )
        yield from desk.work(deque(todo), limit=limit, batch_files=batch_files, batch_pairs=batch_pairs)
    yield from barred.record(store, found.barred | desk.barred, paths, root=root)


class _Desk:
    """What lies read but not yet committed."""

    def __init__(
        self,
        store: Store,
        meter: Meter,
        memory: Memory,
        inbox: Path | None,
        sender: str | None,
        read: ReadFile,
        unpacker: Unpacker,
        *,
        in_parts: bool,
        total: int,
        start: Callable[[], None] | None,
    ) -> None:
        self.delivered: list[Delivered] = []
        self.candidates = 0
        self.barred: dict[str, Barred] = {}
        self._store, self._meter, self._memory, self._read = store, meter, memory, read
        self._inbox = None if inbox is None else str(inbox.absolute())
        self._sender, self._unpacker, self._in_parts = sender, unpacker, in_parts
        self._sighted: list[tuple[File, str]] = []
        self._committed, self._done, self._total = 0, 0, total
        self._start = start  # of the child that reads, which takes a moment

    def work(self, queue: deque[Todo], *, limit: int | None, batch_files: int, batch_pairs: int) -> Iterator[Progress]:
        """Read the queue and commit whenever enough lies here. A file whose reader died is committed as such at once,
        and goes to the end of the queue; files of an archive go before it, so that it is not known before they are."""
        while queue:
            again, inside = self.take(queue.popleft())
            queue.extendleft(reversed(inside))
            if again is not None:
                queue.append(again)
            open_pairs = float("inf") if limit is None else limit - self._committed
            full = len(self.delivered) >= batch_files or self.candidates >= min(batch_pairs, open_pairs)
            if full or again is not None or not queue:
                stopped = bool(queue) and self.candidates >= open_pairs
                yield from self.commit(left=len(queue) if stopped else 0)
                if stopped:
                    return

    def take(self, todo: Todo) -> tuple[Todo | None, list[Todo]]:
        """Read one file, unless its content is known. Returns it where its reader died and may be tried again; and the
        files inside it with itself behind them where it is an archive."""
        file = todo.file
        try:
            if todo.delivery is None and self._start is not None:
                self._start()
            delivery = todo.delivery or _sha256(file.path)
        except FileNotFoundError:
            return None, []
        except OSError as error:
            self.barred[file.name] = Barred("unreadable", (error.strerror or str(error)).lower())
            return None, []
        if todo.read is not None:
            self._unpacker.done(file)
            if not moved(file):
                self._lay(file, todo.read)
            return None, []
        read_here = any(item.delivery == delivery for item in self.delivered)
        if moved(file) or read_here or not (self._memory.why_read(delivery) or todo.why == plan.WITHIN):
            if not moved(file):
                self._sighted.append((file, delivery))
            return None, []
        self._meter.spend("files", 1)
        delivered = self._deliver(file, delivery)
        if delivered is None or moved(file):
            return None, []
        self._memory.joined.update(parts_of(delivered.reading))
        if inside := self._unpacker.take(file):
            self._total += len(inside)
            rest = [Todo(one, None, plan.NEW) for one in inside]
            return None, [*rest, replace(todo, delivery=delivery, read=delivered)]
        self._lay(file, delivered)
        if delivered.reading.refusal is None or delivered.reading.refusal.reason != DIED:
            return None, []
        self._unpacker.keep(file)
        return replace(todo, delivery=delivery, why=plan.AGAIN), []

    def _lay(self, file: File, delivered: Delivered) -> None:
        self.delivered.append(delivered)
        self._sighted.append((file, delivered.delivery))
        self.candidates += delivered.reading.candidates.height

    def commit(self, *, left: int = 0) -> Iterator[Progress]:
        """Commit what was read, and sightings of known content; `left` files remain where the limit was reached."""
        if not self._sighted:
            return
        delivered, sighted = self.delivered, self._sighted
        prepared = Prepared.of(delivered, aliases=self._memory.aliases)
        delivered = self.delivered = [*prepared.delivered]
        name = _unit_name([item.path for item in delivered] or [file.name for file, _ in sighted])
        if not delivered:  # not a unit of ingest: nothing downstream has to run again for it
            with self._store.unit("sighting", name) as unit:
                _remember(unit, sighted)
                unit.counts["files"] = len(sighted)
            counts = {"known": len(sighted)}
        else:
            self._meter.spend("pairs", prepared.occurrences.height)
            with self._store.unit("ingest", name, recipe=plan.recipe(aliases=self._memory.aliases)) as unit:
                prepared.write(unit)
                _remember(unit, sighted)
            counts = dict(unit.counts)
        self._settle_books(delivered, sighted)
        said = f"{name}; stopped at the limit, {left} files left" if left else name
        yield Progress("ingest", said, self._done, self._total, counts | ({"left": left} if left else {}))

    def _settle_books(self, delivered: list[Delivered], sighted: list[tuple[File, str]]) -> None:
        for item in delivered:
            refusal, state = item.reading.refusal, "accepted" if item.only_died else item.reading.state
            digest = item.before.recipe if item.only_died and item.before else item.recipe.digest
            reason = refusal.reason if refusal else None
            salvaged = is_salvaged(item.reading)
            self._memory.deliveries[item.delivery] = Known(
                state, reason, digest, item.attempts, item.path, 0, salvaged, item.sender, signature_of(item.reading),
                None if item.names is None else json.dumps(item.names),
            )  # fmt: skip
        self._committed += self.candidates
        again = sum(item.reading.refusal is not None and item.reading.refusal.reason == DIED for item in delivered)
        self._done += len(sighted) - again
        self.delivered, self._sighted, self.candidates = [], [], 0

    def _deliver(self, file: File, delivery: str) -> Delivered | None:
        from etl.ingest.named import with_category_of_file
        from etl.read import Reading

        before = self._memory.deliveries.get(delivery)
        path = before.path if before else file.name
        mapping, made = self._memory.told(path, delivery), self._memory.recipe(path, delivery)
        who = self._sender or self._sender_of(file)
        salvage = self._memory.salvages(delivery)
        deaths = before.deaths if before and (before.recipe == made.digest or before.state == "accepted") else 0
        early = Early(delivery, path, self._memory.aliases)
        try:
            reading = self._attempt(file, delivery, mapping, salvage=salvage, early=early)
            kept = lookup(self._memory.remembered, who, signature_of(reading)) if mapping is None else None
            if kept is not None:
                mapping = kept.mapping
                reading = named(self._attempt(file, delivery, mapping, salvage=salvage, early=early), kept)
            if (about := with_category_of_file(reading, path)) is not reading:
                reading = about
                early.take(None)  # of the parts before the category was known
        except FileNotFoundError:
            return None
        except DeliveryError as error:
            if not file.path.exists():
                return None
            early.take(None)
            died = _is_death(error)
            reason = (DIED if deaths + 1 < ATTEMPTS else PARKED) if died else "unreadable"
            reading = Reading.refused(reason, str(error))
        names = names_of(reading)
        concern = concerning(names, path, self._memory.aliases, accepted=reading.refusal is None)
        made = plan.recipe(aliases=concern, mapping=mapping, salvaged=is_salvaged(reading))
        return Delivered(
            file, delivery, made, reading, path, who, source_session(path), deaths + 1, before, early, names
        )

    def _attempt(
        self, file: File, delivery: str, mapping: Mapping[str, str] | None, *, salvage: bool, early: Early
    ) -> Reading:
        from etl.read.archive import ARCHIVE

        early.take(None)  # of an attempt before
        told: dict[str, Any] = {} if mapping is None else {"mapping": mapping}
        told |= {"salvage": True} if salvage else {}
        told |= {"each": early.take} if self._in_parts else {}
        reading = self._read(file.path, **told)
        is_archive = reading.refusal is not None and reading.refusal.reason == ARCHIVE
        return self._unpacker.reading(file, delivery, reading) if is_archive else reading

    def _sender_of(self, file: File) -> str | None:
        location = file.origin or file.location
        below = list(parts_below(location, self._inbox)) if self._inbox else []
        return next(iter(below or parts_below(location, file.base)), None)


def _child(stack: ExitStack) -> tuple[ReadFile, Unpack, Callable[[], None]]:
    """The default reader and unpacker, a spawned child, and how it is started while its first file is hashed."""
    children: list[Reader] = []

    def child() -> Reader:
        if not children:
            from etl.read import Reader

            children.append(stack.enter_context(Reader()))
            children[0].start()
        return children[0]

    def read(path: Path, **told: Any) -> Reading:
        return child().read(path, **told)

    def unpack(path: Path, into: Path, *, at_most: int) -> Unpacked:
        return child().unpack(path, into, at_most=at_most)

    def start() -> None:
        child()

    return read, unpack, start


def is_salvaged(reading: Reading) -> bool:
    """Only what stood before a break in its JSON was taken."""
    return reading.format is not None and "salvaged" in reading.format.details


def signature_of(reading: Reading) -> str | None:
    """What its fields sign a delivery with; None where it has none."""
    found = None if reading.format is None else reading.format.details.get("signature")
    return found if isinstance(found, str) else None


def named(reading: Reading, kept: Remembered) -> Reading:
    """A reading with the mapping that was used in its books, and who gave it."""
    if reading.format is None:
        return reading
    details = {**reading.format.details, "mapping_id": kept.id, "mapping_by": kept.who}
    note = f"mapping {kept.id}, given by {kept.who}"
    made = replace(reading.format, details=details, evidence=(*reading.format.evidence, note))
    return replace(reading, format=made)


def _is_death(error: DeliveryError) -> bool:
    from etl.read import ReaderDied

    return isinstance(error, ReaderDied)


def _remember(unit: Unit, sighted: Sequence[tuple[File, str]]) -> None:
    rows = [
        (file.name, file.bytes, stamp(file.archive) if file.archive else file.modified_ns, delivery)
        for file, delivery in sighted
    ]
    schema = {"path": pl.String, "bytes": pl.Int64, "modified_ns": pl.Int64, "delivery": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row").unique("path", keep="last", maintain_order=True)
    unit.execute("INSERT OR REPLACE INTO sightings BY NAME SELECT * FROM sighted", sighted=frame)


def _unit_name(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
