"""Opening DuckDB the one way we open it, and moving polars frames in and out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

Parameters = Sequence[Any] | Mapping[str, Any]

MEMORY_LIMIT = "4GB"
THREADS = 2
ROW_GROUP = 122_880  # rows; DuckDB's own number


def connect(
    path: Path | None,
    *,
    read_only: bool = False,
    folders: Sequence[Path] = (),
    memory_limit: str = MEMORY_LIMIT,
    threads: int = THREADS,
) -> duckdb.DuckDBPyConnection:
    """Open a database file (None: in memory) that can reach nothing but `folders`: no network, no other files.

    The order matters: allowed folders first, then external access off, then the configuration is locked.
    """
    options: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
        "preserve_insertion_order": False,
    }
    if path is not None:
        options["temp_directory"] = str(path.parent / f".{path.name}.tmp")
    con = duckdb.connect(":memory:" if path is None else str(path), read_only=read_only, config=options)
    if con.execute("SELECT current_setting('lock_configuration')").fetchall() == [(True,)]:
        return con  # this process has the file open already, and connections share one configured instance
    con.execute(f"SET memory_limit = '{memory_limit}'")
    con.execute(f"SET threads = {threads:d}")
    listed = ", ".join("'" + str(folder).replace("'", "''") + "'" for folder in folders)
    if listed:
        con.execute(f"SET allowed_directories = [{listed}]")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")
    return con


def query(con: duckdb.DuckDBPyConnection, sql: str, parameters: Parameters = ()) -> pl.DataFrame:
    """The rows of a SELECT as a polars frame."""
    relation = con.sql(sql, params=parameters or None)
    return pl.DataFrame(relation.to_arrow_table())


def relation(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> duckdb.DuckDBPyRelation:
    """A large frame as rows for a bulk load.

    In pieces of one row group each: threads then share the work, and no row group is written twice (pieces of other
    sizes are put together again at the commit, which took as long as the load). Columns in which all rows have the same
    value are given as that value, an eighth less time for the whole load.
    """
    import pyarrow as pa

    same = {column.name: value for column in frame.iter_columns() for value in _same(column)}
    if len(same) == frame.width:
        del same[frame.columns[0]]  # something has to say how many rows there are
    table = frame.drop(same).rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    rows = con.from_arrow(pa.Table.from_batches(table.to_batches(max_chunksize=ROW_GROUP)))
    return rows.select(
        *(
            duckdb.ConstantExpression(same[name]).alias(name) if name in same else duckdb.ColumnExpression(name)
            for name in frame.columns
        )
    )


def _same(column: pl.Series) -> list[Any]:
    """The one value of a column of texts, numbers or empty lists, in a list; an empty list where it has several."""
    if column.null_count() == len(column):
        return [None]
    if column.null_count():
        return []
    if isinstance(column.dtype, pl.List):
        return [] if (column.list.len() > 0).any() else [[]]
    if column.dtype != pl.String and not column.dtype.is_numeric():
        return []
    first = column.first()
    return [first] if first == column.last() and (column == first).all() else []


@contextmanager
def registered(con: duckdb.DuckDBPyConnection, **frames: pl.DataFrame) -> Iterator[None]:
    """Make frames readable as tables under their keyword names, for the time of the block."""
    for name, frame in frames.items():
        con.register(name, frame)
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # in an aborted transaction nothing works; the next registration replaces them
            for name in frames:
                con.unregister(name)
        raise
    for name in frames:
        con.unregister(name)
