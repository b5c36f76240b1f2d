"""The books: one row a committed unit, chained by digest, and a high-water mark outside the database.

A truncated write-ahead log opens silently as a prefix of the commits. The mark beside the store remembers how many
units there were and the digest of the last, so that missing commits are noticed at the next open.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from etl.errors import StoreDamagedError
from etl.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Entry:
    """One ledger row. `digest` covers this row and, through its predecessor's digest, all before it."""

    seq: int
    job: str
    unit: str
    recipe: str | None
    counts: Mapping[str, int]
    done_at: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest acknowledged commit."""

    seq: int
    digest: str


def last(con: duckdb.DuckDBPyConnection) -> Mark:
    """The newest row; seq 0 in an empty ledger."""
    rows = con.execute("SELECT seq, digest FROM ledger ORDER BY seq DESC LIMIT 1").fetchall()
    return Mark(*rows[0]) if rows else Mark(0, "")


def chained(before: str, row: tuple[int, str, str, str | None, str, datetime]) -> str:
    """The digest of a row (seq, job, unit, recipe, counts as stored, time) that follows one with digest `before`."""
    text = json.dumps([before, *row[:-1], row[-1].isoformat()])
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def append(
    con: duckdb.DuckDBPyConnection,
    *,
    job: str,
    unit: str,
    recipe: Recipe | None,
    counts: Mapping[str, int],
    at: datetime,
) -> Entry:
    """Add one row inside the open transaction."""
    before = last(con)
    seq, counted = before.seq + 1, json.dumps(dict(counts), sort_keys=True)
    digest = None if recipe is None else recipe.digest
    done_at = at.replace(tzinfo=None)
    row = (seq, job, unit, digest, counted, done_at)
    entry = Entry(seq, job, unit, digest, dict(counts), done_at, chained(before.digest, row))
    con.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?)", [*row, entry.digest])
    if recipe is not None:
        con.execute(
            "INSERT INTO recipes VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [digest, recipe.name, recipe.version, json.dumps(dict(recipe.parameters), sort_keys=True)],
        )
    return entry


def confirm(con: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    """Read a row back after its commit: COMMIT of an aborted transaction returns without an error."""
    rows = con.execute("SELECT digest FROM ledger WHERE seq = ?", [entry.seq]).fetchall()
    if rows != [(entry.digest,)]:
        raise StoreDamagedError(
            f"unit {entry.unit!r} of {entry.job} was committed but cannot be read back; run it again"
        )


def write_mark(path: Path, mark: Mark) -> None:
    """Remember the newest commit beside the store, atomically."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(mark)))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_mark(path: Path) -> Mark:
    """The remembered commit; seq 0 where none was remembered."""
    if not path.exists():
        return Mark(0, "")
    try:
        return Mark(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise StoreDamagedError(
            f"{path} is cut short or altered ({error}). If 'etl snapshot verify' and your files are whole, delete it: "
            "it only remembers how many units were committed"
        ) from error


def check_mark(con: duckdb.DuckDBPyConnection, mark: Mark, store: Path) -> None:
    """Raise `StoreDamagedError` unless the ledger still holds the remembered commit."""
    if mark.seq == 0:
        return
    rows = con.execute("SELECT digest FROM ledger WHERE seq = ?", [mark.seq]).fetchall()
    if rows != [(mark.digest,)]:
        raise StoreDamagedError(
            f"{store} has {last(con).seq} committed units, but {mark.seq} were acknowledged: commits are missing. "
            "Restore the newest snapshot with 'etl snapshot restore' and run again; known files are read again."
        )
