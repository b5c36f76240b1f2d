"""Schema versions: numbered migrations, each applied in one transaction after a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

import duckdb

from etl.errors import StoreVersionError


@dataclass(frozen=True, slots=True)
class Migration:
    """How version `number - 1` of the schema becomes version `number`."""

    number: int
    what: str
    sql: str


# schema.sql is always the newest version; a store of an older one is brought here step by step.
MIGRATIONS: Sequence[Migration] = (
    Migration(
        2,
        "the further windows of long texts",
        """
        CREATE TABLE chunks (
            text_key VARCHAR NOT NULL, recipe VARCHAR NOT NULL, part INTEGER NOT NULL, vector FLOAT[] NOT NULL,
            last BOOLEAN NOT NULL
        )
        """,
    ),
    Migration(
        3,
        "mappings that people gave",
        """
        CREATE TABLE mappings (
            id BIGINT PRIMARY KEY, sender VARCHAR, signature VARCHAR NOT NULL, fields VARCHAR[] NOT NULL,
            mapping JSON NOT NULL, verdict VARCHAR NOT NULL, who VARCHAR NOT NULL, decided_at TIMESTAMP NOT NULL,
            note VARCHAR
        )
        """,
    ),
    Migration(
        4,
        "calibrated thresholds",
        """
        CREATE TABLE calibration_answers (
            id BIGINT PRIMARY KEY, model VARCHAR NOT NULL, method VARCHAR NOT NULL, language VARCHAR NOT NULL,
            a VARCHAR NOT NULL, b VARCHAR NOT NULL, similarity DOUBLE NOT NULL, mergeable BOOLEAN NOT NULL,
            duplicate BOOLEAN, who VARCHAR NOT NULL, answered_at TIMESTAMP NOT NULL
        );
        CREATE TABLE calibrations (
            id BIGINT PRIMARY KEY, model VARCHAR NOT NULL, method VARCHAR NOT NULL, language VARCHAR NOT NULL,
            merge DOUBLE, review DOUBLE, evidence JSON NOT NULL, who VARCHAR NOT NULL, fitted_at TIMESTAMP NOT NULL
        )
        """,
    ),
    Migration(
        5,
        "the task and token under which a unit was committed",
        "CREATE TABLE unit_tokens (seq BIGINT PRIMARY KEY, task VARCHAR NOT NULL, token BIGINT NOT NULL)",
    ),
)
VERSION = 5


def create(con: duckdb.DuckDBPyConnection, *, at: datetime) -> None:
    """Lay out an empty database in the newest version."""
    con.execute("BEGIN")
    con.execute(files("etl").joinpath("schema.sql").read_text(encoding="utf-8"))
    con.execute("INSERT INTO schema_version VALUES (?, ?)", [VERSION, at.replace(tzinfo=None)])
    con.execute("COMMIT")


def version_of(con: duckdb.DuckDBPyConnection) -> int:
    """The schema version of an open database."""
    try:
        return int(con.execute("SELECT max(version) FROM schema_version").fetchall()[0][0])
    except duckdb.CatalogException:
        raise StoreVersionError("this database is not a Motherlode store: it has no table schema_version") from None


def migrate(
    con: duckdb.DuckDBPyConnection,
    *,
    at: datetime,
    snapshot_first: Callable[[], object],
    migrations: Sequence[Migration] = MIGRATIONS,
    newest: int = VERSION,
) -> list[Migration]:
    """Bring an older store to `newest`, one transaction a step; returns the steps taken.

    Raises `StoreVersionError` for a store that is newer than this code or cannot be reached by the steps known.
    """
    current = version_of(con)
    if current > newest:
        raise StoreVersionError(
            f"the store has schema version {current}, this Motherlode knows up to {newest}: upgrade Motherlode"
        )
    steps = [step for step in migrations if current < step.number <= newest]
    if [step.number for step in steps] != list(range(current + 1, newest + 1)):
        raise StoreVersionError(f"no way is known from schema version {current} to {newest}")
    if steps:
        snapshot_first()
    for step in steps:
        con.execute("BEGIN")
        try:
            con.execute(step.sql)
            con.execute("INSERT INTO schema_version VALUES (?, ?)", [step.number, at.replace(tzinfo=None)])
        except BaseException:
            con.execute("ROLLBACK")
            raise
        con.execute("COMMIT")
        if version_of(con) != step.number:
            raise StoreVersionError(f"migration {step.number} ({step.what}) did not take")
    return steps
