"""Deliveries in, releases out: detection, ingestion, the store, decisions, splits and exports.

`etl` knows none of the other packages; nothing heavy is imported here.
"""

from typing import TYPE_CHECKING, Any

from etl.errors import HardStop, MotherlodeError
from etl.progress import Meter, Pending, Progress, Tally, drain
from etl.recipe import Recipe

if TYPE_CHECKING:
    from etl.store import Store

__all__ = ["HardStop", "Meter", "MotherlodeError", "Pending", "Progress", "Recipe", "Store", "Tally", "drain"]


def __getattr__(name: str) -> Any:
    if name == "Store":  # brings duckdb and polars, which `etl --help` does without
        from etl.store import Store

        return Store
    raise AttributeError(f"module 'etl' has no attribute {name!r}")
