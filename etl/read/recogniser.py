"""Outlines of records in, what they are out; the outline that decided is remembered, for it signs the delivery.

The rules decide, or, with a mapping by a person, just that mapping wherever its columns stand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from etl.detect.format import Refusal
from etl.detect.mapping import Mapping, by_names
from etl.detect.outline import Outline
from etl.read.reading import Reading
from etl.shapes import recognise
from etl.shapes.base import Match

USUAL = 0.5  # share of the records that must have a field for it to count for the shape of a delivery
_NAMED = 60  # fields, in the books
BY_A_PERSON = "mapping given by a person"


@dataclass(slots=True)
class Recogniser:
    """What is asked about each class of records of one delivery."""

    mapping: dict[str, str] | None = None
    salvage: bool = False  # of broken JSON, what stands before the break
    decided: Outline | None = None
    answer: Match | Refusal | None = None

    @property
    def told(self) -> bool:
        """A person said where question and answer are."""
        return self.mapping is not None

    def __call__(self, outline: Outline) -> Match | Refusal | None:
        """A Match, a Refusal with the reason, or None where nothing is known of such records."""
        found = recognise(outline) if self.mapping is None else _as_told(outline, self.mapping)
        if outline.rows and (self.decided is None or _weight(found, outline) > _weight(self.answer, self.decided)):
            self.decided, self.answer = outline, found
        return found

    def sign(self, reading: Reading) -> Reading:
        """The reading with the fields of its records in the books, and their signature: deliveries of one sender with
        the same signature are read alike."""
        if reading.format is None:
            return reading
        fields = [] if self.decided is None else usual_fields(self.decided)
        fields = fields or sorted(reading.unmapped.values())
        if not fields:
            return reading
        details = {**reading.format.details, "fields": fields[:_NAMED], "signature": signature(fields)}
        return replace(reading, format=replace(reading.format, details=details))


def usual_fields(outline: Outline) -> list[str]:
    """The names at the top of the records that at least half of them have, sorted."""
    return sorted(name for name, column in outline.columns.items() if "." not in name and column.presence >= USUAL)


def signature(fields: Iterable[str]) -> str:
    """16 hex digits of sha256 over the field names."""
    text = json.dumps(sorted(fields), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def _weight(found: Match | Refusal | None, outline: Outline) -> tuple[bool, bool, int]:
    waits = isinstance(found, Refusal) and found.reason == "unmapped"
    return isinstance(found, Match), waits, outline.rows


def _as_told(outline: Outline, mapping: dict[str, str]) -> Match | None:
    if not {mapping["question"], mapping["answer"]} <= outline.columns.keys():
        return None
    named = by_names(outline)
    taken = set(mapping.values())
    rest = {ours: theirs for ours, theirs in named.fields.items() if theirs not in taken and ours not in mapping}
    rest = {ours: theirs for ours, theirs in rest.items() if ours not in ("question", "answer")}
    also = {ours: names for ours, names in named.also.items() if ours in rest}
    return Match("mapped", Mapping(rest | mapping, 1.0, (BY_A_PERSON,), also))
