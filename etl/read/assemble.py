"""Batches of parsed records in, one `Reading` out: chunk after chunk, so that a million records need little memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from etl.detect.format import Format, Refusal
from etl.read.limits import Limits
from etl.read.reading import CANDIDATES, NTH, REJECTS, Reading
from etl.shapes import shape_named
from etl.shapes.base import Batch, Match, Reject, as_is
from etl.shapes.build import build
from etl.shapes.forms.base import OWN

CHUNK = 50_000  # records
Give = Callable[[pl.DataFrame], None]


@dataclass(slots=True)
class Assembly:
    """What has been read so far."""

    limits: Limits
    records: int = 0
    frames: list[pl.DataFrame] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    give: Give | None = None  # takes each frame as it is made, instead of `frames`
    apart: int = 0  # records whose candidates were given away

    def add(self, batch: Batch, match: Match) -> None:
        """Read one batch. Raises as `take` does."""
        records = len(batch.records) + len(batch.rejects)  # before `prepare`, which may reject more of them
        prepare = as_is if match.shape in ("mapped", OWN) else shape_named(match.shape).prepare
        frame, rejects = build(prepare(batch, match), match.mapping, field_characters=self.limits.field_characters)
        self.take(frame, rejects, records=records)

    def take(self, frame: pl.DataFrame, rejects: list[Reject], *, records: int) -> None:
        """Keep candidates and rejects of so many records. Raises Refused when there are more than allowed."""
        self.records += records
        if self.records > self.limits.records:
            raise Refused(Refusal("too_many_records", f"more than {self.limits.records:,}"))
        self.rejects += rejects
        if self.give is None:
            self.frames.append(frame)
        else:
            self.apart += records - _only_rejected(frame, rejects)
            self.give(frame)

    def reject(self, position: str, reason: str, evidence: str, raw: str) -> None:
        """A record that could not even be parsed."""
        self.records += 1
        self.rejects.append(Reject(position, reason, evidence, raw))

    def reading(self, format: Format) -> Reading:  # noqa: A002 - the name of the field it becomes
        """The whole delivery. Without a single record it is refused."""
        if self.records == 0:
            return Reading.refused("no_records", "the form is known, but there is no record in it", format=format)
        candidates = pl.concat(self.frames) if self.frames else CANDIDATES.to_frame()
        rejects = pl.DataFrame(self.rejects, schema=REJECTS, orient="row")
        return Reading(format, self.records, candidates, rejects, apart=self.apart)


def _only_rejected(frame: pl.DataFrame, rejects: list[Reject]) -> int:
    """How many records gave no candidate; of one that holds several pairs only some may be rejected."""
    if not rejects:
        return 0
    positions = pl.Series([reject.position for reject in rejects], dtype=pl.String).str.replace(NTH, "").unique()
    taken = frame["position"].str.replace(NTH, "")
    return positions.filter(~positions.is_in(taken.implode())).len()


class Refused(Exception):  # noqa: N818 - no error: it carries a decision out of a deep place
    """The delivery as a whole is refused."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def format_of(container: str, encoding: str, match: Match, shape: str | None = None, **more: object) -> Format:
    """The decision for the books."""
    details = {"also": match.mapping.also, **match.details, **more}
    evidence = match.mapping.evidence
    return Format(
        container=container,
        encoding=encoding,
        shape=shape or match.shape,
        mapping=match.mapping.fields,
        confidence=match.mapping.confidence,
        evidence=evidence,
        details={name: value for name, value in details.items() if value},
    )
