"""A path in, a `Reading` out, in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from etl.read.limits import Limits
from etl.read.reading import Reading


def read(path: Path, *, mapping: Mapping[str, str] | None = None, limits: Limits | None = None) -> Reading:
    """Read one delivery. Bad content is refused, never raised; `mapping` (our field -> the sender's name) is a person's
    and wins over what the content suggests. Raises DeliveryError when the path cannot be opened."""
    raise NotImplementedError
