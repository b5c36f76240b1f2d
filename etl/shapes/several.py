"""For shapes whose records hold several pairs: a batch in, a batch with one row a pair out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from etl.shapes.base import Batch, Reject, shorten

Row = dict[str, Any]


class Why(NamedTuple):
    """Why a record gives no pair."""

    reason: str
    evidence: str | None = None


def several(batch: Batch, rows_of: Callable[[Row], list[Row] | Why]) -> Batch:
    """One row a pair, at `position#n` where a record has several; what is no object stays for the builder to reject."""
    rows = Batch([], [], [], None if batch.inherited is None else [], batch.rejects)
    for i, record in enumerate(batch.records):
        found = rows_of(record) if isinstance(record, dict) else [record]
        if isinstance(found, Why):
            rows.rejects.append(Reject(batch.positions[i], found.reason, found.evidence, shorten(record)))
            continue
        for n, row in enumerate(found, 1):
            rows.positions.append(batch.positions[i] if len(found) == 1 else f"{batch.positions[i]}#{n}")
            rows.records.append(row)
            rows.digests.append(batch.digests[i])
            if batch.inherited is not None and rows.inherited is not None:
                rows.inherited.append(batch.inherited[i])
    return rows
