"""Columns of flat records in, candidates into an `Assembly`: the same rows that `etl.shapes.build` makes record by
record, made by polars a column at a time. What is not plain enough for that is declined and goes the other way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from etl.detect.strict_json import text_of
from etl.plain import all_printable
from etl.read.assemble import Assembly
from etl.read.reading import CANDIDATES
from etl.shapes.base import Match, Reject, shorten
from etl.shapes.build import rejection
from etl.shapes.values import as_sources

_LIST = pl.List(pl.String())
_NAMES = ("indicator", "category", "licence", "source_session")
_READ = {"question", "answer", "context", "sources", *_NAMES}
_ESCAPED = ('["\\\\\x00-\x07]', "[\x08-\x11]", "[\x12-\x1b]", "[\x1c-\x1f\x7f]")  # classes of ten stay fast


@dataclass(frozen=True, slots=True)
class Columns:
    """Records side by side: `frame` has the sender's columns, `record` gives one record as the parser gave it."""

    frame: pl.DataFrame
    positions: pl.Series
    digests: pl.Series
    record: Callable[[int], Any]


def add_columns(assembly: Assembly, columns: Columns, match: Match) -> bool:
    """Read these records. False where they are not all plain: nothing was read then."""
    made = _candidates(columns, match)
    if made is None:
        return False
    if _all_taken(made, assembly.limits.field_characters):
        assembly.take(made, [], records=made.height)
        return True
    reasons = made.select(rejection(assembly.limits.field_characters)).to_series()
    rejects = []
    for i in reasons.is_not_null().arg_true():
        evidence = f"more than {assembly.limits.field_characters:,} characters"
        shown = evidence if reasons[i] == "field_too_large" else None
        rejects.append(Reject(columns.positions[i], reasons[i], shown, shorten(columns.record(i))))
    assembly.take(made.filter(reasons.is_null()) if rejects else made, rejects, records=made.height)
    return True


def _all_taken(made: pl.DataFrame, characters: int) -> bool:
    """Whether no record is rejected, told by the lengths of its texts alone; no may be wrong."""
    blank = any((made[name].str.strip_chars().str.len_bytes() == 0).any() for name in ("question", "answer"))
    texts = [made[name] for name in ("question", "answer", "context", "metadata")]
    return not blank and not any((text.str.len_bytes() > characters).any() for text in texts)


def _candidates(columns: Columns, match: Match) -> pl.DataFrame | None:
    frame, fields = columns.frame, match.mapping.fields
    used = {*fields.values(), *(name for names in match.mapping.also.values() for name in names)}
    if match.shape not in ("flat", "mapped") or not fields.keys() <= _READ or any("." in name for name in used):
        return None
    if "sources" in match.mapping.also or len(set(fields.values())) < len(fields):
        return None
    given = {ours: frame[name] for ours, name in fields.items() if name in frame.columns}
    if not all(name in given and _is_whole_text(given[name]) for name in ("question", "answer")):
        return None
    made = {name: given[name] for name in ("question", "answer")}
    for name in ("context", *_NAMES):
        if name in given:
            text = _name(given[name]) if name in _NAMES else _context(given[name])
            if text is None:
                return None
            made[name] = text
    sources = _sources(given["sources"]) if "sources" in given else None
    rest = [name for name in frame.columns if name not in used]
    metadata = json_objects(frame.select(rest), blank=False) if rest else None
    if (sources is None and "sources" in given) or (metadata is None and rest):
        return None
    made |= {"position": columns.positions, "raw_digest": columns.digests}
    made |= {} if sources is None else {"sources": sources}
    made |= {} if metadata is None else {"metadata": metadata}
    return pl.DataFrame([_as(made.get(name), name, kind, frame.height) for name, kind in CANDIDATES.items()])


def _as(series: pl.Series | None, name: str, kind: Any, height: int) -> pl.Series:
    if series is None:
        return pl.repeat([] if kind == _LIST else None, height, dtype=kind, eager=True).alias(name)
    return series.alias(name)


def _is_whole_text(texts: pl.Series) -> bool:
    return texts.dtype == pl.String and texts.null_count() == 0


def _trimmable(texts: pl.Series) -> bool:
    """polars and Python agree on white space but for four separators of ASCII."""
    return all_printable(texts) or not texts.str.contains("[\x1c-\x1f]").any()


def _name(values: pl.Series) -> pl.Series | None:
    if values.dtype in (pl.Int64, pl.Null):
        return values.cast(pl.String)
    if values.dtype != pl.String or not _trimmable(values):
        return None
    names = values.str.strip_chars()
    blank = names.str.len_bytes() == 0
    return names.set(blank, None) if blank.any() else names


def _context(texts: pl.Series) -> pl.Series | None:
    if texts.dtype == pl.Null:
        return texts.cast(pl.String)
    if texts.dtype != pl.String or not _trimmable(texts):
        return None
    blank = texts.str.strip_chars().str.len_bytes() == 0
    return texts.set(blank, None) if blank.any() else texts


def _sources(values: pl.Series) -> pl.Series | None:
    """`as_sources` of every value; only what is no plain single address or name is looked at one by one."""
    if values.dtype == pl.Null:
        return pl.repeat([], len(values), dtype=_LIST, eager=True)
    if values.dtype == pl.String:
        rows = _odd_source(values).fill_null(value=False).arg_true()
        lists = values.to_frame().select(pl.concat_list(pl.all()).list.drop_nulls()).to_series()
    elif values.dtype == _LIST:
        lists = values.fill_null([])
        lengths = lists.list.len()
        filled = lengths > 0
        texts = lists.filter(filled).explode()
        row = pl.int_range(len(lists), eager=True, dtype=pl.UInt32)
        owner = pl.DataFrame({"row": row.filter(filled), "text": lists.filter(filled)}).explode("text")["row"]
        odd = owner.filter(_odd_source(texts).fill_null(value=True))
        several = row.filter(lengths > 1)
        rows = pl.concat([odd, several]).unique().sort()
    else:
        return None
    if not len(rows):
        return lists
    exact = pl.Series([as_sources(value) for value in values.gather(rows).to_list()], dtype=_LIST)
    behind = pl.int_range(len(lists), len(lists) + len(rows), eager=True, dtype=pl.UInt32)
    place = pl.int_range(len(lists), eager=True, dtype=pl.UInt32).scatter(rows, behind)
    return pl.concat([lists, exact]).gather(place)


def _odd_source(texts: pl.Series) -> pl.Series:
    """Blank or with outer white space, JSON inside, or more than one address."""
    first = texts.str.starts_with("[") | texts.str.starts_with("{") | texts.str.contains("[\x1c-\x1f]")
    outer = texts.str.strip_chars().str.len_bytes() != texts.str.len_bytes()
    return first | outer | (texts.str.len_bytes() == 0) | (texts.str.count_matches("://", literal=True) > 1)


def json_objects(frame: pl.DataFrame, *, blank: bool) -> pl.Series | None:
    """Each row as a JSON object with sorted keys, as `canonical` writes it; None for columns of other kinds.

    With `blank`, null and empty texts are written; without, they are left out, and null stands for an empty object.
    """
    if blank and (quick := _joined_objects(frame)) is not None:
        return quick
    pieces: list[pl.Series] = []
    for name in sorted(frame.columns):
        values = json_values(frame[name])
        if values is None:
            return None
        piece = values.to_frame().select(pl.lit(f"{text_of(name)}:") + pl.first()).to_series()
        if blank:
            piece = piece.fill_null(f"{text_of(name)}:null")
        elif frame[name].dtype == pl.String and (empty := frame[name] == "").any():
            piece = piece.set(empty.fill_null(value=False), None)
        pieces.append(piece.alias(f"piece_{len(pieces)}"))
    if all(piece.null_count() == len(piece) for piece in pieces):
        return pl.repeat(None, frame.height, dtype=pl.String, eager=True)
    joined = pl.concat_str(pl.all(), separator=",", ignore_nulls=True)
    whole = pl.DataFrame(pieces).select(pl.concat_str(pl.lit("{"), joined, pl.lit("}"))).to_series()
    return whole if blank else whole.set(whole == "{}", None)


def _joined_objects(frame: pl.DataFrame) -> pl.Series | None:
    """Such objects where all columns are whole texts and lists of them in which nothing has to be escaped, most are:
    joined by Arrow in one go, little more than half the time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not frame.columns:
        return None
    said, parts = "{", list[Any]()
    for name in sorted(frame.columns):
        values = frame[name]
        texts = values.explode() if values.dtype == _LIST else values
        is_text = texts.dtype == pl.String and values.null_count() == texts.null_count() == 0
        if not is_text or not all_printable(texts) or texts.str.contains('["\\\\]').any():
            return None
        array = values.to_arrow(compat_level=pl.CompatLevel.oldest())
        opened, closed = ('["', '"]') if values.dtype == _LIST else ('"', '"')
        if values.dtype == _LIST:
            if (values.list.len() == 0).any():
                return None
            array = pc.binary_join(array, pa.scalar('","', pa.large_string()))
        parts += [pa.scalar(f"{said}{text_of(name)}:{opened}", pa.large_string()), array]
        said = f"{closed},"
    parts += [pa.scalar(text, pa.large_string()) for text in (f"{said[:-1]}}}", "")]  # the last is the separator
    joined = pc.binary_join_element_wise(*parts, memory_pool=pa.system_memory_pool())
    return pl.Series(pl.from_arrow(joined))


def json_values(values: pl.Series) -> pl.Series | None:
    """Each value as JSON text, null for null; None for a column of another kind."""
    if values.dtype == pl.String:
        return _quoted(values)
    if values.dtype in (pl.Int64, pl.Boolean, pl.Null):
        return values.cast(pl.String)
    if values.dtype == _LIST:
        if values.explode().null_count() > (values.list.len() == 0).sum() + values.null_count():
            return None
        filled = values.fill_null([])
        held = filled.list.len() > 0
        inner = pl.DataFrame({"row": pl.int_range(len(values), eager=True).filter(held), "text": filled.filter(held)})
        flat = inner.explode("text").with_columns(_quoted(inner["text"].explode()).alias("text"))
        texts = flat.group_by("row", maintain_order=True).agg(pl.col("text"))["text"].list.join(",")
        joined = pl.repeat("", len(values), dtype=pl.String, eager=True).scatter(held.arg_true(), texts)
        whole = joined.to_frame().select(pl.concat_str(pl.lit("["), pl.first(), pl.lit("]"))).to_series()
        return whole.set(values.is_null(), None)
    return None


def _quoted(texts: pl.Series) -> pl.Series:
    found = pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True)
    for few in _ESCAPED if not all_printable(texts) else _ESCAPED[:1]:
        found |= texts.str.contains(few)
    whole = texts.to_frame().select(pl.concat_str(pl.lit('"'), pl.first(), pl.lit('"'))).to_series()
    rows = found.fill_null(value=False).arg_true()
    exact: Sequence[str] = [text_of(text) for text in texts.gather(rows).to_list()]
    return whole.scatter(rows, pl.Series(exact, dtype=pl.String)) if len(rows) else whole
