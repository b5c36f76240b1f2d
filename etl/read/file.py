"""A path in, a `Reading` out, in this process."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from etl.detect.container import container
from etl.detect.encoding import decode
from etl.detect.format import Format, Refusal
from etl.errors import DeliveryError, MotherlodeError
from etl.read.archive import ARCHIVE
from etl.read.assemble import Assembly, Give, Refused
from etl.read.compressed import SUFFIX, decompress
from etl.read.joined import is_join, read_join
from etl.read.json_text import read_json
from etl.read.limits import Limits
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.read.stream import stream
from etl.read.table_text import read_table
from etl.read.zips import zip_kind

STREAMED = 4 * 1024 * 1024  # bytes; larger files of the plain kinds are read in parts


def read(
    path: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    salvage: bool = False,
    give: Give | None = None,
) -> Reading:
    """Read one delivery. Bad content is refused, never raised; `mapping` (our field -> the sender's name) is a person's
    and wins over what the content suggests; with `salvage` broken JSON gives what stands before the break. Raises
    DeliveryError when the path cannot be opened.

    With `give`, candidates of a large file go there part by part, and the reading has only the others (`apart` says
    how many records went before). Where `apart` is 0 in the end, what was given does not count.
    """
    limits = limits or Limits()
    try:
        size = path.stat().st_size
        if size > limits.file_bytes:
            return Reading.refused("file_too_large", f"{size:,} bytes, {limits.file_bytes:,} are allowed")
        with path.open("rb") as file:
            if size > STREAMED and _mappable(mapping):
                recognise = Recogniser(dict(mapping) if mapping is not None else None, salvage)
                assembly = Assembly(limits, give=give)
                reading = _guarded(lambda: stream(file, recognise, assembly), recognise, f"{size:,} bytes")
                if reading is not None:
                    return reading
                file.seek(0)
            data = file.read()
    except OSError as error:
        raise DeliveryError(f"{path} cannot be read: {error.strerror or error}") from error
    if is_join(data) and mapping is None:
        return read_join(path, data, limits=limits)
    return read_bytes(data, mapping=mapping, limits=limits, salvage=salvage)


def read_bytes(
    data: bytes, *, mapping: Mapping[str, str] | None = None, limits: Limits | None = None, salvage: bool = False
) -> Reading:
    """Read the bytes of one delivery; nothing is raised for what they hold."""
    if not _mappable(mapping):
        return Reading.refused("mapping_does_not_fit", "a mapping names at least question and answer")
    recognise = Recogniser(dict(mapping) if mapping is not None else None, salvage)
    return read_as(data, recognise, limits=limits or Limits())


def _mappable(mapping: Mapping[str, str] | None) -> bool:
    return mapping is None or {"question", "answer"} <= mapping.keys()


def read_as(data: bytes, recognise: Recogniser, *, limits: Limits) -> Reading:
    """Read bytes with a recogniser, which afterwards knows the outline that decided."""
    reading = _guarded(lambda: _read(data, recognise, limits), recognise, f"{len(data):,} bytes")
    assert reading is not None  # noqa: S101 - said to the type checker: only a stream may be declined
    return reading


def _guarded(reads: Callable[[], Reading | None], recognise: Recogniser, what: str) -> Reading | None:
    """What a reader gives, signed; a refusal for everything that content can bring about."""
    try:
        with _without_collector():
            found = reads()
        if found is None:
            return None
        reading = recognise.sign(found)
    except Refused as stop:
        return Reading.of(stop.refusal)
    except MemoryError:
        return Reading.refused("out_of_memory", f"{what} need more memory than there is")
    except RecursionError:
        return Reading.refused("too_deep", "nested more deeply than can be followed")
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit, MotherlodeError)) or not _is_content(error):
            raise
        evidence = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return Reading.refused("unreadable", evidence)
    made = reading.format
    if recognise.mapping is not None and reading.refusal is not None and made is not None and not made.mapping:
        said = ", ".join(f"{ours} = {theirs}" for ours, theirs in recognise.mapping.items())
        evidence = f"no records with {said}; {reading.refusal.evidence}"
        return Reading.refused("mapping_does_not_fit", evidence, format=made)
    return reading


@contextmanager
def _without_collector() -> Iterator[None]:
    """A million records are a million dicts that the cyclic collector walks again and again: 30% slower, measured."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _is_content(error: BaseException) -> bool:
    """Errors that bytes can cause; a panic of polars is a BaseException, a bug of ours in the books is not content."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _read(data: bytes, recognise: Recogniser, limits: Limits) -> Reading:
    kind = container(data)
    if isinstance(kind, Refusal):
        return Reading.of(kind)
    if kind in SUFFIX:
        return _read_compressed(data, kind, recognise, limits)
    if kind == "zip":
        return _read_zip(data, recognise, limits)
    if kind in ("parquet", "arrow", "arrow_stream"):
        from etl.read.parquet import read_parquet

        return read_parquet(data, kind, recognise, limits)
    if kind in ("sqlite", "duckdb"):
        from etl.read.database import read_database

        return read_database(data, kind, recognise, limits)
    text = decode(data)
    if isinstance(text, Refusal):
        return Reading.of(text, Format("text", "unknown", "unknown", {}, 0.0))
    if text.data.lstrip()[:1] in (b"{", b"["):
        return read_json(text, recognise, limits)
    return read_table(text, recognise, limits)


def _read_zip(data: bytes, recognise: Recogniser, limits: Limits) -> Reading:
    """Workbooks and documents are read. The members of an archive are deliveries of their own, unpacked first."""
    kind = zip_kind(data)
    if isinstance(kind, Refusal):
        return Reading.of(kind)
    if kind == "xlsx":
        from etl.read.sheets import read_sheets

        return read_sheets(data, recognise, limits)
    if kind == "docx":
        from etl.read.documents import read_document

        return read_document(data, recognise, limits)
    if kind == "zip":
        return Reading.refused(ARCHIVE, "its files are deliveries of their own and have to be unpacked")
    return Reading.refused("unsupported_shape", f"{kind}: begins with {data[:8]!r}")


def _read_compressed(data: bytes, kind: str, recognise: Recogniser, limits: Limits) -> Reading:
    """Read what a compressed file holds; its container is then `jsonl.gz` and the like."""
    inside = decompress(data, kind, limits)
    if isinstance(inside, Refusal):
        return Reading.of(inside)
    if container(inside) in (*SUFFIX, "zip"):
        return Reading.refused("nested_archive", f"an archive inside {kind}")
    reading = _read(inside, recognise, limits)
    if reading.format is None:
        return reading
    return replace(reading, format=replace(reading.format, container=f"{reading.format.container}.{SUFFIX[kind]}"))
