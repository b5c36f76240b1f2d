"""A path in, everything that was decided about it out, as plain values: what `etl detect` shows.

A text is judged by its first megabytes, cut at the end of a line; what cannot be judged by its beginning (Parquet,
workbooks, databases) is read whole. `looked_at` says how many bytes that were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from etl.detect.container import container, utf16_without_bom
from etl.detect.encoding import Text, decode
from etl.detect.format import MAPPING_CONFIDENCE, Format, Refusal
from etl.detect.names import NAMES, plain
from etl.detect.outline import Column
from etl.errors import DeliveryError
from etl.read.compressed import SUFFIX, parts
from etl.read.file import read_as
from etl.read.joined import is_join, read_join
from etl.read.limits import MEGABYTE, Limits
from etl.read.reading import Reading
from etl.read.recogniser import BY_A_PERSON, Recogniser
from etl.read.salvaged import REASON

SAMPLE_BYTES = 16 * MEGABYTE
_PAIRS = 3
_LOOKED_AT = 500  # pairs, for the names of what is kept as metadata
_TEXTS = 40  # records whose texts are given along, for a similarity
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_BINARY = frozenset({"parquet", "arrow", "sqlite", "duckdb", "xlsx", "zip"})
_AROUND = ("context", "indicator", "category", "sources")
_CUT = ("the file ends here", "Unterminated")


def examine(
    path: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    salvage: bool = False,
    whole: bool = False,
    limits: Limits | None = None,
    sample_bytes: int = SAMPLE_BYTES,
) -> dict[str, Any]:
    """Look at one file without keeping anything. Raises DeliveryError when the path cannot be opened."""
    limits = limits or Limits()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(sample_bytes + 1)
            data, inside, cut = _sample(head, size, sample_bytes, whole=whole)
            if data is None:
                data = head + file.read() if size <= limits.file_bytes else b""
    except OSError as error:
        raise DeliveryError(f"{path} cannot be read: {error.strerror or error}") from error
    recognise = Recogniser(dict(mapping) if mapping is not None else None, salvage or cut)
    if is_join(data) and mapping is None:
        reading = read_join(path, data, limits=limits)
    elif not data and size > limits.file_bytes:
        reading = Reading.refused("file_too_large", f"{size:,} bytes, {limits.file_bytes:,} are allowed")
    else:
        reading = read_as(data, recognise, limits=limits)
    if cut:
        reading = _without_cut(reading, salvage=salvage)
    looked = min(size, sample_bytes) if cut and inside else len(data)
    return {"bytes": size, "looked_at": looked, "sampled": cut} | _say(data, inside, reading, recognise)


def _sample(head: bytes, size: int, most: int, *, whole: bool) -> tuple[bytes | None, str, bool]:
    """The bytes to judge by (None: all of them), the compression they came out of, whether they are a beginning."""
    kind = container(head)
    if whole or size <= most or isinstance(kind, Refusal):
        return None, "", False
    if kind in SUFFIX:
        unpacked = bytearray()
        try:
            for part in parts(head[:most], kind):
                unpacked += part
                if len(unpacked) > most:
                    break
        except (EOFError, OSError, ValueError):
            pass  # the end of the beginning, which is no fault of the file
        return _at_line(bytes(unpacked[:most])), kind, True
    if kind == "text" and not head.startswith(_WIDE) and not utf16_without_bom(head[:65536]):
        return _at_line(head[:most]), "", True
    return None, "", False


def _at_line(data: bytes) -> bytes:
    end = data.rfind(b"\n") + 1
    return data[:end] if end > len(data) // 2 else data


def _without_cut(reading: Reading, *, salvage: bool) -> Reading:
    """Take away what only the end of the sample caused: a broken rest, a last row whose quote does not close."""
    made, rejects = reading.format, reading.rejects
    said = made.details.get("salvaged") if made is not None else None
    if made is not None and said is not None:
        if not any(word in said["why"] for word in _CUT):
            return reading if salvage else Reading.refused("broken_json", said["why"], format=made)
        details = {name: value for name, value in made.details.items() if name != "salvaged"}
        made = replace(made, details=details, evidence=made.evidence[:-1])
    caused = pl.col("reason").eq(REASON) | pl.col("evidence").eq("unexpected end of data")
    kept = rejects.filter(~caused.fill_null(value=False))
    gone = rejects.height - kept.height
    if reading.refusal is not None:
        return replace(reading, format=made)
    return Reading(made, reading.records - gone, reading.candidates, kept)


def _say(data: bytes, inside: str, reading: Reading, recognise: Recogniser) -> dict[str, Any]:
    made, refusal = reading.format, reading.refusal
    columns = {} if recognise.decided is None else recognise.decided.columns
    encoding = _encoding(data, reading)
    return {
        "state": reading.state,
        "reason": refusal.reason if refusal else None,
        "evidence": refusal.evidence if refusal else None,
        "proposal": reading.unmapped,
        "container": _container(data, inside, reading),
        "encoding": encoding,
        "shape": _shape(reading, recognise),
        "fields": _fields(reading),
        "columns": [_figures(column) for column in islice(columns.values(), 60)],
        "records": reading.records,
        "pairs": reading.candidates.height,
        "rejects": _rejects(reading.rejects),
        "samples": _samples(reading.candidates),
        "unused": _unused(reading),
        "salvaged": made.details.get("salvaged") if made else None,
        "notes": _notes(made, encoding),
        "texts": _texts(columns) if reading.state == "unmapped" else {},
    }


def _container(data: bytes, inside: str, reading: Reading) -> dict[str, Any]:
    made = reading.format
    name = made.container if made is not None else _kind(data)
    name = f"{name}.{SUFFIX[inside]}" if inside else name
    broken = reading.rejects.filter(pl.col("reason").is_in(["broken_row", "ragged_row", "broken_json_line"])).height
    sure = 1.0 if not reading.records else round(1 - broken / reading.records, 4)
    details = made.details if made is not None else {}
    if "delimiter" in details:
        said = f"delimiter {details['delimiter']!r}, quoting {details['quoting']}, "
        said += f"{reading.records - broken:,} of {reading.records:,} rows as wide as the header"
    elif name.startswith("jsonl"):
        said = (
            f"{reading.records - broken:,} of {reading.records:,} lines are JSON" if reading.records else "JSON lines"
        )
    elif name.startswith("json"):
        said = "one JSON text, strictly as RFC 8259" if not reading.refusal else "begins like JSON"
    elif name.partition(".")[0] in _BINARY or isinstance(container(data), Refusal):
        said = f"begins with {data[:6]!r}"
    else:
        said = "text, by its first bytes" + ("" if name == "text" else f", in the form of {name}")
    return {"value": name, "confidence": sure, "evidence": said}


def _kind(data: bytes) -> str:
    kind = container(data)
    return kind if isinstance(kind, str) else kind.reason


def _encoding(data: bytes, reading: Reading) -> dict[str, Any]:
    name = reading.format.encoding if reading.format is not None else None
    if name in (None, "binary"):
        return {"value": "binary", "confidence": 1.0, "evidence": "no text to decode"}
    found = decode(data)
    if not isinstance(found, Text):
        inside = isinstance(container(data), str) and container(data) != "text"
        said = "of the content of the compressed file" if inside else found.evidence
        return {"value": name, "confidence": 1.0 if inside else 0.0, "evidence": said}
    said = "; ".join(found.evidence) or ("by its byte order mark" if found.encoding != "utf-8" else "strict UTF-8")
    return {"value": found.encoding, "confidence": found.confidence, "evidence": said}


def _shape(reading: Reading, recognise: Recogniser) -> dict[str, Any]:
    made, outline = reading.format, recognise.decided
    if made is None or made.shape == "unknown":
        return {"value": "unknown", "confidence": 0.0, "evidence": "no known shape"}
    path = made.details.get("path", "[]")
    said = [f"records at {path}"] if path != "[]" else []
    if outline is not None:
        names = ", ".join(islice(outline.columns, 8)) + (" ..." if len(outline.columns) > 8 else "")
        said.append(f"{outline.rows:,} records looked at: {names}")
    said += [made.details["from"]] if made.details.get("from") else []
    return {
        "value": made.shape,
        "confidence": made.confidence,
        "evidence": "; ".join(said) or "by the form of the text",
    }


def _fields(reading: Reading) -> list[dict[str, Any]]:
    made = reading.format
    if made is None:
        return []
    content = {note.split(" ", 1)[0]: note for note in made.evidence if " by content" in note}
    rows = []
    for ours, theirs in made.mapping.items():
        trust = NAMES.get(ours, {}).get(plain(theirs))
        if BY_A_PERSON in made.evidence and ours in ("question", "answer"):
            sure, said = 1.0, "a person said so"
        elif ours in content:
            sure, said = made.confidence, content[ours].partition("by content: ")[2]
        elif trust is not None and (trust >= MAPPING_CONFIDENCE or made.shape == "flat"):
            sure, said = trust, "by its name"
        else:
            sure, said = made.confidence, f"by the shape {made.shape}"
        rows.append({"field": ours, "name": theirs, "confidence": sure, "evidence": said})
    for ours in _AROUND:
        values = reading.candidates[ours].drop_nulls()
        if ours not in made.mapping and (values.list.len().sum() if ours == "sources" else values.len()):
            said = "taken from what stands around the records"
            rows.append({"field": ours, "name": "(around)", "confidence": made.confidence, "evidence": said})
    return rows


def _figures(column: Column) -> dict[str, Any]:
    kind = "text" if column.is_text else "number" if column.is_numeric else "other"
    return {
        "name": column.name,
        "kind": "id" if kind == "text" and column.is_id and column.texts else kind,
        "presence": round(column.presence, 4),
        "question_marks": round(column.questions, 4),
        "asking": round(column.asking, 4),
        "mean_length": round(column.length, 1),
        "variety": round(column.variety, 4),
    }


def _rejects(rejects: pl.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for reason in rejects["reason"].value_counts(sort=True)["reason"].to_list():
        some = rejects.filter(pl.col("reason") == reason)
        first = some.row(0, named=True)
        places = some["position"].head(_PAIRS).to_list()
        rows.append({"reason": reason, "count": some.height, "positions": places, "evidence": first["evidence"]})
    return rows


def _samples(candidates: pl.DataFrame) -> list[dict[str, Any]]:
    names = ["position", "question", "answer", "context", "indicator", "category", "sources"]
    return [
        {name: value for name, value in row.items() if value}
        for row in candidates.select(names).head(_PAIRS).iter_rows(named=True)
    ]


def _notes(made: Format | None, encoding: dict[str, Any]) -> list[str]:
    """Evidence that is not said elsewhere."""
    notes = made.evidence if made is not None else ()
    return [
        note for note in notes if not any(said in note for said in (" by name", " by content", encoding["evidence"]))
    ]


def _unused(reading: Reading) -> list[dict[str, str]]:
    """What gives nothing to a pair itself: fields kept as metadata, sheets and tables without pairs."""
    made = reading.format
    if made is None or reading.refusal is not None:
        return []
    kept: dict[str, None] = {}
    for text in reading.candidates["metadata"].drop_nulls().head(_LOOKED_AT):
        kept |= dict.fromkeys(json.loads(text))
    rows = [{"name": name, "why": "kept as metadata"} for name in kept]
    for key, what in (("other_sheets", "sheet without pairs"), ("other_tables", "table without pairs")):
        rows += [{"name": name, "why": what} for name in made.details.get(key, [])]
    return rows


def _texts(columns: Mapping[str, Column]) -> dict[str, list[str | None]]:
    """The first texts of the text columns, side by side, shortened."""
    return {
        name: [value[:500] if isinstance(value, str) else None for value in column.values[:_TEXTS]]
        for name, column in columns.items()
        if column.is_text
    }
