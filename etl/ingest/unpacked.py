"""Archives in; the files inside them out, each to be delivered by itself as `archive.zip!/member`.

They lie in a private, hidden folder of the workspace until the archive is done with. A killed run leaves that folder
behind; the next one that unpacks clears away what is a day old.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from etl.ingest.walk import File

if TYPE_CHECKING:
    from etl.read import Reading
    from etl.read.archive import Unpacked

Unpack = Callable[..., "Unpacked"]  # (archive, folder, at_most=bytes)
INSIDE = "!/"
DEEPEST = 2  # an archive in an archive is unpacked, one in that is not
MOST_BYTES = 4 * 1024**3  # out of one delivered archive, those inside it included
_PREFIX = ".etl-unpacked-"
_OLD_S = 86_400


def stamp(archive: str) -> int:
    """What stands for the time of a member in the sightings: it says in which archive (sha256) the member was seen, so
    that those of an archive that lay at the same path before do not count."""
    return int(archive[:15], 16)


class Unpacker:
    """Unpacks archives and knows what came out of which."""

    def __init__(self, unpack: Unpack | None, root: Path, stack: ExitStack, *, now: float) -> None:
        self._unpack, self._root, self._stack, self._now = unpack, root, stack, now
        self._folder: Path | None = None
        self._files: dict[str, list[File]] = {}
        self._where: dict[str, Path] = {}
        self._kept: set[str] = set()
        self._bytes: dict[str, int] = {}

    def reading(self, file: File, delivery: str, declined: Reading) -> Reading:
        """The archive's own books, with its files ready to be taken; `declined` where nothing can be unpacked."""
        from etl.read import Reading

        if self._unpack is None:
            return declined
        if file.depth >= DEEPEST:
            return Reading.refused("nested_archive", "an archive in an archive in an archive")
        top = file.archive or delivery
        into = Path(tempfile.mkdtemp(dir=self._home()))
        reading, members = self._unpack(file.path, into, at_most=MOST_BYTES - self._bytes.get(top, 0))
        self._bytes[top] = self._bytes.get(top, 0) + sum(member.bytes for member in members)
        self._where[file.name] = into
        origin = file.origin or file.location
        found = []
        for name, location, size in members:
            modified = Path(location).stat().st_mtime_ns
            name_there = f"{file.name}{INSIDE}{name}"
            found.append(File(location, name_there, file.base, size, modified, top, origin, file.depth + 1))
        self._files[file.name] = found
        return reading

    def take(self, file: File) -> list[File]:
        """The files that were just unpacked from an archive; nothing for any other file."""
        return self._files.pop(file.name, [])

    def keep(self, file: File) -> None:
        """A file whose reader died is tried again at the end: what it came out of is not cleared away before."""
        self._kept.update(name for name in self._where if file.name.startswith(f"{name}{INSIDE}"))

    def done(self, file: File) -> None:
        """All files of an archive were read."""
        folder = self._where.pop(file.name, None)
        if folder is not None and file.name not in self._kept:
            shutil.rmtree(folder, ignore_errors=True)

    def _home(self) -> Path:
        if self._folder is None:
            for old in self._root.glob(f"{_PREFIX}*"):
                if self._now - old.stat().st_mtime > _OLD_S:
                    shutil.rmtree(old, ignore_errors=True)
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._root))
            self._stack.callback(shutil.rmtree, os.fspath(self._folder), ignore_errors=True)
        return self._folder
