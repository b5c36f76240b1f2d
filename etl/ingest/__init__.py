"""Deliveries in; new pairs, exact duplicates as occurrences, and rejects with their reasons out."""

from etl.ingest.elect import elect
from etl.ingest.job import ingest
from etl.ingest.plan import pending, recipe
from etl.ingest.rejected import reject
from etl.ingest.retract import restore, retract
from etl.ingest.sessions import Sessions
from etl.ingest.views import deliveries, delivery, inbox, rejects

__all__ = [
    "Sessions",
    "deliveries",
    "delivery",
    "elect",
    "inbox",
    "ingest",
    "pending",
    "recipe",
    "reject",
    "rejects",
    "restore",
    "retract",
]
