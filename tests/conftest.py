"""Shared fixtures: a store in memory, a way to fill it, the folder of real deliveries where there is one."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import settings

from etl import Store
from etl.keys import content_key, part_key

settings.register_profile("motherlode", deadline=None)  # a busy machine is no failure
settings.load_profile("motherlode")

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

PAIR_DEFAULTS: dict[str, Any] = {
    "context": None,
    "indicator": None,
    "category": None,
    "sources": [],
    "licences": [],
    "phrasings": [],
    "alternatives": [],
    "metadata": None,
    "occurrences": 1,
    "first_seq": 1,
}
PAIR_SCHEMA = {
    "key": pl.String, "question": pl.String, "answer": pl.String, "context": pl.String, "question_key": pl.String,
    "answer_key": pl.String, "context_key": pl.String, "indicator": pl.String, "category": pl.String,
    "sources": pl.List(pl.String), "licences": pl.List(pl.String), "phrasings": pl.List(pl.String),
    "alternatives": pl.List(pl.String), "metadata": pl.String, "occurrences": pl.Int32, "first_seq": pl.Int64,
}  # fmt: skip


@pytest.fixture
def store() -> Store:
    """An empty store in memory."""
    return Store.open(":memory:")


@pytest.fixture
def add_pairs() -> Callable[[Store, Iterable[Mapping[str, Any]]], list[str]]:
    """Put pairs straight into the table `pairs`, as ingest would leave them; returns their keys."""

    def add(store: Store, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        full = []
        for row in rows:
            context = row.get("context")
            keys = {
                "key": content_key(row["question"], row["answer"], context),
                "question_key": part_key(row["question"]),
                "answer_key": part_key(row["answer"]),
                "context_key": part_key(context) if context else None,
            }
            full.append(PAIR_DEFAULTS | keys | dict(row))
        with store.unit("ingest", "test") as unit:
            unit.insert("pairs", pl.DataFrame(full, schema=PAIR_SCHEMA))
            unit.counts["new"] = len(full)
        return [row["key"] for row in full]

    return add


@pytest.fixture
def real_deliveries() -> Path:
    """The folder of real public deliveries used in development."""
    folder = DATA / "deliveries"
    if not folder.is_dir():
        pytest.skip("the folder of real deliveries is not on this machine")
    return folder


@pytest.fixture
def hostile() -> Path:
    """The folder of hostile files: JSONTestSuite, naughty strings, corrupt Parquet."""
    folder = DATA / "hostile"
    if not folder.is_dir():
        pytest.skip("the folder of hostile files is not on this machine")
    return folder
