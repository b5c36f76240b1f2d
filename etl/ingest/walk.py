"""Files and folders in; the files to look at out, with what is still arriving and what may not be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from etl.errors import DeliveryError

UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".crdownload", ".download")
_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
FRESH_S = 2.0  # a file younger than this may still be written; its size is looked at twice
LOOK_AGAIN_S = 0.25


@dataclass(frozen=True, slots=True)
class File:
    """One file. `name` is '/'-separated, relative to the root where it lies inside; `base` the folder it was found
    under. Of a file out of an archive, `archive` is the sha256 of the delivered one, `origin` where that lies, and
    `depth` how many archives it was in."""

    location: str
    name: str
    base: str
    bytes: int
    modified_ns: int
    archive: str = ""
    origin: str = ""
    depth: int = 0

    @property
    def path(self) -> Path:
        return Path(self.location)


@dataclass(frozen=True, slots=True)
class Barred:
    """Why something in a folder may not, or cannot, be read."""

    reason: str  # snake_case
    evidence: str


@dataclass(slots=True)
class Found:
    """`files` in order of their names; `arriving` are unfinished ones; `barred` goes from name to why."""

    files: list[File] = field(default_factory=list)
    arriving: list[File] = field(default_factory=list)
    barred: dict[str, Barred] = field(default_factory=dict)


def walk(paths: Sequence[Path | str], *, root: Path, own: Sequence[Path] = ()) -> Found:
    """All files below `paths`, each once.

    Left out are hidden files, `__MACOSX` and the like, and `own` (files and folders of the workspace itself).
    `barred` has the rest: `link_leaves_workspace` (links to what lies outside the root and the given paths are not
    followed), `broken_link`, `folder_loop` (a link to a folder that it lies in), `unreadable`, `not_a_file` (a pipe, a
    device). A link to another folder that is walked anyway is passed over. Raises `DeliveryError` for a path that does
    not exist, before anything is read.
    """
    starts = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - Path.absolute() keeps '..' in
    missing = [start for start in starts if not Path(start).exists()]
    if missing:
        raise DeliveryError(f"{missing[0]} does not exist; give files or folders that do")
    walker = _Walker(os.path.abspath(root), starts, {os.path.abspath(path) for path in own})  # noqa: PTH100 - as above
    for start in starts:
        walker.visit(start)
    walker.found.files.sort(key=lambda file: file.name)
    walker.found.arriving.sort(key=lambda file: file.name)
    return walker.found


class _Walker:
    def __init__(self, root: str, starts: Sequence[str], own: set[str]) -> None:
        self.found = Found()
        self._root, self._own = root, own
        self._within = [os.path.realpath(path) for path in (root, *starts)]
        self._seen: set[str] = set()
        self._linked: set[str] = {os.path.realpath(start) for start in starts}

    def visit(self, start: str) -> None:
        if Path(start).is_dir():
            self._folder(start, base=start)
        else:
            self._file(start, Path(start).stat(), base=str(Path(start).parent))

    def _folder(self, folder: str, *, base: str) -> None:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self._bar(folder, "unreadable", _told(error))
            return
        for entry in entries:
            if entry.name.startswith((".", "~$")) or entry.name.lower() in _JUNK or entry.path in self._own:
                continue
            try:
                self._entry(entry, base)
            except FileNotFoundError:
                continue  # gone between the listing and the look: nothing to read
            except OSError as error:
                self._bar(entry.path, "unreadable", _told(error))

    def _entry(self, entry: os.DirEntry[str], base: str) -> None:
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not any(_inside(target, allowed) for allowed in self._within):
                self._bar(entry.path, "link_leaves_workspace", f"it leads to {target}")
                return
            if not Path(target).exists():
                self._bar(entry.path, "broken_link", f"it leads to {target}, where nothing is")
                return
            if entry.is_dir():
                # a folder that is walked anyway must not be walked twice, nor for ever
                if _inside(os.path.realpath(Path(entry.path).parent), target):
                    self._bar(entry.path, "folder_loop", f"it leads to {target}, which it lies in")
                elif not any(_inside(target, walked) or _inside(walked, target) for walked in self._linked):
                    self._linked.add(target)
                    self._folder(entry.path, base=base)
                return
        if entry.is_dir():
            self._folder(entry.path, base=base)
        else:
            self._file(entry.path, entry.stat(), base=base)

    def _file(self, location: str, status: os.stat_result, *, base: str) -> None:
        if location in self._seen:
            return
        self._seen.add(location)
        if not stat.S_ISREG(status.st_mode):
            self._bar(location, "not_a_file", "a pipe, a socket or a device")
            return
        if not os.access(location, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            self._bar(location, "unreadable", "permission denied")
            return
        file = File(location, self._name(location), base, status.st_size, status.st_mtime_ns)
        unfinished = location.lower().endswith(UNFINISHED)
        (self.found.arriving if unfinished else self.found.files).append(file)

    def _bar(self, location: str, reason: str, evidence: str) -> None:
        self.found.barred[self._name(location)] = Barred(reason, evidence)

    def _name(self, location: str) -> str:
        relative = location[len(self._root) + 1 :] if _inside(location, self._root) else location
        return relative.replace(os.sep, "/")


def settled(files: Sequence[File], *, now: datetime, sleep: Callable[[float], None]) -> tuple[list[File], list[File]]:
    """(files at rest, files still being written): the young ones are looked at again after one short wait."""
    young = {file for file in files if abs(now.timestamp() - file.modified_ns / 1e9) <= FRESH_S}
    if young:
        sleep(LOOK_AGAIN_S)
    moving = {file for file in young if moved(file)}
    return [file for file in files if file not in moving], sorted(moving, key=lambda file: file.name)


def moved(file: File) -> bool:
    """Whether size or time differ from when the file was found, or it is gone."""
    try:
        status = file.path.stat()
    except OSError:
        return True
    return (status.st_size, status.st_mtime_ns) != (file.bytes, file.modified_ns)


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _told(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def parts_below(location: str, folder: str) -> Iterator[str]:
    """The folder names between `folder` and a file below it; nothing where it is not below."""
    if _inside(location, folder):
        yield from Path(location).relative_to(folder).parts[:-1]
