"""A zip archive in; its members as files of plain names in a private folder out, with rejects for those that may not be
unpacked. Nothing of a member's name ever becomes a path."""

from __future__ import annotations

import contextlib
import re
import stat
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from etl.detect.format import Format, Refusal
from etl.errors import DeliveryError
from etl.read.compressed import exceeds
from etl.read.limits import Limits
from etl.read.reading import CANDIDATES, REJECTS, Reading
from etl.read.zips import BROKEN, stream

ARCHIVE = "archive"  # the reason with which `read` declines an archive, and the shape of one that was unpacked
_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UTF8, _ENCRYPTED = 0x800, 0x1  # flag bits of a member


class Member(NamedTuple):
    """A file that was unpacked: its name in the archive, where it lies now, its size."""

    name: str
    location: str
    bytes: int


class Unpacked(NamedTuple):
    """The books of the archive itself, whose records are the members that give nothing, and its members."""

    reading: Reading
    members: list[Member]


def unpack(path: Path, into: Path, *, at_most: int, limits: Limits | None = None) -> Unpacked:
    """Unpack an archive into a folder that is there and empty. At most `at_most` bytes come out: beyond that, or where
    the archive is a bomb or broken, it is refused whole. Raises DeliveryError when a path cannot be opened."""
    limits = limits or Limits()
    members: list[Member] = []
    total = 0
    rejects: list[tuple[str, str, str]] = []
    try:
        packed = path.stat().st_size
    except OSError as error:
        raise DeliveryError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        with zipfile.ZipFile(path) as archive:
            names: set[str] = set()
            for number, info in enumerate(archive.infolist()):
                name = _name(info)
                if info.is_dir() or _is_junk(name):
                    continue
                check = partial(_check, before=total, packed=packed, at_most=at_most, limits=limits)
                found = _why_not(info, name, names) or _take(archive, info, into / f"{number:06}", check)
                if isinstance(found, int):
                    members.append(Member(name, str(into / f"{number:06}"), found))
                    total += found
                else:
                    rejects.append((name, *found))
                names.add(name)
    except _TooMuch as stop:
        return Unpacked(Reading.of(stop.refusal), [])
    except BROKEN as error:
        return Unpacked(Reading.refused("broken_archive", f"zip: {error}"), [])
    return Unpacked(_reading(members, rejects), members)


class _TooMuch(Exception):  # noqa: N818 - it carries a decision out of a deep place
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def _check(size: int, *, before: int, packed: int, at_most: int, limits: Limits) -> None:
    """Raise _TooMuch when a member of this size, behind those before it, is too much for the archive or for us."""
    if too_much := exceeds(before + size, packed, limits):
        raise _TooMuch(too_much)
    if before + size > at_most:
        raise _TooMuch(Refusal("file_too_large", f"more than {at_most:,} bytes inside"))


def _name(info: zipfile.ZipInfo) -> str:
    """The name with '/' between its parts. Without the UTF-8 flag zip means cp437, and most senders wrote UTF-8."""
    name = info.filename
    if not info.flag_bits & _UTF8:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return _CONTROL.sub("?", name.replace("\\", "/"))


def _is_junk(name: str) -> bool:
    """Hidden files and what systems leave behind; `..` is no hidden file but an attempt to get out."""
    return any(
        part.lower() in _JUNK or part.startswith("~$") or (part.startswith(".") and part not in (".", ".."))
        for part in name.split("/")
    )


def _why_not(info: zipfile.ZipInfo, name: str, names: set[str]) -> tuple[str, str] | None:
    """The reason why a member is not unpacked, with evidence."""
    if name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/"):
        return "unsafe_path", "the name leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "link", "a symbolic link"
    if info.flag_bits & _ENCRYPTED:
        return "encrypted_member", "needs a password"
    return ("duplicate_member", "this name stands in the archive before") if name in names else None


def _take(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, check: Callable[[int], None]
) -> int | tuple[str, str]:
    """Unpack one member and return its size; or why that failed."""
    size, broken = 0, ""
    parts = stream(archive, info)
    try:
        with target.open("xb") as out:
            while True:
                try:
                    part = next(parts, b"")
                except BROKEN as error:
                    broken = f"{type(error).__name__}: {error}"
                    break
                if not part:
                    return size
                size += out.write(part)
                check(size)
        target.unlink()
    except OSError as error:  # of this system and not of the archive: a full disk
        raise DeliveryError(f"{info.filename} cannot be unpacked: {error.strerror or error}") from error
    return "broken_member", broken


def _reading(members: list[Member], rejects: list[tuple[str, str, str]]) -> Reading:
    """The archive's own books. Positions are names; one that stands twice gets its number."""
    if not members and not rejects:
        return Reading.refused("no_records", "an archive with no files in it")
    rows = []
    for number, (name, reason, evidence) in enumerate(rejects):
        position = name.replace("%", "%25").replace("#", "%23")
        if any(name == other for other, *_ in rejects[:number]) or reason == "duplicate_member":
            position = f"{position} (reject {number + 1})"
        rows.append((position, reason, evidence, name[:500]))
    made = Format("zip", "binary", ARCHIVE, {}, 1.0, (f"{len(members)} files inside",), {"members": len(members)})
    return Reading(made, len(rows), CANDIDATES.to_frame(), pl.DataFrame(rows, schema=REJECTS, orient="row"))
