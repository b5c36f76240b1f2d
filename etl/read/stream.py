"""A large file in, a `Reading` out, without ever holding the whole of it."""

from __future__ import annotations

from typing import BinaryIO

from etl.read.assemble import Assembly
from etl.read.json_lines import stream_lines
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser


def stream(file: BinaryIO, recognise: Recogniser, assembly: Assembly) -> Reading | None:
    """The reading of a plain large file; None where it has to be looked at whole, and nothing was read yet."""
    return stream_lines(file, recognise, assembly)
