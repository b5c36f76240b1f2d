"""A path in, a `Reading` out, read in a spawned child that may be killed by what it reads; the parent lives on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from etl.errors import DeliveryError
from etl.read.limits import Limits
from etl.read.reading import Reading


class ReaderDied(DeliveryError):  # noqa: N818 - it says what happened, the family name says that it is an error
    """The child that read a delivery crashed, ran out of memory or time. `reason` is snake_case: `reader_crashed`,
    `reader_out_of_memory`, `reader_timeout`, `reader_output_too_large`."""

    def __init__(self, reason: str, evidence: str) -> None:
        super().__init__(f"{reason}: {evidence}")
        self.reason = reason
        self.evidence = evidence


class Reader:
    """Reads deliveries in one spawned child, started at the first file and started anew whenever it dies."""

    def __init__(
        self, *, timeout_s: float = 600.0, memory_mb: int = 6144, output_mb: int = 4096, limits: Limits | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._timeout_s, self._memory_mb, self._output_mb = timeout_s, memory_mb, output_mb

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, path: Path, *, mapping: Mapping[str, str] | None = None) -> Reading:
        """Read one file. Raises `ReaderDied` when the child did not survive it, DeliveryError for a missing file."""
        raise NotImplementedError

    def close(self) -> None:
        """End the child."""
