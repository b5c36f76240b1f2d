"""JSON lines in, a `Reading` out, a block of lines at a time, so that a million records need little memory.

Blocks of plain flat objects are parsed as columns by pyarrow, which refuses what `strict_json` refuses (duplicate keys,
NaN, half surrogates, raw control characters) and whose answer counts only where each line is one object. Any other
block goes line by line; both ways give the same rows.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from etl.detect.container import container
from etl.detect.encoding import Text
from etl.detect.format import Refusal
from etl.detect.strict_json import DECODER, BrokenJsonError, may_have_duplicates, members, parse
from etl.read.assemble import CHUNK, Assembly
from etl.read.columns import Columns, add_columns
from etl.read.json_text import FLAT, add_leaves, digest, format_of_plan, is_lines, unknown
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.read.views import views
from etl.shapes.bare import why_none
from etl.shapes.base import Batch, Match, shorten
from etl.shapes.tree import Plan, plan

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

BLOCK = 16 * 1024 * 1024  # bytes
_PARSED_AT_ONCE = 4 * 1024 * 1024  # bytes
_SAMPLE = 2000  # records that a plan is made on
_FEW = 100  # of each later block, to learn of members that come late
_KINDS: dict[type, str] = {str: "string", int: "int64", bool: "bool", type(None): "null"}


def read_lines(text: Text, recognise: Recogniser, assembly: Assembly, *, columns: bool = True) -> Reading:
    """Read the lines of a text that is in memory; without `columns` all of them one by one."""
    return _Lines(text, recognise, assembly, members=Members(plain=columns)).read(_blocks(io.BytesIO(text.data)))


def stream_lines(file: BinaryIO, recognise: Recogniser, assembly: Assembly) -> Reading | None:
    """Read a file of JSON lines without holding it in memory; None for one that is not plainly that, in UTF-8."""
    blocks = _blocks(file)
    head = next(blocks, b"")
    if container(head[:BLOCK]) != "text" or not head.lstrip().startswith(b"{") or not is_lines(head):
        return None
    plain = map(_plain_utf8, chain([head], blocks))
    try:
        reading = _Lines(Text(b"", "utf-8", 1.0), recognise, assembly).read(plain)
        deque(plain, 0)  # a refusal may come before the end, and what it says of the encoding is of the whole
    except _NotPlainError:
        return None
    return reading


class _NotPlainError(Exception):
    """A block is no plain UTF-8: the encoding of the whole text has to be found."""


def _plain_utf8(block: bytes) -> bytes:
    """The block, if it is one."""
    if b"\x00" in block:
        raise _NotPlainError
    try:
        if not block.isascii():
            block.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _NotPlainError from error
    return block


def _blocks(source: BinaryIO) -> Iterator[bytes]:
    """Whole lines: first as many as a plan is made on, then by size. Only LF ends a line, never U+2028."""
    if head := b"".join(islice(source, CHUNK)):
        yield head
    while block := source.read(BLOCK):
        yield block + source.readline()


@dataclass(slots=True)
class _Lines:
    """What is known of the lines so far."""

    text: Text
    recognise: Recogniser
    assembly: Assembly
    found: Plan | None = None
    members: Members = field(default_factory=lambda: Members())

    def read(self, blocks: Iterator[bytes]) -> Reading:
        number = 1
        for block in blocks:
            lines = Split.of(block) if self.members.plain else None
            done = self._columns(lines, number) if lines is not None else False
            refusal = self._line_by_line(block, number) if done is False else done
            if isinstance(refusal, Refusal):
                return Reading.of(refusal, unknown("jsonl", self.text))
            number += block.count(b"\n") if lines is None else len(lines)
        if self.found is None:
            evidence = self.assembly.rejects[0].evidence or ""
            return Reading.of(Refusal("broken_json", f"{self.assembly.records} lines, none of them JSON: {evidence}"))
        return self.assembly.reading(format_of_plan("jsonl", self.text, self.found))

    def _columns(self, lines: Split, number: int) -> Refusal | bool:
        """Read a block as columns: True when that was done, False when it has to go line by line."""
        most = _SAMPLE if self.found is None else _FEW
        sample = lines.sample(most)
        if not self.members.learn(sample) or (frame := lines.parsed(self.members.kinds)) is None:
            return False
        if self.found is None and (refusal := self._planned(sample)) is not None:
            return refusal
        match = self._flat()
        if match is None:
            self.members.plain = False
            return False
        columns = Columns(frame, lines.positions(number), lines.digests(), lines.record)
        return add_columns(self.assembly, columns, match)

    def _planned(self, values: list[Any]) -> Refusal | None:
        answer = plan(values, self.recognise)
        if not isinstance(answer, Plan):
            return answer or why_none(values)
        self.found = answer
        return None

    def _flat(self) -> Match | None:
        matches = self.found.matches if self.found is not None else {}
        return matches.get(FLAT) if len(matches) == 1 else None

    def _line_by_line(self, block: bytes, first: int) -> Refusal | None:
        for numbers, lines in _chunks(block, first):
            values, kept = _decode(numbers, lines, self.assembly)
            if self.found is None and values and (refusal := self._planned(values)) is not None:
                return refusal
            if self.members.plain:
                self.members.learn([value for value in values if type(value) is dict])
            if self.found is not None:
                self._add(values, [numbers[i] for i in kept], [lines[i] for i in kept])
        return None

    def _add(self, values: list[Any], numbers: list[int], lines: list[bytes]) -> None:
        if (match := self._flat()) is not None:
            positions = [f"line:{number}" for number in numbers]
            self.assembly.add(Batch(positions, values, [digest(line) for line in lines]), match)
            return
        assert self.found is not None  # noqa: S101 - said to the type checker; the caller asked
        for value, number in zip(values, numbers, strict=True):
            add_leaves(self.assembly, self.found, [value], f"line:{number}")


@dataclass(slots=True)
class Members:
    """Names and types of the members seen so far; `plain` while all of them can be columns."""

    kinds: dict[str, str] = field(default_factory=dict)
    plain: bool = True

    def learn(self, values: list[Any]) -> bool:
        """Note names and types of members. False, from then on, where a type is none of the plain ones."""
        if not values:
            return False
        for value in values:
            if type(value) is not dict:
                return False
            for name, member in value.items():
                kind = _kind(member)
                known = self.kinds.setdefault(name, kind)
                if known == "null":
                    self.kinds[name] = kind
                elif kind not in (known, "null"):
                    self.plain = False
        self.plain = self.plain and "" not in self.kinds.values()
        return self.plain


def _kind(value: Any) -> str:
    """The name of a plain type; '' for floats (their digits count), objects and lists of anything but texts."""
    if type(value) is list:
        return "list" if all(type(item) is str for item in value) else ""
    return _KINDS.get(type(value), "")


@dataclass(slots=True)
class Split:
    """A block in which every line begins with `{` and ends with `}`, and where its lines begin."""

    data: bytes
    starts: np.ndarray

    @classmethod
    def of(cls, block: bytes) -> Split | None:
        """None where a line is blank, indented or cut. Between a `}` and a `{` JSON has no bare line end, so what is
        parsed as many objects as there are lines has one in each."""
        import numpy as np

        data = block.replace(b"\r\n", b"\n") if b"\r" in block else block
        data = data if data.endswith(b"\n") else data + b"\n"
        seen = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(seen == ord("\n"))
        starts = np.concatenate([[0], ends + 1])
        if not ((seen[starts[:-1]] == ord("{")).all() and (seen[ends - 1] == ord("}")).all()):
            return None
        return cls(data, starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, i: int) -> bytes:
        return self.data[self.starts[i] : self.starts[i + 1] - 1]

    def record(self, i: int) -> Any:
        """The object in one line."""
        return DECODER.decode(self[i])

    def sample(self, most: int) -> list[Any]:
        """Objects from all over the block; none where one of them is broken."""
        try:
            return [self.record(i) for i in range(0, len(self), max(1, len(self) // most))][:most]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return []

    def parsed(self, kinds: dict[str, str]) -> pl.DataFrame | None:
        """The members as columns; None where a line is no such object."""
        import polars as pl
        import pyarrow as pa
        import pyarrow.json as pj

        made = {"list": pa.list_(pa.string()), "string": pa.string(), "int64": pa.int64(), "bool": pa.bool_()}
        schema = pa.schema([(name, made.get(kind, pa.null())) for name, kind in kinds.items()])
        how = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error", newlines_in_values=False)
        try:
            table = pj.read_json(
                pa.BufferReader(self.data),
                read_options=pj.ReadOptions(block_size=_PARSED_AT_ONCE, use_threads=True),
                parse_options=how,
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
            return None
        if table.num_rows != len(self):
            return None
        frame = pl.from_arrow(table, rechunk=True)
        return frame if isinstance(frame, pl.DataFrame) else None

    def positions(self, first: int) -> pl.Series:
        """`line:N` of every line."""
        import polars as pl

        numbers = pl.DataFrame({"n": pl.int_range(first, first + len(self), eager=True)})
        return numbers.select(pl.concat_str(pl.lit("line:"), pl.col("n").cast(pl.String))).to_series()

    def digests(self) -> pl.Series:
        """The digest of every line."""
        from etl.keys import digests

        return digests(views(self.data, self.starts))


def _chunks(block: bytes, first: int) -> Iterator[tuple[list[int], list[bytes]]]:
    """Lines that are not blank with their numbers. Only LF and CRLF end a line, never U+2028."""
    numbers: list[int] = []
    lines: list[bytes] = []
    for number, line in enumerate(block.split(b"\n"), first):
        if line and not line.isspace():
            numbers.append(number)
            lines.append(line.rstrip(b"\r"))
            if len(lines) == CHUNK:
                yield numbers, lines
                numbers, lines = [], []
    if lines:
        yield numbers, lines


def _decode(numbers: list[int], lines: list[bytes], assembly: Assembly) -> tuple[list[Any], list[int]]:
    """The values of the lines that are JSON and which those are; the others are rejected."""
    decode: Callable[[bytes], Any] = DECODER.decode
    try:
        values = [decode(line) for line in lines]
        if not _may_have_duplicates(b"\n".join(lines), values):
            return values, list(range(len(lines)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # one of the lines is broken: find out which
    values, kept = [], []
    for i, line in enumerate(lines):
        try:
            values.append(parse(line))
            kept.append(i)
        except BrokenJsonError as error:
            evidence = str(error).replace("line 1, ", f"line {numbers[i]}, ", 1)
            raw = shorten(line.decode("utf-8", "replace"))
            assembly.reject(f"line:{numbers[i]}", "broken_json_line", evidence, raw)
    return values, kept


def _may_have_duplicates(data: bytes, values: list[Any]) -> bool:
    """Flat objects need no count below their top: with as many members there as in the text, nothing was lost."""
    top = sum(len(value) for value in values if type(value) is dict)
    return may_have_duplicates(data, top) and may_have_duplicates(data, members(values))
