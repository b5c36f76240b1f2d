"""Schema versions of the control store: laid out once, brought up to date step by step after a copy was kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from etl.errors import StoreVersionError
from orchestration.control.migrations import MIGRATIONS, Migration

# schema.sql is always the newest version; an older file is brought here step by step.
VERSION = 2


def version_of(con: sqlite3.Connection) -> int:
    """The schema version of an open file; 0 where nothing was laid out yet."""
    return int(con.execute("PRAGMA user_version").fetchone()[0])


def migrate(
    con: sqlite3.Connection,
    *,
    path: Path | None,
    migrations: Sequence[Migration] = MIGRATIONS,
    newest: int = VERSION,
    schema: str | None = None,
) -> list[Migration]:
    """Lay an empty file out, or bring an older one to `newest`; returns the steps taken.

    Safe when several processes open the file at once: each step looks again inside its own transaction.
    Raises `StoreVersionError` for a file that is newer than this code or cannot be reached by the steps known.
    """
    if version_of(con) == newest:
        return []
    if version_of(con) == 0:
        text = schema or files("orchestration.control").joinpath("schema.sql").read_text(encoding="utf-8")
        _step(con, 0, newest, text)
    current = version_of(con)
    if current > newest:
        raise StoreVersionError(
            f"the control store has schema version {current}, this Motherlode knows up to {newest}: upgrade Motherlode"
        )
    steps = [step for step in migrations if current < step.number <= newest]
    if [step.number for step in steps] != list(range(current + 1, newest + 1)):
        raise StoreVersionError(f"no way is known from control schema version {current} to {newest}")
    if steps and path is not None:
        with closing(sqlite3.connect(path.with_name(f"{path.name}.v{current}"))) as copy:
            con.backup(copy)
    for step in steps:
        _step(con, step.number - 1, step.number, step.sql)
    return steps


def statements(script: str) -> Iterator[str]:
    """The single statements of a script; a trigger's body stays in one piece."""
    text = ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            yield text
            text = ""


def _step(con: sqlite3.Connection, before: int, after: int, script: str) -> None:
    con.execute("BEGIN IMMEDIATE")
    try:
        if version_of(con) == before:  # another process may have been quicker
            for statement in statements(script):
                con.execute(statement)
            con.execute(f"PRAGMA user_version = {after:d}")
    except BaseException:
        con.execute("ROLLBACK")
        raise
    con.execute("COMMIT")
