"""The bytes of a zip file in: what kind it is, its members one by one, and a look that no bomb survives."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator

from etl.detect.format import Refusal
from etl.read.compressed import exceeds
from etl.read.limits import MEGABYTE, Limits

MOST_MEMBERS = 20_000
# What a broken or unusual zip file raises: bad structure, wrong checksum, unknown method, a password, odd names.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, KeyError)
_OFFICE = (
    ("xl/workbook.xml", "xlsx"), ("xl/workbook.bin", "xlsb"), ("word/document.xml", "docx"),
    ("ppt/presentation.xml", "pptx"), ("META-INF/MANIFEST.MF", "jar"),
)  # fmt: skip
_STEP = MEGABYTE


def zip_kind(data: bytes) -> str | Refusal:
    """`zip` for an archive of files, else the kind of document that the zip file is."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if len(names) > MOST_MEMBERS:
                return Refusal("too_many_members", f"{len(names):,} members, {MOST_MEMBERS:,} are allowed")
            if "mimetype" in names:  # OpenDocument, EPUB
                return archive.open("mimetype").read(100).decode("utf-8", "replace").strip() or "document"
    except BROKEN as error:
        return Refusal("broken_archive", f"zip: {error}")
    return next((kind for name, kind in _OFFICE if name in names), "zip")


def stream(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of a member, a megabyte at a time. Raises one of BROKEN."""
    with archive.open(member) as content:
        while part := content.read(_STEP):
            yield part


def measure(archive: zipfile.ZipFile, packed: int, limits: Limits) -> Refusal | None:
    """Unpack all members to nowhere: what they say of their size need not be true."""
    size = 0
    try:
        for member in archive.infolist():
            for part in stream(archive, member):
                size += len(part)
                if too_much := exceeds(size, packed, limits):
                    return too_much
    except BROKEN as error:
        return Refusal("broken_archive", f"zip: {error}")
    return None
