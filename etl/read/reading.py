"""What reading one delivery gives: a frame of candidates, a frame of rejects, and the books between them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from etl.detect.format import Format, Refusal

_CANDIDATES: dict[str, pl.DataType] = {
    "position": pl.String(),  # line:7, /data/3 (JSON pointer), table/rowid; with #n for the n-th pair of a record
    "question": pl.String(),  # texts as decoded, not repaired
    "answer": pl.String(),
    "context": pl.String(),
    "indicator": pl.String(),
    "category": pl.String(),
    "sources": pl.List(pl.String()),
    "licence": pl.String(),
    "phrasings": pl.List(pl.String()),  # other wordings of the question that the sender gave
    "alternatives": pl.List(pl.String()),  # other answers that the sender calls acceptable
    "metadata": pl.String(),  # JSON object of everything that was not mapped, or null
    "source_session": pl.String(),
    "derived": pl.List(pl.String()),  # columns not given in the record but taken from around it
    "raw_digest": pl.String(),  # 32 hex of sha256 of the raw record
}
CANDIDATES = pl.Schema(_CANDIDATES)
_REJECTS: dict[str, pl.DataType] = dict.fromkeys(["position", "reason", "evidence", "raw"], pl.String())
REJECTS = pl.Schema(_REJECTS)
_NO_CANDIDATES, _NO_REJECTS = CANDIDATES.to_frame(), REJECTS.to_frame()

NTH = r"#\d+$"  # of the n-th pair of one record


@dataclass(frozen=True, slots=True)
class Reading:
    """One delivery, read. Every raw record gave candidates or a reject; one that holds several pairs may give both.

    A refused delivery has no rows; `format` is then whatever was already known. Raises ValueError when the books do
    not balance.
    """

    format: Format | None
    records: int
    candidates: pl.DataFrame
    rejects: pl.DataFrame
    refusal: Refusal | None = None
    apart: int = 0  # records whose candidates were handed over before this, in parts

    def __post_init__(self) -> None:
        if self.candidates.schema != CANDIDATES or self.rejects.schema != REJECTS:
            raise ValueError(f"wrong columns: {self.candidates.schema}, {self.rejects.schema}")
        if self.refusal is not None and (self.records or self.candidates.height or self.rejects.height):
            raise ValueError(f"refused as {self.refusal.reason}, but there are {self.records} records")
        if self.refusal is not None:
            return
        taken, rejected = self.candidates["position"], self.rejects["position"]
        if taken.n_unique() != len(taken):
            raise ValueError("a position stands twice among the candidates")
        both = pl.concat([taken, rejected]) if len(rejected) else taken
        found = len(both)
        if both.str.contains("#", literal=True).any():
            is_part = both.str.contains(NTH)
            parts = both.filter(is_part).str.replace(NTH, "").unique()
            whole = both.filter(~is_part)
            found = len(whole) + len(parts)
            if whole.is_in(parts.implode()).any():
                raise ValueError("a position stands twice, as a record and as a part of it")
        if len(rejected) and both.n_unique() != len(both):
            raise ValueError("a position stands twice, or is both candidate and reject")
        # a record of which a part was rejected may be among those apart as well
        if not found <= self.records <= found + self.apart:
            raise ValueError(
                f"{self.records} records, but {found} of them gave {len(taken)} candidates and {len(rejected)} rejects"
            )

    @classmethod
    def refused(cls, reason: str, evidence: str, *, format: Format | None = None, **proposal: str) -> Reading:  # noqa: A002 - the field's name
        """A reading without rows."""
        return cls.of(Refusal(reason, evidence, proposal), format)

    @classmethod
    def of(cls, refusal: Refusal, format: Format | None = None) -> Reading:  # noqa: A002 - the field's name
        """A reading without rows, from a refusal."""
        return cls(format, 0, _NO_CANDIDATES, _NO_REJECTS, refusal)

    @property
    def state(self) -> str:
        """`accepted`, `unmapped` (waits for a mapping by a person) or `refused`."""
        if self.refusal is None:
            return "accepted"
        return "unmapped" if self.refusal.reason == "unmapped" else "refused"

    @property
    def unmapped(self) -> dict[str, str]:
        """The proposed mapping of an unmapped delivery, our field -> the sender's name; empty otherwise."""
        return self.refusal.proposal if self.refusal is not None and self.state == "unmapped" else {}
