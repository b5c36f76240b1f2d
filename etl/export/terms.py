"""On which terms pairs leave: formats, gates, model. Checked once, then handed on as one noun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etl.errors import SettingsError
from etl.recipe import Recipe

VERSION = 3
FORMATS = ("json", "jsonl", "csv", "parquet")
GRADES = ("A", "B", "C", "D", "F")
LEAVE_OUT = ("secret", "personal_data", "refusal", "empty_answer")


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings of a release. Raises `SettingsError` for what cannot be meant."""

    formats: Sequence[str] = FORMATS
    min_grade: str = "D"
    leave_out: Sequence[str] = LEAVE_OUT
    conflicts: str = "keep"
    review: str = "keep"
    csv_safe: bool = False
    vectors_recipe: str | None = None
    model: Mapping[str, Any] | None = field(default=None)

    def __post_init__(self) -> None:
        if not self.formats or not set(self.formats) <= set(FORMATS):
            raise SettingsError(f"formats {list(self.formats)}: give at least one of {', '.join(FORMATS)}")
        _one_of("min_grade", self.min_grade, GRADES)
        _one_of("conflicts", self.conflicts, ("keep", "leave_out"))
        _one_of("review", self.review, ("keep", "leave_out"))

    @property
    def settings(self) -> dict[str, Any]:
        """As they stand in the manifest; the order in which formats and flags were given does not count."""
        return {
            "formats": [name for name in FORMATS if name in self.formats],
            "min_grade": self.min_grade,
            "leave_out": sorted(set(self.leave_out)),
            "conflicts": self.conflicts,
            "review": self.review,
            "csv_safe": self.csv_safe,
            "vectors_recipe": self.vectors_recipe,
        }

    @property
    def recipe(self) -> Recipe:
        model = None if self.model is None else dict(self.model)
        return Recipe("export", VERSION, self.settings | {"model": model})


def recipe(
    *,
    formats: Sequence[str] = FORMATS,
    min_grade: str = "D",
    leave_out: Sequence[str] = LEAVE_OUT,
    conflicts: str = "keep",
    review: str = "keep",
    csv_safe: bool = False,
    vectors_recipe: str | None = None,
    model: Mapping[str, Any] | None = None,
) -> Recipe:
    """How a release is made."""
    return Terms(formats, min_grade, leave_out, conflicts, review, csv_safe, vectors_recipe, model).recipe


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise SettingsError(f"{name} {value!r}: choose one of {', '.join(known)}")
