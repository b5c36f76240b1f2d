"""UTF-8 bytes that begin like JSON in, a `Reading` out: one JSON tree, or JSON lines whatever the file is called."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

import msgspec

from etl.detect.encoding import Text
from etl.detect.format import Format, Refusal
from etl.detect.strict_json import DECODER, BrokenJsonError, canonical, parse
from etl.read.assemble import CHUNK, Assembly, format_of
from etl.read.limits import Limits
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.shapes.bare import question_keys, why_none
from etl.shapes.base import Batch
from etl.shapes.tree import ITEM, Plan, leaves, plan

_PROBE = 50  # lines looked at to tell JSON lines from one JSON text
FLAT = (ITEM,)


def read_json(text: Text, recognise: Recogniser, limits: Limits) -> Reading:
    """Read a JSON text or JSON lines."""
    from etl.read.json_lines import read_lines
    from etl.read.salvaged import salvaged

    if is_lines(text.data):
        return read_lines(text, recognise, Assembly(limits))
    try:
        tree = parse(text.data)
    except BrokenJsonError as error:
        if (values := _concatenated(text.data)) is not None:
            return read_tree(values, text, recognise, limits)
        reason = "too_deep" if "too deeply" in str(error) else "broken_json"
        if recognise.salvage and reason == "broken_json":
            return salvaged(text, str(error), recognise, limits)
        return Reading.of(Refusal(reason, str(error)), unknown("json", text))
    return read_tree(tree, text, recognise, limits)


_BETWEEN = re.compile(rb"^\}[ \t\r]*,?[ \t\r]*\n\s*(?=\{)", re.MULTILINE)


def _concatenated(data: bytes) -> list[Any] | None:
    """The objects of a text that has one pretty-printed object after the other, each closing at the start of a line;
    None for any other text. A broken one leaves the whole text broken."""
    ends = [match.start() + 1 for match in _BETWEEN.finditer(data)]
    if not ends or not data.startswith(b"{"):
        return None
    starts = [0, *ends]
    try:
        return [parse(data[a:b].lstrip(b", \t\r\n")) for a, b in zip(starts, [*ends, len(data)], strict=True)]
    except BrokenJsonError:
        return None


def digest(data: bytes) -> str:
    """32 hex digits of sha256."""
    return hashlib.sha256(data).hexdigest()[:32]


def unknown(container: str, text: Text) -> Format:
    return Format(container, text.encoding, "unknown", {}, text.confidence, text.evidence)


def is_lines(data: bytes) -> bool:
    """More than one line, and most of the first ones are JSON values by themselves, beginning with an object."""
    lines: list[bytes] = []
    start = 0
    while len(lines) < _PROBE and start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        if line := data[start:end].strip():
            lines.append(line)
        start = end + 1
    whole = 0
    for line in lines:
        try:
            value = DECODER.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        whole += isinstance(value, dict) or (isinstance(value, list) and line.endswith(b"]"))
    return len(lines) > 1 and whole >= 0.5 * len(lines) and not (lines[0] == b"[" or lines[0].endswith(b","))


def read_tree(tree: Any, text: Text, recognise: Recogniser, limits: Limits, *, container: str = "json") -> Reading:
    """Read what a JSON text holds, or any other container of the same trees."""
    if question_keys(tree):
        tree = [{"question": question, "answer": answer} for question, answer in tree.items()]
    found = plan(tree, recognise)
    if not isinstance(found, Plan):
        return Reading.of(found or why_none(tree), unknown(container, text))
    assembly = Assembly(limits)
    if set(found.matches) == {FLAT}:
        for start in range(0, len(tree), CHUNK):
            records = tree[start : start + CHUNK]
            positions = [f"/{i}" for i in range(start, start + len(records))]
            digests = [digest(canonical(record)) for record in records]
            assembly.add(Batch(positions, records, digests), found.matches[FLAT])
    else:
        add_leaves(assembly, found, tree, "")
    return assembly.reading(format_of_plan(container, text, found))


def format_of_plan(container: str, text: Text, found: Plan) -> Format:
    kind, match = max(found.matches.items(), key=lambda pair: len(pair[0]))
    made = format_of(container, text.encoding, match, found.shape, path="/".join(kind))
    return replace(made, evidence=text.evidence + made.evidence)


def add_leaves(assembly: Assembly, found: Plan, tree: Any, prefix: str) -> None:
    """Read a tree with nesting, one batch a class and chunk."""
    waiting: dict[tuple[str, ...], Batch] = {}
    for leaf in leaves(tree, found):
        batch = waiting.setdefault(leaf.kind, Batch([], [], [], []))
        batch.positions.append(prefix + leaf.pointer)
        batch.records.append(leaf.record)
        batch.digests.append(digest(canonical(leaf.record)))
        assert batch.inherited is not None  # noqa: S101 - said to the type checker; it was made a list four lines above
        batch.inherited.append(leaf.inherited)
        if len(batch.records) >= CHUNK:
            assembly.add(waiting.pop(leaf.kind), found.matches[leaf.kind])
    for kind, batch in waiting.items():
        assembly.add(batch, found.matches[kind])
