"""The base of a first version and its backups in; the newest that opens whole out, with the rows of its tables."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from etl.migrate.folder import Old


@dataclass(frozen=True, slots=True)
class Base:
    """`file` is a private whole copy, what stood in its write-ahead log included; `rows` counts each table's rows.
    `passed` says of the newer ones why they were passed over, `older` names the backups that were not needed."""

    name: str
    file: Path
    rows: dict[str, int]
    passed: dict[str, str] = field(default_factory=dict)
    older: tuple[str, ...] = ()


def newest(old: Old, into: Path) -> tuple[Base | None, dict[str, str]]:
    """The newest base that opens, copied below `into`; and why the newer ones do not. None where none opens."""
    passed: dict[str, str] = {}
    for number, name in enumerate(old.bases):
        copy = into / str(number) / Path(name).name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(old.root / name, copy)
        for suffix in ("-wal", "-journal"):
            beside = old.root / f"{name}{suffix}"
            if beside.is_file():
                shutil.copyfile(beside, copy.with_name(copy.name + suffix))
        try:
            rows = _rows(copy)
        except sqlite3.DatabaseError as error:
            passed[name] = f"it does not open: {error}"
            continue
        if not rows:
            passed[name] = "it holds no tables"
            continue
        return Base(name, copy, rows, passed, old.bases[number + 1 :]), passed
    return None, passed


def _rows(copy: Path) -> dict[str, int]:
    """The rows of every table, after a check of all pages; the write-ahead log is brought in, its file is gone."""
    connection = sqlite3.connect(copy)
    try:
        connection.execute("PRAGMA trusted_schema=OFF")
        checked = connection.execute("PRAGMA quick_check(1)").fetchall()
        if checked != [("ok",)]:
            raise sqlite3.DatabaseError(str(checked[0][0]).splitlines()[-1])
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        names = [name for (name,) in tables if not name.startswith("sqlite_")]
        quoted = {name: '"' + name.replace('"', '""') + '"' for name in names}
        return {name: connection.execute(f"SELECT count(*) FROM {quoted[name]}").fetchone()[0] for name in names}
    finally:
        connection.close()
