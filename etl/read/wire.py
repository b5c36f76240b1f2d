"""Messages between the parent and the reading child: a length, then that many bytes; frames go as Arrow IPC.

Before the messages of a reading, any number of parts of its candidates may come.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import BinaryIO

import polars as pl

from etl.detect.format import Format, Refusal
from etl.read.reading import CANDIDATES, Reading

_LENGTH = 8  # bytes, big-endian


def send(stream: BinaryIO, message: bytes | memoryview) -> None:
    """Write one message and flush it."""
    stream.write(len(message).to_bytes(_LENGTH, "big"))
    stream.write(message)
    stream.flush()


def receive(stream: BinaryIO, *, at_most: int) -> bytes:
    """Read one message. Raises EOFError when the other side is gone, ValueError when it is longer than `at_most`."""
    length = int.from_bytes(_exactly(stream, _LENGTH), "big")
    if length > at_most:
        raise ValueError(f"a message of {length:,} bytes, {at_most:,} are allowed")
    return _exactly(stream, length)


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError(f"{len(data)} of {length} bytes")
    return data


def pack(reading: Reading) -> list[bytes]:
    """A reading as three messages: the decision, the candidates, the rejects."""
    refusal = reading.refusal
    head = {
        "format": None if reading.format is None else reading.format.to_json(),
        "records": reading.records,
        "apart": reading.apart,
        "refusal": None if refusal is None else [refusal.reason, refusal.evidence, refusal.proposal],
    }
    return [json.dumps(head).encode("ascii"), _frame(reading.candidates), _frame(reading.rejects)]


def part(candidates: pl.DataFrame) -> bytes | memoryview:
    """Some candidates as a message of their own, without the columns in which nothing stands."""
    buffer = io.BytesIO()
    candidates.select(column for column in candidates if not _is_blank(column)).write_ipc(buffer)
    return buffer.getbuffer()


def _is_blank(column: pl.Series) -> bool:
    if column.dtype == pl.String:
        return column.null_count() == len(column)
    return column.null_count() == 0 and not (column.list.len() > 0).any()


def is_part(message: bytes) -> bool:
    """Whether a message that comes first is a part and not yet the decision."""
    return message.startswith(b"ARROW1")


def unpack_part(message: bytes) -> pl.DataFrame:
    """The inverse of `part`; the texts lie in the message itself, which is checked but not copied."""
    import pyarrow as pa

    table = pa.ipc.open_file(pa.py_buffer(message)).read_all()
    table.validate(full=True)
    frame = pl.from_arrow(table, rechunk=False)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - said to the type checker: a table gives a frame
    blank = {name: kind for name, kind in CANDIDATES.items() if name not in frame.columns}
    added = frame.with_columns(
        pl.lit(None if kind == pl.String else [], dtype=kind).alias(name) for name, kind in blank.items()
    )
    return added.select(CANDIDATES.names())


def counts_parts(messages: list[bytes]) -> bool:
    """Whether the parts that came before belong to this reading."""
    return bool(json.loads(messages[0])["apart"])


def unpack(messages: list[bytes], parts: Sequence[pl.DataFrame] = ()) -> Reading:
    """The inverse of `pack`; checks the books once more. Parts count only where it says so."""
    head, candidates, rejects = messages
    said = json.loads(head)
    rest = pl.read_ipc(io.BytesIO(candidates))
    whole = pl.concat([*parts, rest], rechunk=False) if said["apart"] else rest
    return Reading(
        format=None if said["format"] is None else Format.from_json(said["format"]),
        records=said["records"],
        candidates=whole,
        rejects=pl.read_ipc(io.BytesIO(rejects)),
        refusal=None if said["refusal"] is None else Refusal(*said["refusal"]),
    )


def _frame(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue()
