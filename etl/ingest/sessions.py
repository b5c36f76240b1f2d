"""Numbers of the senders' sessions in; the files that belong to them out, told by their names or by what is in them."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.errors import DeliveryError
from etl.ingest.plan import Memory
from etl.ingest.walk import File
from etl.normalise.names import source_session
from etl.store import Store

if TYPE_CHECKING:
    from etl.read import Reader

Peeked = MutableMapping[tuple[str, int, int], frozenset[int]]
OTHER, NONE = "of other sessions", "without a session number"


@dataclass(slots=True)
class Sessions:
    """Chooses the files of some sessions. A file is chosen whole, also where only a part of its records is of them.

    A number in the name of the file, else of its nearest folder, decides; without one, the numbers that the store has
    of its records; of a file that the store does not know, it is read to find them out, once each time it changes
    (`peeked`). `left` says afterwards why files were left out, by name.
    """

    wanted: frozenset[int]
    store: Store | None = None
    reader: Callable[[], AbstractContextManager[Reader]] | None = None
    peeked: Peeked = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def choose(self, files: Sequence[File]) -> list[File]:
        """The files of the wanted sessions, in their order."""
        named = {file.name: _by_name(file) for file in files}
        known = self._stored([file for file in files if not named[file.name]])
        found = {name: numbers or known.get(name, frozenset()) for name, numbers in named.items()}
        unknown = [file for file in files if not found[file.name] and file.name not in known]
        found |= self._read(unknown)
        self.left = {
            name: OTHER if numbers else NONE for name, numbers in sorted(found.items()) if not numbers & self.wanted
        }
        return [file for file in files if file.name not in self.left]

    def _stored(self, files: Sequence[File]) -> dict[str, frozenset[int]]:
        """The numbers of files whose content the store has read and whose size and time have not moved."""
        if self.store is None or not files:
            return {}
        memory = Memory.of(self.store)
        seen = {file.name: delivery for file in files if (delivery := memory.seen(file)) is not None}
        rows = self.store.query(
            """
            SELECT DISTINCT delivery, source_session FROM occurrences WHERE source_session IS NOT NULL
            UNION SELECT delivery, source_session FROM deliveries WHERE source_session IS NOT NULL
            """
        )
        told: dict[str, set[int]] = {}
        for delivery, text in rows.iter_rows():
            told.setdefault(delivery, set()).update(numbers_in([text]))
        return {name: frozenset(told.get(delivery, ())) for name, delivery in seen.items()}

    def _read(self, files: Sequence[File]) -> Mapping[str, frozenset[int]]:
        fresh = [file for file in files if _stamp(file) not in self.peeked]
        if fresh and self.reader is not None:
            with self.reader() as reader:
                for file in fresh:
                    try:
                        said = reader.read(file.path).candidates["source_session"].drop_nulls().unique().to_list()
                    except DeliveryError:  # gone, or its reader died: ingest will say so once it is chosen otherwise
                        said = []
                    self.peeked[_stamp(file)] = frozenset(numbers_in(said))
        return {file.name: self.peeked.get(_stamp(file), frozenset()) for file in files}


def _by_name(file: File) -> frozenset[int]:
    number = source_session(file.name)
    if number is not None:
        return frozenset({int(number)})
    return _inside(file) if file.name.lower().endswith(".zip") else frozenset()


def _inside(file: File) -> frozenset[int]:
    """The numbers in the names of an archive's members."""
    try:
        with zipfile.ZipFile(file.path) as archive:
            found = [source_session(name) for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile):  # reading it will say what it is
        return frozenset()
    return frozenset(int(number) for number in found if number is not None)


def numbers_in(texts: Sequence[str]) -> set[int]:
    """101 of `101`, `session_101` and `Session 101 (droid)`."""
    found = (source_session(text) or (text.strip() if re.fullmatch(r"\s*\d{1,9}\s*", text) else None) for text in texts)
    return {int(number) for number in found if number is not None}


def _stamp(file: File) -> tuple[str, int, int]:
    return file.location, file.bytes, file.modified_ns
