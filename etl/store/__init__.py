"""The DuckDB store: connection, lock, units of work, ledger, migrations and snapshots. No stage's SQL lives here."""

from etl.store.snapshot import Snapshot
from etl.store.store import Fence, Store, Unit

__all__ = ["Fence", "Snapshot", "Store", "Unit"]
