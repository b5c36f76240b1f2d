"""The bytes of a SQLite or DuckDB file in, a `Reading` out: every table with questions and answers, joined to what its
foreign keys point at. Only a private copy is opened, read-only, so the sender's file is never locked or changed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from etl.detect.format import Format, Refusal
from etl.detect.names import NAMES, plain
from etl.detect.outline import SAMPLE, Outline
from etl.detect.strict_json import canonical
from etl.read.assemble import CHUNK, Assembly, format_of
from etl.read.bases import ROWID, Base, Row, Table, open_base
from etl.read.json_text import digest
from etl.read.limits import Limits
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.shapes.base import Batch, Match

_NAMING = ("name", "title", "label")


def read_database(data: bytes, kind: str, recognise: Recogniser, limits: Limits) -> Reading:
    """Read a whole base. Tables that hold no pairs are named in the evidence."""
    with tempfile.TemporaryDirectory(prefix="etl-base-") as folder:
        copy = Path(folder) / f"copy.{kind}"
        copy.write_bytes(data)
        with open_base(copy, kind) as base:
            return _read(base, kind, recognise, limits)


def _read(base: Base, kind: str, recognise: Recogniser, limits: Limits) -> Reading:
    known = Format(kind, "binary", "unknown", {}, 1.0)
    tables = base.tables()
    assembly, matches, refusals = Assembly(limits), {}, []
    for table in tables:
        joins = _joins(base, table, tables)
        sample = [_joined(row, joins) for row in base.rows(table, limit=SAMPLE)]
        found = recognise(Outline.of(sample))
        if isinstance(found, Match):
            matches[table.name] = found
            _add(assembly, base, table, joins, found)
        elif found is not None and sample:
            refusals.append((len(sample), table.name, found))
    if not matches:
        return Reading.of(_why_none(tables, refusals), known)
    names, match = next(iter(matches.items()))
    evidence = tuple(f"table {name!r}: {'; '.join(found.mapping.evidence)}" for name, found in matches.items())
    others = [table.name for table in tables if table.name not in matches]
    made = format_of(kind, "binary", match, tables=list(matches), table=names, other_tables=others)
    return assembly.reading(Format(kind, "binary", match.shape, made.mapping, made.confidence, evidence, made.details))


def _why_none(tables: list[Table], refusals: list[tuple[int, str, Refusal]]) -> Refusal:
    names = ", ".join(f"{table.name}({', '.join(table.columns)})" for table in tables)[:400]
    unmapped = [found for _, _, found in refusals if found.reason == "unmapped"]
    if unmapped:
        return unmapped[0]
    if refusals:
        _, name, found = max(refusals, key=lambda one: one[0])
        return Refusal(found.reason, f"table {name!r}: {found.evidence}")
    return Refusal(
        "tabular" if tables else "no_records", f"no table with questions and answers: {names or 'none at all'}"
    )


class _Join:
    """One table that a foreign key points at, in memory: key -> the columns worth having, under names of ours."""

    def __init__(self, column: str, rows: dict[object, Row], target: str) -> None:
        self.column, self.rows, self.target = column, rows, target


def _joins(base: Base, table: Table, tables: list[Table], depth: int = 2) -> list[_Join]:
    """What the foreign keys of a table point at, declared ones and those that only their names tell, two steps deep."""
    joins = []
    for column, target_name, target_key in _references(base, table, tables):
        target = next((other for other in tables if other.name == target_name), None)
        if target is None or target.name == table.name or depth == 0:
            continue
        further = _joins(base, target, tables, depth - 1)
        rows: dict[object, Row] = {}
        for row in base.rows(target, limit=None):
            full = _joined(row, further)
            rows[row.get(target_key)] = {
                _ours(target.name, name): value for name, value in full.items() if name != target_key
            }
        joins.append(_Join(column, rows, target.name))
    return joins


def _references(base: Base, table: Table, tables: list[Table]) -> list[tuple[str, str, str]]:
    """(column, table, key): declared foreign keys first; else `indicator_id` means the table `indicators`."""
    declared = base.foreign_keys(table)
    found = [(column, target, key) for column, target, key in declared]
    for column in table.columns:
        name = column.lower()
        if not name.endswith("_id") or column in {known for known, _, _ in found}:
            continue
        stem = name.removesuffix("_id")
        for target in tables:
            if target.name.lower() in (stem, f"{stem}s", f"{stem}es", f"{stem[:-1]}ies"):
                key = next((own for own in target.columns if own.lower() in ("id", name)), None)
                if key is not None:
                    found.append((column, target.name, key))
    return found


def _ours(table: str, column: str) -> str:
    """`name` of the table `indicators` is the indicator; other columns keep their names behind the table's."""
    stem = plain(table)
    stem = stem[:-3] + "y" if stem.endswith("ies") else stem.removesuffix("s")
    if plain(column) in (*_NAMING, stem, f"{stem}name", f"{stem}title"):
        field = next((ours for ours in ("indicator", "category", "sources") if stem in NAMES[ours]), None)
        if field is not None:
            return {"sources": "source"}.get(field, field)
    return column if plain(column) in _KNOWN else f"{table}.{column}"


_KNOWN = frozenset(name for ours in ("indicator", "category", "sources", "licence") for name in NAMES[ours])


def _joined(row: Row, joins: list[_Join]) -> Row:
    """A row with the columns of what it points at; its own columns win."""
    full = {name: value for name, value in row.items() if name != ROWID}
    for join in joins:
        for name, value in join.rows.get(row.get(join.column), {}).items():
            if full.get(name) is None:
                full[name] = value
    return full


def _add(assembly: Assembly, base: Base, table: Table, joins: list[_Join], match: Match) -> None:
    positions: list[str] = []
    records: list[Row] = []
    digests: list[str] = []
    for number, row in enumerate(base.rows(table, limit=None), 1):
        rowid = row.pop(ROWID, number)
        positions.append(f"{table.name}/{rowid}")
        digests.append(digest(canonical(row)))
        records.append(_joined(row, joins))
        if len(records) == CHUNK:
            assembly.add(Batch(positions, records, digests), match)
            positions, records, digests = [], [], []
    if records:
        assembly.add(Batch(positions, records, digests), match)
