"""The bytes of a parquet or Arrow file in, a `Reading` out. Arrow files are those of feather and, as streams, those of
Hugging Face `save_to_disk` folders."""

from __future__ import annotations

import io

import polars as pl

from etl.detect.format import Format, Refusal
from etl.detect.outline import SAMPLE, Outline
from etl.detect.strict_json import canonical
from etl.read.assemble import CHUNK, Assembly, format_of
from etl.read.json_text import digest
from etl.read.limits import Limits
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.shapes.base import Batch, Match


def read_parquet(data: bytes, kind: str, recognise: Recogniser, limits: Limits) -> Reading:
    """Read a file of columns whole; polars panics on some broken ones, which the caller catches."""
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
        records = frame.slice(start, CHUNK).to_dicts()
        positions = [f"row:{start + i}" for i in range(1, len(records) + 1)]
        assembly.add(Batch(positions, records, [digest(canonical(record)) for record in records]), match)
    return assembly.reading(format_of(kind, "binary", match))


def _frame(data: bytes, kind: str) -> pl.DataFrame:
    if kind == "arrow_stream":
        return pl.read_ipc_stream(io.BytesIO(data))
    if kind == "arrow":
        return pl.read_ipc(io.BytesIO(data))
    return pl.read_parquet(io.BytesIO(data), use_statistics=False)
