"""A copy of a SQLite or DuckDB file in, its plain tables, foreign keys and rows out. Views, triggers and virtual tables
are never touched: they could run what the sender wrote."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Row = dict[str, Any]
ROWID = "\x00rowid"  # no column can be called so
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Table:
    """A table and its columns in order."""

    name: str
    columns: tuple[str, ...]


class Base(Protocol):
    """What a base can be asked."""

    def tables(self) -> list[Table]:
        """Plain tables by name."""
        ...

    def foreign_keys(self, table: Table) -> list[tuple[str, str, str]]:
        """Declared ones of a single column: (column, table, key)."""
        ...

    def rows(self, table: Table, *, limit: int | None) -> Iterator[Row]:
        """Rows by row id, which stands under ROWID where there is one; without it and in declared order otherwise."""
        ...


@contextmanager
def open_base(path: Path, kind: str) -> Iterator[Base]:
    """Open a private copy read-only."""
    base = SqliteBase(path) if kind == "sqlite" else DuckdbBase(path)
    try:
        yield base
    finally:
        base.close()


class SqliteBase:
    """A SQLite file."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
        self._connection.text_factory = _text
        self._connection.execute("PRAGMA trusted_schema=OFF")
        self._connection.execute("PRAGMA query_only=ON")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def tables(self) -> list[Table]:
        """See Base."""
        listed = self._connection.execute("PRAGMA table_list").fetchall()
        names = sorted(row[1] for row in listed if row[0] == "main" and row[2] == "table")
        return [
            Table(name, tuple(row[1] for row in self._connection.execute(f"PRAGMA table_info({_quoted(name)})")))
            for name in names
            if not name.startswith("sqlite_")
        ]

    def foreign_keys(self, table: Table) -> list[tuple[str, str, str]]:
        """See Base."""
        rows = self._connection.execute(f"PRAGMA foreign_key_list({_quoted(table.name)})").fetchall()
        single = {row[0] for row in rows if sum(other[0] == row[0] for other in rows) == 1}
        return [(row[3], row[2], row[4] or self._primary(row[2])) for row in rows if row[0] in single]

    def _primary(self, name: str) -> str:
        """The primary key of a table, which a foreign key without a column means."""
        rows = self._connection.execute(f"PRAGMA table_info({_quoted(name)})").fetchall()
        return next((str(row[1]) for row in rows if row[5]), "id")

    def rows(self, table: Table, *, limit: int | None) -> Iterator[Row]:
        """See Base."""
        end = "" if limit is None else f" LIMIT {limit}"
        try:
            cursor = self._connection.execute(f"SELECT rowid, * FROM {_quoted(table.name)} ORDER BY rowid{end}")
            names: tuple[str, ...] = (ROWID, *table.columns)
        except sqlite3.OperationalError:  # WITHOUT ROWID
            cursor, names = self._connection.execute(f"SELECT * FROM {_quoted(table.name)}{end}"), table.columns
        while rows := cursor.fetchmany(_AT_ONCE):
            for row in rows:
                yield dict(zip(names, row, strict=True))


class DuckdbBase:
    """A DuckDB file, opened without access to anything else."""

    def __init__(self, path: Path) -> None:
        import duckdb

        settings: dict[str, str | bool | int | float | list[str]] = {
            "enable_external_access": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "threads": 2,
            "memory_limit": "2GB",
        }
        self._connection = duckdb.connect(str(path), read_only=True, config=settings)
        self._connection.execute("SET lock_configuration = true")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def tables(self) -> list[Table]:
        """See Base."""
        rows = self._connection.execute(
            """SELECT t.table_name, list(c.column_name ORDER BY c.column_index)
               FROM duckdb_tables() t JOIN duckdb_columns() c USING (database_oid, schema_oid, table_oid)
               WHERE NOT t.internal AND t.schema_name = 'main' GROUP BY t.table_name ORDER BY t.table_name"""
        ).fetchall()
        return [Table(name, tuple(columns)) for name, columns in rows]

    def foreign_keys(self, table: Table) -> list[tuple[str, str, str]]:
        """See Base."""
        rows = self._connection.execute(
            """SELECT constraint_column_names, referenced_table, referenced_column_names FROM duckdb_constraints()
               WHERE constraint_type = 'FOREIGN KEY' AND table_name = ?""",
            [table.name],
        ).fetchall()
        return [(own[0], target, keys[0]) for own, target, keys in rows if len(own) == 1 and keys]

    def rows(self, table: Table, *, limit: int | None) -> Iterator[Row]:
        """See Base."""
        end = "" if limit is None else f" LIMIT {limit}"
        cursor = self._connection.cursor()
        cursor.execute(f"SELECT rowid, * FROM {_quoted(table.name)} ORDER BY rowid{end}")
        while rows := cursor.fetchmany(_AT_ONCE):
            for row in rows:
                yield dict(zip((ROWID, *table.columns), row, strict=True))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(data: bytes) -> str:
    """SQLite keeps whatever bytes it was given; what is not UTF-8 is most often windows-1252."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return data.decode("windows-1252")
        except UnicodeDecodeError:
            return data.decode("latin-1")
