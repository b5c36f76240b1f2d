"""The bytes of one compressed file in, the bytes inside out, never more of them than is allowed."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Iterator

from etl.detect.format import Refusal
from etl.read.limits import MEGABYTE, Limits

SUFFIX = {"gzip": "gz", "zstd": "zst", "bzip2": "bz2", "xz": "xz"}
# Texts of questions and answers shrink to a fifth, tables of repeats to a fiftieth; what grows 200 times and is large
# was made to fill a memory.
MOST_RATIO = 200
SMALL = 16 * MEGABYTE
_STEP = MEGABYTE
_XZ_MEMORY = 256 * MEGABYTE


def decompress(data: bytes, kind: str, limits: Limits) -> bytes | Refusal:
    """The content of a gzip, zstd, bzip2 or xz file. Cut or damaged files are refused whole."""
    found = io.BytesIO()
    try:
        for part in parts(data, kind):
            found.write(part)
            if too_much := exceeds(found.tell(), len(data), limits):
                return too_much
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        return Refusal("broken_archive", f"{kind}: {error}")
    return found.getvalue()


def exceeds(size: int, packed: int, limits: Limits) -> Refusal | None:
    """Why so many bytes out of so few are refused."""
    if size > limits.file_bytes:
        return Refusal("file_too_large", f"more than {limits.file_bytes:,} bytes inside")
    if size > SMALL and size > MOST_RATIO * packed:
        return Refusal("compression_bomb", f"{packed:,} bytes hold more than {size:,}: over {MOST_RATIO} times as many")
    return None


def parts(data: bytes, kind: str) -> Iterator[bytes]:
    """The content piece by piece. Raises EOFError and the like where the file ends before its content does."""
    if kind == "zstd":
        yield from _zstd(data)
    elif kind == "gzip":
        yield from _gzip(data)
    else:
        rest = data
        while rest:
            unpacker = bz2.BZ2Decompressor() if kind == "bzip2" else lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
            yield unpacker.decompress(rest, _STEP)
            while not unpacker.eof:
                if unpacker.needs_input:
                    raise EOFError("the file ends before its content does")
                yield unpacker.decompress(b"", _STEP)
            rest = unpacker.unused_data.lstrip(b"\x00")


def _gzip(data: bytes) -> Iterator[bytes]:
    """All members of a gzip file, one after the other."""
    rest = data
    while rest:
        unpacker = zlib.decompressobj(wbits=31)
        part = unpacker.decompress(rest, _STEP)
        while part or not unpacker.eof:
            yield part
            before = len(unpacker.unconsumed_tail)
            part = unpacker.decompress(unpacker.unconsumed_tail, _STEP)
            if not part and not unpacker.eof and len(unpacker.unconsumed_tail) == before:
                raise EOFError("the file ends before its content does")
        rest = unpacker.unused_data.lstrip(b"\x00")


def _zstd(data: bytes) -> Iterator[bytes]:
    import pyarrow as pa

    stream = pa.CompressedInputStream(pa.BufferReader(data), "zstd")
    while part := stream.read(_STEP):
        yield part
