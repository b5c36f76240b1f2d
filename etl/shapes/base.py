"""What the rooms around the shapes hand to each other: a batch of raw records, a match, a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from etl.detect.format import Refusal
from etl.detect.mapping import Mapping
from etl.detect.outline import Outline
from etl.detect.strict_json import text_of

RAW_CHARACTERS = 500


class Reject(NamedTuple):
    """A record that gives no pair."""

    position: str
    reason: str
    evidence: str | None
    raw: str


@dataclass(slots=True)
class Inherited:
    """What the objects around a record say about it: values of our fields, everything else as metadata."""

    fields: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    derived: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """Raw records side by side with where they stood; `rejects` are those that are already known to give no pair."""

    positions: list[str]
    records: list[Any]
    digests: list[str]
    inherited: list[Inherited] | None = None
    rejects: list[Reject] = field(default_factory=list)

    def keep(self, which: list[int]) -> Batch:
        """The batch with these rows only."""
        inherited = None if self.inherited is None else [self.inherited[i] for i in which]
        return Batch(
            [self.positions[i] for i in which],
            [self.records[i] for i in which],
            [self.digests[i] for i in which],
            inherited,
            self.rejects,
        )


@dataclass(frozen=True, slots=True)
class Match:
    """A shape that was recognised, and where its fields are. With `whole`, lists inside a record are its own and never
    looked at by themselves."""

    shape: str
    mapping: Mapping
    details: dict[str, Any] = field(default_factory=dict)
    whole: bool = False


def as_is(batch: Batch, match: Match) -> Batch:
    """For shapes whose records are pairs already."""
    return batch


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape family: `recognise` looks at the outline of the records; `prepare` makes one row a pair of them."""

    name: str
    recognise: Callable[[Outline], Match | Refusal | None]
    prepare: Callable[[Batch, Match], Batch] = as_is


def shorten(value: Any) -> str:
    """A raw record for a person: JSON text, or the text itself, at most 500 characters."""
    text = value if isinstance(value, str) else text_of(value)
    return text if len(text) <= RAW_CHARACTERS else text[: RAW_CHARACTERS - 3] + "..."
