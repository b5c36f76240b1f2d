"""What an explanation holds, and the small reads that all its parts share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from etl.store import Store

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known about one row. `kind`: pair | rejected | refused | unmapped | delivery."""

    what: str
    kind: str
    summary: str
    key: str | None = None
    pair: Row = field(default_factory=dict)
    decision: Row = field(default_factory=dict)
    survivor: Row = field(default_factory=dict)
    occurrences: list[Row] = field(default_factory=list)
    flags: list[Row] = field(default_factory=list)
    grade: Row = field(default_factory=dict)
    links: list[Row] = field(default_factory=list)
    verdicts: list[Row] = field(default_factory=list)
    conflicts: list[Row] = field(default_factory=list)
    overrides: list[Row] = field(default_factory=list)
    split: Row = field(default_factory=dict)
    delivery: Row = field(default_factory=dict)
    rejects: list[Row] = field(default_factory=list)
    also: list[str] = field(default_factory=list)  # other keys that fit what was asked for

    def to_dict(self) -> Row:
        """Plain values for JSON; empty parts are left out."""
        return {name: value for name, value in asdict(self).items() if value not in (None, {}, [])}


def rows(store: Store, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
    return [
        {name: _plain(name, value) for name, value in row.items()} for row in store.query(sql, parameters).to_dicts()
    ]


def first(store: Store, sql: str, parameters: Sequence[Any]) -> Row:
    """The first row, or an empty one."""
    return (rows(store, sql, parameters) or [{}])[0]


def plain(row: Row) -> Row:
    """A row with its JSON parsed and its times as text."""
    return {name: _plain(name, value) for name, value in row.items()}


def _plain(name: str, value: Any) -> Any:
    if name in ("evidence", "raw", "metadata", "format") and isinstance(value, str) and value[:1] in "{[":
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:  # a shortened record
            return value
    return value.isoformat(sep=" ") if hasattr(value, "isoformat") else value
