"""A broken JSON text in; a `Reading` of the records before the break out, everything behind them as one reject."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from etl.detect.encoding import Text
from etl.detect.format import Format, Refusal
from etl.detect.salvage import Salvage, salvage
from etl.read.json_text import read_tree
from etl.read.limits import Limits
from etl.read.reading import REJECTS, Reading
from etl.read.recogniser import Recogniser
from etl.shapes.bare import question_keys
from etl.shapes.base import shorten
from etl.shapes.tree import ITEM, KEYED, Plan, is_keyed, plan

REASON = "broken_json_rest"


def salvaged(text: Text, why: str, recognise: Recogniser, limits: Limits) -> Reading:
    """Read the whole records before the break. Where there are none the delivery stays refused as `broken_json`."""
    decoded = text.data.decode("utf-8")
    unknown = Format("json", text.encoding, "unknown", {}, text.confidence, text.evidence)
    found = salvage(decoded, why=why)
    if found is None or not _without_open_record(found, recognise):
        return Reading.of(Refusal("broken_json", f"{why}; no whole record stands before the break"), unknown)
    reading = read_tree(found.tree, text, recognise, limits)
    if reading.refusal is not None and reading.state != "unmapped":
        evidence = f"{why}; before the break: {reading.refusal.reason}, {reading.refusal.evidence}"
        return Reading.of(Refusal("broken_json", evidence), unknown)
    return _with_rest(reading, found, decoded, text.encoding)


def _without_open_record(found: Salvage, recognise: Recogniser) -> bool:
    """Give up the record that the break left open, if there is one. False where that is all there is."""
    if not found.spine or question_keys(found.tree):
        return True
    known = plan(found.tree, Recogniser(recognise.mapping))
    if not isinstance(known, Plan):
        return True  # nothing will be read; the reader says why
    kinds: list[tuple[str, ...]] = [()]
    for node in found.spine:
        step = ITEM if isinstance(node.value, list) else KEYED if is_keyed(node.value) else str(node.key)
        kinds.append((*kinds[-1], step))
    for depth, node in enumerate(found.spine):
        if kinds[depth] in known.matches and isinstance(node.value, dict):
            if not depth:
                return False
            found.give_up(depth)
            break
    for depth in range(len(found.spine) - 1, 0, -1):  # what would hold records and has none yet
        node, steps = found.spine[depth].value, known.steps.get(kinds[depth], set())
        if any(node if isinstance(node, list) else (node[name] for name in node if name in steps or KEYED in steps)):
            break
        found.give_up(depth)
    return True


def _with_rest(reading: Reading, found: Salvage, decoded: str, encoding: str) -> Reading:
    start, end = _bytes(decoded[: found.end], encoding), _bytes(decoded, encoding)
    evidence = f"bytes {start:,} to {end:,} were not read: {found.why}"
    said = {"from_byte": start, "bytes": end, "why": found.why}
    made = reading.format
    if made is not None:
        note = f"salvaged: read up to byte {start:,} of {end:,}"
        made = replace(made, evidence=(*made.evidence, note), details={**made.details, "salvaged": said})
    if reading.refusal is not None:
        return replace(reading, format=made)
    rest = [(f"byte:{start}", REASON, evidence, shorten(decoded[found.end :]))]
    rejects = pl.concat([reading.rejects, pl.DataFrame(rest, schema=REJECTS, orient="row")])
    return Reading(made, reading.records + 1, reading.candidates, rejects)


def _bytes(text: str, encoding: str) -> int:
    """How many bytes of the file a start of its text is; of its UTF-8 form where lines differ in encoding."""
    marks = {"utf-8-sig": 3, "utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
    codec = "utf-8" if "+" in encoding or encoding == "utf-8-sig" else encoding
    return len(text.encode(codec, "replace")) + marks.get(encoding, 0)
