"""What the forms of text hand to the reader: records with their places, or a tree, and where the fields are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from etl.detect.format import Refusal
from etl.detect.mapping import Mapping
from etl.shapes.base import Inherited, Reject

OWN = "form"  # the shape of a match that a form made itself: its records are pairs already
_LINE_END = re.compile(r"\r\n|\n|\r")


class Record(NamedTuple):
    """One record: where it stands, its values by the sender's names, and the text it was read from."""

    position: str
    values: dict[str, Any]
    raw: str


@dataclass(slots=True)
class Found:
    """A form that was recognised. With `mapping` it says itself where the fields are; without, the columns of the
    records are looked at as those of a table are. `also` maps further fields where nothing else does.
    `doubt` refuses unless a person gives a mapping."""

    container: str
    shape: str
    records: list[Record]
    mapping: Mapping | None = None
    inherited: list[Inherited] | None = None
    rejects: list[Reject] = field(default_factory=list)
    also: dict[str, str] = field(default_factory=dict)
    doubt: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """A form that holds the same trees as JSON does, and is read as they are."""

    container: str
    value: Any


Answer = Found | Tree | Refusal | None
Form = Callable[[str], Answer]


def sure(evidence: str, **fields: str) -> Mapping:
    """The mapping of a form whose marks say what is question and what is answer."""
    return Mapping(fields, 1.0, (evidence,))


def lines_of(text: str) -> list[str]:
    """Lines without their ends; LF, CRLF and CR end a line, U+2028 and U+0085 do not."""
    return _LINE_END.split(text)


def unsupported(form: str, evidence: str) -> Refusal:
    """A form that is known by name and not read."""
    return Refusal("unsupported_shape", f"{form}: {evidence}")
