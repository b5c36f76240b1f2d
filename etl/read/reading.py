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

_NTH = r"#\d+$"


@dataclass(frozen=True, slots=True)
class Reading:
    """One delivery, read. Every raw record gave at least one candidate or exactly one reject.

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
        given = self.candidates["position"]
        if given.n_unique() != len(given):
            raise ValueError("a position stands twice among the candidates")
        if given.str.contains("#", literal=True).any():
            given = given.str.replace(_NTH, "").unique()
        both = pl.concat([given, self.rejects["position"]]) if self.rejects.height else given
        if self.rejects.height and both.n_unique() != both.len():
            raise ValueError("a position stands twice, or is both candidate and reject")
        if both.len() + self.apart != self.records:
            raise ValueError(
                f"{self.records} records, but {given.len()} gave candidates and {self.rejects.height} were rejected"
            )

    @classmethod
    def refused(cls, reason: str, evidence: str, *, format: Format | None = None, **proposal: str) -> Reading:  # noqa: A002 - the field's name
        """A reading without rows."""
        return cls.of(Refusal(reason, evidence, proposal), format)

    @classmethod
    def of(cls, refusal: Refusal, format: Format | None = None) -> Reading:  # noqa: A002 - the field's name
        """A reading without rows, from a refusal."""
        return cls(format, 0, CANDIDATES.to_frame(), REJECTS.to_frame(), refusal)

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
