"""A batch of records and a mapping in, a frame of candidates and a list of rejects out, column by column."""

from __future__ import annotations

from itertools import chain
from typing import Any

import polars as pl

from etl.detect.mapping import Mapping
from etl.detect.names import known
from etl.detect.strict_json import canonical
from etl.read.reading import CANDIDATES
from etl.shapes.base import Batch, Inherited, Reject, shorten
from etl.shapes.values import as_name, as_sources, as_texts, first_and_others, says_more_than_text

_NAMES = ("indicator", "category", "licence", "source_session")


def build(batch: Batch, mapping: Mapping, *, field_characters: int) -> tuple[pl.DataFrame, list[Reject]]:
    """One candidate or one reject a record. A text longer than `field_characters` rejects its record."""
    rejects = list(batch.rejects)
    objects = [i for i, record in enumerate(batch.records) if isinstance(record, dict)]
    if len(objects) < len(batch.records):
        rejects += [
            Reject(position, "not_a_record", f"{type(record).__name__} instead of an object", shorten(record))
            for position, record in zip(batch.positions, batch.records, strict=True)
            if not isinstance(record, dict)
        ]
        batch = batch.keep(objects)
    frame = _frame(batch, _columns(batch, mapping))
    reasons = frame.select(rejection(field_characters)).to_series()
    for i in reasons.is_not_null().arg_true():
        reason, record = reasons[i], batch.records[i]
        evidence = f"more than {field_characters:,} characters" if reason == "field_too_large" else None
        rejects.append(Reject(batch.positions[i], reason, evidence, shorten(record)))
    return (frame.filter(reasons.is_null()) if len(rejects) > len(batch.rejects) else frame), rejects


def _columns(batch: Batch, mapping: Mapping) -> dict[str, list[Any]]:
    """Every column of CANDIDATES but position and digest, one value a record."""
    records, fields = batch.records, mapping.fields
    question, phrasings = _texts(_values(records, mapping, "question"))
    answer, alternatives = _texts(_values(records, mapping, "answer"))
    columns: dict[str, list[Any]] = {"question": question, "answer": answer}
    columns["context"] = _contexts(_values(records, mapping, "context"))
    columns["phrasings"] = _more(phrasings, records, mapping, "phrasings")
    columns["alternatives"] = _more(alternatives, records, mapping, "alternatives")
    for name in _NAMES:
        values = _values(records, mapping, name)
        columns[name] = [None] * len(records) if values is None else [as_name(value) for value in values]
    senders = [fields["sources"], *mapping.also.get("sources", [])] if "sources" in fields else []
    per_sender = [[as_sources(value) for value in _column(records, sender)] for sender in senders]
    if len(per_sender) == 1:
        columns["sources"] = per_sender[0]
    else:
        columns["sources"] = [
            list(dict.fromkeys(chain.from_iterable(found))) for found in zip(*per_sender, strict=True)
        ]
    columns["sources"] = columns["sources"] or [[] for _ in records]
    columns["metadata"] = _metadata(batch, mapping)
    columns["derived"] = [[] for _ in records]
    if batch.inherited is not None:
        _inherit(columns, batch.inherited)
    return columns


def _column(records: list[dict[str, Any]], name: str) -> list[Any]:
    return [_get(record, name) for record in records] if "." in name else [record.get(name) for record in records]


def _get(record: dict[str, Any], name: str) -> Any:
    """A member, or `envelope.member`."""
    if name in record or "." not in name:
        return record.get(name)
    envelope, _, member = name.partition(".")
    inner = record.get(envelope)
    return inner.get(member) if isinstance(inner, dict) else None


def _values(records: list[dict[str, Any]], mapping: Mapping, ours: str) -> list[Any] | None:
    """The raw values of one field; a further name stands in where the first is missing."""
    if ours not in mapping.fields:
        return None
    name = mapping.fields[ours]
    values = _column(records, name)
    if ours in ("question", "answer"):
        others = mapping.also.get(ours, [])
        for i, value in enumerate(values):
            if value is None and name not in records[i]:
                values[i] = _stand_in(records[i], ours, others)
    return values


def _stand_in(record: dict[str, Any], ours: str, others: list[str]) -> Any:
    """The value of another sure name of the same field, for the odd record that uses it."""
    names = others + [name for worth, name in known(ours, record) if worth >= 0.95 and name not in others]
    return next((record[name] for name in names if record.get(name) is not None), None)


def _texts(values: list[Any] | None) -> tuple[list[str | None], list[list[str]] | None]:
    """The text of each value and the further ones; None instead of the latter where every value is one text."""
    if values is None or all(value is None or type(value) is str for value in values):
        return (values or []), None
    pairs = [first_and_others(as_texts(value)) for value in values]
    return [first for first, _ in pairs], [others for _, others in pairs]


def _contexts(values: list[Any] | None) -> list[str | None] | Any:
    if values is None:
        return None
    return ["\n\n".join(texts) if (texts := [t for t in as_texts(value) if t.strip()]) else None for value in values]


def _more(found: list[list[str]] | None, records: list[dict[str, Any]], mapping: Mapping, ours: str) -> list[list[str]]:
    """Further texts: those beside the first one, and those of the field's own column."""
    lists = found or [[] for _ in records]
    if ours in mapping.fields:
        given = [[text for text in as_texts(_get(record, mapping.fields[ours])) if text.strip()] for record in records]
        lists = [list(dict.fromkeys(beside + own)) for beside, own in zip(lists, given, strict=True)]
    return lists


def _metadata(batch: Batch, mapping: Mapping) -> list[str | None]:
    """Everything that was not mapped, as JSON with sorted keys; what answer objects hold beside their text stays."""
    used = {*mapping.fields.values(), *(name for names in mapping.also.values() for name in names)}
    rich = {mapping.fields[ours] for ours in ("question", "answer", "sources") if ours in mapping.fields}
    layouts: dict[tuple[str, ...], tuple[list[str], list[str]]] = {}  # records of one delivery have few sets of names
    rows = []
    for i, record in enumerate(batch.records):
        if (layout := layouts.get(names := tuple(record))) is None:
            layout = [name for name in names if name not in used], [name for name in names if name in rich]
            layouts[names] = layout
        rest = {name: value for name in layout[0] if (value := record[name]) is not None and value != ""}
        for name in layout[1]:
            if type(record[name]) is not str and says_more_than_text(record[name]):
                rest[name] = record[name]
        if batch.inherited is not None:
            rest = batch.inherited[i].metadata | rest
        rows.append(canonical(rest).decode("utf-8") if rest else None)
    return rows


def _inherit(columns: dict[str, list[Any]], inherited: list[Inherited]) -> None:
    """Fill what a record does not say itself from what stands around it; sources are united."""
    for name in ("context", *_NAMES):
        given = columns[name] or [None] * len(inherited)
        columns[name] = [own or around.fields.get(name) for own, around in zip(given, inherited, strict=True)]
    for i, around in enumerate(inherited):
        columns["derived"][i] = [name for name in around.derived if columns[name][i] == around.fields.get(name)]
        if sources := around.fields.get("sources"):
            columns["sources"][i] = list(dict.fromkeys(columns["sources"][i] + sources))


def rejection(field_characters: int) -> pl.Expr:
    """Why a row is no candidate, or null."""

    def lacks(name: str) -> pl.Expr:
        blank = pl.col(name).str.strip_chars() == ""
        return pl.when(pl.col(name).is_null()).then(pl.lit(f"no_{name}")).when(blank).then(pl.lit(f"empty_{name}"))

    texts = ["question", "answer", "context", "metadata"]
    too_large = pl.max_horizontal(pl.col(name).str.len_chars() for name in texts) > field_characters
    large = pl.when(too_large).then(pl.lit("field_too_large"))
    return pl.coalesce(lacks("question"), lacks("answer"), large)


def _frame(batch: Batch, columns: dict[str, list[Any]]) -> pl.DataFrame:
    columns = {"position": batch.positions, "raw_digest": batch.digests} | columns
    series = []
    for name, dtype in CANDIDATES.items():
        values = columns[name]
        if values is None:
            series.append(pl.repeat(None, len(batch.positions), dtype=dtype, eager=True).alias(name))
        else:
            strings = isinstance(dtype, pl.String)
            series.append(pl.Series(name, values, dtype=dtype) if strings else _lists(name, values))
    return pl.DataFrame(series)


def _lists(name: str, values: list[list[str]]) -> pl.Series:
    """A column of lists of texts. Handing polars nested lists took 2 s per 100,000 rows, a flat column 0.05 s."""
    if not any(values):
        return pl.Series(name, [[]], dtype=pl.List(pl.String)).new_from_index(0, len(values))
    flat: list[str | None] = []
    rows: list[int] = []
    for i, texts in enumerate(values):
        flat += texts or [None]
        rows += [i] * (len(texts) or 1)
    frame = pl.DataFrame({"row": rows, name: pl.Series(flat, dtype=pl.String)})
    return frame.group_by("row", maintain_order=True).agg(pl.col(name).drop_nulls())[name]
