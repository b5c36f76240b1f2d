"""A folder of exports in; its manifest, its rows and what is wrong with it out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl

from etl.errors import NotFoundError
from etl.store import Store

MANIFEST = "manifest.json"
LATEST = "latest.json"
_VERSION = re.compile(r"v\d{4,}")


@dataclass(frozen=True, slots=True)
class Index:
    """A FAISS file of a release and, position by position, the keys of its vectors."""

    path: Path
    keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class Release:
    """One release on disk: `Release.latest("exports").frame("train")`."""

    folder: Path
    manifest: Mapping[str, Any]

    @classmethod
    def from_folder(cls, folder: Path | str) -> Self:
        """The release in a folder; raises `NotFoundError` where there is no manifest."""
        path = Path(folder) / MANIFEST
        if not path.is_file():
            raise NotFoundError(f"{folder} holds no release: it has no {MANIFEST}; 'etl export' makes one")
        return cls(Path(folder), json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def latest(cls, exports: Path | str) -> Self:
        """The newest release of a workspace's folder of exports."""
        path = Path(exports) / LATEST
        if not path.is_file():
            raise NotFoundError(f"no release in {exports} yet: 'etl run' makes one")
        return cls.from_folder(Path(exports) / json.loads(path.read_text(encoding="utf-8"))["version"])

    @property
    def version(self) -> str:
        """v0001, v0002 ..."""
        return str(self.manifest["version"])

    def frame(self, split: str) -> pl.DataFrame:
        """The rows of train, validation or test, sorted by key, with the columns of the Parquet file."""
        for form, read in _READERS.items():
            if f"{split}.{form}" in self.manifest["files"]:
                return read(self.folder / f"{split}.{form}")
        raise NotFoundError(f"{self.version} has no rows {split!r} as Parquet or JSON; it has {self._files()}")

    def rag(self) -> list[dict[str, Any]]:
        """The rows of rag_export.json, sorted by key."""
        rows: list[dict[str, Any]] = json.loads((self.folder / "rag_export.json").read_text(encoding="utf-8"))
        return rows

    def index(self, name: str) -> Index:
        """The index of 'questions' or 'answers'."""
        if f"{name}.faiss" not in self.manifest["files"]:
            raise NotFoundError(f"{self.version} has no index {name!r}; it has {self._files()}")
        ids = json.loads((self.folder / f"{name}.ids.json").read_text(encoding="utf-8"))
        return Index(self.folder / f"{name}.faiss", ids)

    def verify(self) -> list[str]:
        """What differs from the manifest."""
        return verify(self.folder)

    def _files(self) -> str:
        return ", ".join(self.manifest["files"])


def releases(store: Store) -> pl.DataFrame:
    """Every release of a store, oldest first: frame(version, created, exported, train, validation, test, digest)."""
    return store.query(
        """
        SELECT version, created, (manifest->'$.counts.exported')::BIGINT AS exported,
               (manifest->'$.splits.train')::BIGINT AS train,
               (manifest->'$.splits.validation')::BIGINT AS validation,
               (manifest->'$.splits.test')::BIGINT AS test, digest
        FROM releases ORDER BY length(version), version
        """
    )


def verify(folder: Path | str) -> list[str]:
    """Compare a release with its manifest, every byte; returns the differences, none where all is well."""
    folder = Path(folder)
    try:
        manifest = Release.from_folder(folder).manifest
        listed = dict(manifest["files"])
    except (NotFoundError, ValueError, KeyError, TypeError) as error:
        return [f"{folder / MANIFEST} cannot be used: {error}"]
    problems = []
    for name, facts in sorted(listed.items()):
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif path.stat().st_size != facts["bytes"]:
            problems.append(f"{name} has {path.stat().st_size} bytes, {facts['bytes']} were written")
        elif sha256_of(path) != facts["sha256"]:
            problems.append(f"{name} has changed since it was written")
    extra = {path.name for path in folder.iterdir()} - set(listed) - {MANIFEST}
    return problems + [f"{name} is not in the manifest" for name in sorted(extra)]


def versions_in(exports: Path) -> list[str]:
    """The version folders there are, oldest first, complete or not."""
    if not exports.is_dir():
        return []
    found = [path.name for path in exports.iterdir() if path.is_dir() and _VERSION.fullmatch(path.name)]
    return sorted(found, key=number_of)


def number_of(version: str) -> int:
    """3 of v0003."""
    return int(version.removeprefix("v"))


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_parquet(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path)


def _read_lines(path: Path) -> pl.DataFrame:
    return pl.read_ndjson(path, infer_schema_length=None)


def _read_array(path: Path) -> pl.DataFrame:
    return pl.read_json(path, infer_schema_length=None)


_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    "parquet": _read_parquet,
    "jsonl": _read_lines,
    "json": _read_array,
}
