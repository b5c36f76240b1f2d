"""A large file in, a `Reading` out, without ever holding the whole of it."""

from __future__ import annotations

from typing import BinaryIO

from etl.read.assemble import Assembly
from etl.read.json_array import stream_array
from etl.read.json_lines import stream_lines
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.read.table_lines import stream_table


def stream(file: BinaryIO, recognise: Recogniser, assembly: Assembly) -> Reading | None:
    """The reading of a plain large file; None where it has to be looked at whole; what was given of it then
    does not count."""
    begin = file.read(64)
    file.seek(0)
    if begin.startswith(b"PAR1"):
        from etl.read.parquet import stream_parquet

        return stream_parquet(file, recognise, assembly)
    if begin.lstrip().startswith((b"{", b"[")):
        lines = stream_lines(file, recognise, assembly)
        if lines is not None:
            return lines
        file.seek(0)
        return stream_array(file, recognise, assembly)
    return stream_table(file, recognise, assembly)
