"""The bytes of a parquet or Arrow file in, a `Reading` out. Arrow files are those of feather and, as streams, those of
Hugging Face `save_to_disk` folders."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

import polars as pl

from etl.detect.format import Format, Refusal
from etl.detect.outline import SAMPLE, Outline
from etl.detect.strict_json import canonical
from etl.keys import digests
from etl.read.assemble import CHUNK, Assembly, format_of
from etl.read.columns import Columns, add_columns, json_objects
from etl.read.compressed import exceeds
from etl.read.json_text import digest
from etl.read.limits import Limits
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.shapes.base import Batch, Match

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import FileMetaData


def read_parquet(data: bytes, kind: str, recognise: Recogniser, limits: Limits) -> Reading:
    """Read a file of columns whole; polars panics on some broken ones, which the caller catches."""
    if kind == "parquet" and (refusal := _too_much(data, limits)) is not None:
        return Reading.of(refusal, Format(kind, "binary", "unknown", {}, 1.0))
    frame = _frame(data, kind)
    kind = "arrow" if kind == "arrow_stream" else kind
    known = Format(kind, "binary", "unknown", {}, 1.0)
    if frame.height == 0:
        return Reading.refused("no_records", f"no rows; columns {', '.join(frame.columns)}", format=known)
    match = recognise(Outline.of(frame.head(SAMPLE).to_dicts()))
    if not isinstance(match, Match):
        refusal = match or Refusal("tabular", f"no column looks like a question: {', '.join(frame.columns)[:300]}")
        return Reading.of(refusal, known)
    assembly = Assembly(limits)
    for start in range(0, frame.height, CHUNK):
        _add(assembly, frame.slice(start, CHUNK), start + 1, match)
    return assembly.reading(format_of(kind, "binary", match))


def stream_parquet(file: BinaryIO, recognise: Recogniser, assembly: Assembly) -> Reading | None:
    """Read a parquet file of plain columns batch by batch; None for one with any other column, or a bomb."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = pq.ParquetFile(file)
    except (pa.ArrowException, OSError):
        return None
    fields = source.schema_arrow
    if _is_bomb(source.metadata, file.seek(0, io.SEEK_END), assembly.limits):
        return None
    if not source.metadata.num_rows or len(set(fields.names)) < len(fields) or not all(map(_is_plain, fields.types)):
        return None
    match: Match | Refusal | None = None
    start = 1
    for batch in source.iter_batches(batch_size=CHUNK):
        frame = pl.DataFrame(batch)
        if match is None:
            match = recognise(Outline.of(frame.head(SAMPLE).to_dicts()))
            if not isinstance(match, Match):
                return None
        assert isinstance(match, Match)  # noqa: S101 - said to the type checker; it was looked at with the first batch
        _add(assembly, frame, start, match)
        start += frame.height
    assert isinstance(match, Match)  # noqa: S101 - as above: there are rows
    return assembly.reading(format_of("parquet", "binary", match))


def _is_plain(kind: pa.DataType) -> bool:
    import pyarrow as pa

    texts = (pa.string(), pa.large_string())
    return kind in (*texts, pa.int64(), pa.bool_(), *map(pa.list_, texts), *map(pa.large_list, texts))


def _add(assembly: Assembly, frame: pl.DataFrame, start: int, match: Match) -> None:
    """Read some rows, as columns where they are plain."""
    numbers = pl.int_range(start, start + frame.height, eager=True).cast(pl.String)
    positions = pl.Series("position", "row:" + numbers)
    objects = json_objects(frame, blank=True)
    if objects is not None:
        columns = Columns(frame, positions, digests(objects), lambda i: frame.row(i, named=True))
        if add_columns(assembly, columns, match):
            return
    records = frame.to_dicts()
    digested = [digest(canonical(record)) for record in records]
    assembly.add(Batch(positions.to_list(), records, digested), match)


def _too_much(data: bytes, limits: Limits) -> Refusal | None:
    """Why a parquet file may not be opened; None as well where polars has to say what is wrong with it."""
    import pyarrow as pa
    from pyarrow.parquet import read_metadata

    try:
        return _is_bomb(read_metadata(pa.BufferReader(data)), len(data), limits)
    except (pa.ArrowException, OSError, ValueError):
        return None


def _is_bomb(said: FileMetaData, packed: int, limits: Limits) -> Refusal | None:
    """Judged by what the file says of itself: a few kilobytes can hold gigabytes or billions of rows. One that lies
    about it meets the child's limits on memory and time."""
    if said.num_rows > limits.records:
        return Refusal("too_many_records", f"{said.num_rows:,} rows, {limits.records:,} are allowed")
    return exceeds(sum(said.row_group(i).total_byte_size for i in range(said.num_row_groups)), packed, limits)


def _frame(data: bytes, kind: str) -> pl.DataFrame:
    if kind == "arrow_stream":
        return pl.read_ipc_stream(io.BytesIO(data))
    if kind == "arrow":
        return pl.read_ipc(io.BytesIO(data))
    return pl.read_parquet(io.BytesIO(data), use_statistics=False)
