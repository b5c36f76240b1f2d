"""Limits that keep one delivery from taking the machine."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one delivery may cost; beyond it the delivery is refused (`file_too_large`,
    `too_many_records`), or just the record (`field_too_large`)."""

    file_bytes: int = 2048 * MEGABYTE
    field_characters: int = 10 * 1000 * 1000  # one text; a 10 MB answer is a dump, not an answer
    records: int = 5_000_000
