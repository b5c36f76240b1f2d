"""What was decided about the bytes of a delivery: a `Format` says how to read them, a `Refusal` why they are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# Below this confidence a mapping found by content alone is proposed to a person and not used: a wrong column gives
# thousands of plausible, wrong pairs, a question to the user costs a minute.
MAPPING_CONFIDENCE = 0.8


@dataclass(frozen=True, slots=True)
class Format:
    """How a delivery is to be read.

    `mapping` goes from our field (question, answer, context, indicator ...) to the sender's name for it.
    `confidence` (0 to 1) is that of the mapping; that of a guessed encoding stands in `evidence`, one line a decision.
    """

    container: str  # json | csv | parquet | arrow | xlsx | sqlite | zip ...; jsonl.gz and the like where compressed
    encoding: (
        str  # utf-8, utf-16-le, gb18030 ...; 'utf-8+windows-1252' when lines differ; 'binary' for parquet and bases
    )
    shape: str  # a name of etl.shapes.SHAPES
    mapping: dict[str, str]
    confidence: float
    evidence: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)  # delimiter, quoting, table, path to the list ...

    def to_json(self) -> str:
        """The whole decision as one JSON object with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Format:
        """The inverse of `to_json`."""
        fields = json.loads(text)
        return cls(**(fields | {"evidence": tuple(fields["evidence"])}))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a whole delivery gives no pairs. `reason` is snake_case, `evidence` is for a person.

    With the reason `unmapped`, `proposal` is the mapping that looks most likely (our field -> the sender's name); the
    delivery waits until a person gives a mapping. With `whole` it speaks of everything below the records it was found
    on.
    """

    reason: str
    evidence: str
    proposal: dict[str, str] = field(default_factory=dict)
    whole: bool = False
