"""Arrays in, files in a folder out, and back: what `link` would otherwise work out again for every batch.

A shelf is a cache. Each file's sha256 stands in `index.json`, together with what the arrays were made by; a file that
is damaged or gone is left out and said so, and whoever asks makes its rows anew. A file is complete on disk before the
index names it, so a kill at any moment leaves the former state.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

INDEX = "index.json"
MOST = 24  # files of a shelf; the next batch makes one of them all
ALIGNED = 64


@dataclass(slots=True)
class Shelf:
    """The files of one folder. `stamp` says what the arrays are made by: a shelf with another stamp counts as empty.

    `across` names the arrays whose rows lie along their second axis. `complaints` say what was found unusable.
    """

    folder: Path
    stamp: Mapping[str, object]
    across: frozenset[str]
    complaints: list[str] = field(default_factory=list)
    _files: list[dict[str, Any]] = field(default_factory=list)

    def read(self) -> Arrays:
        """The arrays of all sound files, their rows one after the other; nothing where there is none."""
        self.complaints, self._files = [], []
        parts = []
        for entry in self._index():
            arrays = _opened(self.folder / str(entry["file"]), entry)
            if arrays is None:
                self.complaints.append(f"{entry['file']} is damaged or gone")
                continue
            self._files.append(entry)
            parts.append(arrays)
        return self._joined(parts)

    def add(self, before: Arrays, more: Sequence[Arrays]) -> Arrays:
        """Put rows on the shelf behind those that `read` gave; returns all of them."""
        added = self._joined(more)
        whole = self._joined([before, added])
        self.folder.mkdir(parents=True, exist_ok=True)
        crowded = len(self._files) >= MOST
        former = self._files
        self._files = [_written(self.folder, whole)] if crowded else [*former, _written(self.folder, added)]
        content = {"stamp": dict(self.stamp), "files": self._files}
        _replaced(self.folder / INDEX, json.dumps(content | {"sha256": _digest(content)}).encode())
        if crowded:
            for entry in former:
                (self.folder / str(entry["file"])).unlink(missing_ok=True)
        return whole

    def _index(self) -> Sequence[dict[str, Any]]:
        try:
            content = json.loads((self.folder / INDEX).read_bytes())
            claimed = content.pop("sha256")
            if claimed != _digest(content):
                raise ValueError(claimed)
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, AttributeError, OSError):
            self.complaints.append(f"{INDEX} is damaged")
            return []
        if content["stamp"] != json.loads(json.dumps(dict(self.stamp))):
            self.complaints.append("made by another version")
            return []
        files: list[dict[str, Any]] = content["files"]
        return files

    def _joined(self, parts: Sequence[Arrays]) -> Arrays:
        parts = [part for part in parts if part]
        if len(parts) < 2:
            return dict(parts[0]) if parts else {}
        return {
            name: np.concatenate([part[name] for part in parts], axis=int(name in self.across)) for name in parts[0]
        }


def used(folder: Path) -> tuple[int, int]:
    """How many files lie below a folder of shelves, and how many bytes they take."""
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    return len(sizes), sum(sizes)


def damaged(folder: Path) -> list[str]:
    """Files below a folder of shelves that are not what their index says, with what is wrong."""
    found = []
    for index in sorted(folder.glob(f"*/{INDEX}")):
        try:
            content = json.loads(index.read_bytes())
            sound = content.pop("sha256") == _digest(content)
            files = content["files"] if sound else []
        except (ValueError, KeyError, AttributeError, OSError):
            sound, files = False, []
        if not sound:
            found.append(f"{index.parent.name}/{INDEX}")
        found += [
            f"{index.parent.name}/{entry['file']}"
            for entry in files
            if _opened(index.parent / str(entry["file"]), entry) is None
        ]
    return found


def _opened(path: Path, entry: Mapping[str, Any]) -> Arrays | None:
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError:
        return None
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:  # type: ignore[arg-type]  # an array is a buffer
        return None
    arrays = {}
    for name, kind, shape, start in entry["arrays"]:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
        arrays[str(name)] = data[start : start + size].view(kind).reshape(shape)
    return arrays


def _written(folder: Path, arrays: Arrays) -> dict[str, Any]:
    """Write one file under a name made of its content; returns its entry in the index."""
    described, parts, start = [], [], 0
    for name, array in arrays.items():
        described.append([name, array.dtype.str, list(array.shape), start])
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        parts += [data, np.zeros(-len(data) % ALIGNED, np.uint8)]
        start += len(data) + -len(data) % ALIGNED
    data = np.concatenate(parts)
    digest = hashlib.sha256(data).hexdigest()  # type: ignore[arg-type]  # an array is a buffer
    _replaced(folder / f"{digest[:16]}.rows", data.data)
    return {"file": f"{digest[:16]}.rows", "sha256": digest, "arrays": described}


def _replaced(path: Path, data: bytes | memoryview) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
