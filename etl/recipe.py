"""Recipes: the name, code version and parameters that made a derived row, as one short digest.

A row is *pending* when no row of the current recipe stands for it, so a changed rule, threshold, mapping or model
makes exactly that work pending again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a stage makes its rows. `version` is raised by hand whenever the code would give different rows."""

    name: str
    version: int
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """16 hex digits of sha256 over the canonical JSON of name, version and parameters."""
        text = json.dumps([self.name, self.version, dict(self.parameters)], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]

    def changes_from(self, version: int, parameters: Mapping[str, Any]) -> str:
        """Say in words what differs from an earlier recipe of the same name: `threshold 0.9 -> 0.92`."""
        changes = [] if version == self.version else [f"code version {version} -> {self.version}"]
        for name in sorted({*parameters, *self.parameters}):
            before, after = parameters.get(name), self.parameters.get(name)
            if before != after:
                changes.append(f"{name} {_short(before)} -> {_short(after)}")
        return ", ".join(changes)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else text[:37] + "..."
