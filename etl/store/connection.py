"""Opening DuckDB the one way we open it, and moving polars frames in and out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa

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


def in_row_groups(frame: pl.DataFrame) -> pa.Table:
    """A large frame in pieces of one row group each, for a bulk load: threads then share the work, and no row group is
    written twice (pieces of other sizes are put together again at the commit, which took as long as the load)."""
    import pyarrow as pa

    table = frame.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    return pa.Table.from_batches(table.to_batches(max_chunksize=ROW_GROUP))


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
