"""A large JSON text that is one list of flat objects, or an object with one such list in it; a `Reading` out.

The list is cut into its elements by msgspec, which checks its outer syntax; what stands around it is parsed strictly by
itself, and the elements are parsed strictly as columns. Where anything is not as plain as that the text is looked at
whole, and what was given of it before is void.
"""

from __future__ import annotations

import codecs
from typing import Any, BinaryIO

import msgspec

from etl.detect.container import container
from etl.detect.encoding import Text
from etl.detect.strict_json import DECODER, BrokenJsonError, canonical, parse
from etl.keys import digests
from etl.read.assemble import CHUNK, Assembly
from etl.read.columns import Columns, add_columns, json_objects
from etl.read.json_lines import Members, Split
from etl.read.json_text import FLAT, digest, format_of_plan, is_lines
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.shapes.bare import question_keys
from etl.shapes.base import Inherited
from etl.shapes.tree import ITEM, Plan, leaves, plan

_SAMPLE = 2000  # records that a plan is made on
_RAW = msgspec.json.Decoder(list[msgspec.Raw])
_TOP = msgspec.json.Decoder(dict[str, msgspec.Raw])


def stream_array(file: BinaryIO, recognise: Recogniser, assembly: Assembly) -> Reading | None:
    """Read such a text chunk by chunk; None for any other."""
    import polars as pl

    data = file.read()
    if container(data[: 1 << 20]) != "text" or b"\x00" in data or is_lines(data):
        return None
    cut = _cut(data)
    if cut is None:
        return None
    tree, name, elements = cut
    sample = [DECODER.decode(element) for element in _sampled(elements, top=name is None)]
    found = plan(sample if name is None else tree | {name: sample}, recognise)
    kind = FLAT if name is None else (name, ITEM)
    if not isinstance(found, Plan) or set(found.matches) != {kind}:
        return None
    if name is not None:
        first = next(iter(leaves(tree | {name: sample[:1]}, found)), None)
        if first is None or first.inherited != Inherited() or first.pointer != f"/{name}/0":
            return None
    members = Members()
    prefix = "/" if name is None else f"/{name}/"
    for start in range(0, len(elements), CHUNK):
        lines = [bytes(raw).replace(b"\n", b" ").replace(b"\r", b" ") for raw in elements[start : start + CHUNK]]
        split = Split.of(b"\n".join(lines))
        if split is None or not members.learn(split.sample(_SAMPLE)) or (frame := split.parsed(members.kinds)) is None:
            return None
        numbers = pl.int_range(start, start + frame.height, eager=True).cast(pl.String)
        columns = Columns(frame, pl.Series(prefix + numbers), _digests(frame, lines), split.record)
        if not add_columns(assembly, columns, found.matches[kind]):
            return None
    return assembly.reading(format_of_plan("json", Text(b"", "utf-8", 1.0), found))


def _cut(data: bytes) -> tuple[dict[str, Any], str | None, list[msgspec.Raw]] | None:
    """(what stands around, the name of the list or None for a bare list, its elements)."""
    import numpy as np

    try:
        _check_utf8(data)
        if data.lstrip()[:1] == b"[":
            elements = _RAW.decode(data)
            return ({}, None, elements) if elements else None
        top = _TOP.decode(data)
        name = max(top, key=lambda member: len(memoryview(top[member])), default=None)
        if name is None or not name.isidentifier():
            return None
        inside = memoryview(top[name])
        elements = _RAW.decode(inside)
        start = np.frombuffer(inside, np.uint8).ctypes.data - np.frombuffer(data, np.uint8).ctypes.data
        around = parse(data[:start] + b"[]" + data[start + len(inside) :])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BrokenJsonError):
        return None
    if not elements or around.get(name) != [] or question_keys(around):
        return None
    return around, name, elements


def _check_utf8(data: bytes) -> None:
    """Raises UnicodeDecodeError; piece by piece, for the whole as a text might need four times the memory."""
    decoder, piece = codecs.getincrementaldecoder("utf-8")("strict"), 1 << 24
    for start in range(0, len(data), piece):
        decoder.decode(data[start : start + piece], final=start + piece >= len(data))


def _sampled(elements: list[msgspec.Raw], *, top: bool) -> list[msgspec.Raw]:
    """Those that a plan would look at."""
    return elements[:: max(1, len(elements) // _SAMPLE) if top else 1][:_SAMPLE]


def _digests(frame: Any, lines: list[bytes]) -> Any:
    """Of the canonical records; a null may be a member that is missing, which only the record itself tells."""
    import polars as pl

    objects = None if any(frame.null_count().row(0)) else json_objects(frame, blank=True)
    if objects is not None:
        return digests(objects)
    return pl.Series([digest(canonical(DECODER.decode(line))) for line in lines], dtype=pl.String)
