"""A sample of records in, an outline of their columns out: what the rules that recognise a shape look at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from etl.detect.asking import begins_asking, ends_asking
from etl.detect.names import ENVELOPES, plain

_ID = re.compile(r"[\w.:/#@+-]*\d[\w.:/#@+-]*|[a-z]+://\S+", re.ASCII)
_TAG = re.compile(r"</?(?:p|br|div|span|ul|ol|li|a|b|i|strong|em|h[1-6]|table|td)\b[^>]{0,500}>", re.IGNORECASE)
_NAME = re.compile(r"\w+(?:[_-]\w+)+")
_TEXT_MEMBERS = ("text", "answer", "value", "content")
SAMPLE = 2000  # records


@dataclass(frozen=True)  # no slots: what is worked out once is kept
class Column:
    """The values that one name has in the sample, null ones left out. Shares are of these values."""

    name: str
    values: tuple[Any, ...]
    presence: float  # share of the records that have it, null or not

    def share(self, *kinds: type) -> float:
        """How many of the values are of one of these types."""
        return sum(isinstance(value, kinds) for value in self.values) / max(len(self.values), 1)

    @cached_property
    def texts(self) -> list[str]:
        """The values that are texts with something in them."""
        return [value for value in self.values if isinstance(value, str) and value.strip()]

    @cached_property
    def is_text(self) -> bool:
        """Mostly texts, and not numbers or dates written as such."""
        return self.share(str) >= 0.5 and sum(map(_numeric, self.texts)) < 0.5 * len(self.texts)

    @cached_property
    def is_numeric(self) -> bool:
        """Mostly numbers, dates or times, written as such or as text."""
        filled = [value for value in self.values if not (isinstance(value, str) and not value.strip())]
        return bool(filled) and sum(map(_numeric, filled)) >= 0.8 * len(filled)

    @cached_property
    def is_id(self) -> bool:
        """Mostly single words with a digit in them, or addresses: they name things and say nothing."""
        return sum(_ID.fullmatch(text.strip()) is not None for text in self.texts) >= 0.8 * max(len(self.texts), 1)

    @cached_property
    def lists(self) -> list[str]:
        """The first text of each value that is a list of texts, or of objects with a text: several answers, options."""
        firsts = [_first_text(value) for value in self.values]
        return [text for text in firsts if text]

    @cached_property
    def is_markup(self) -> bool:
        """Texts in HTML, a good part of them at least."""
        return sum(_TAG.search(text) is not None for text in self.texts) >= 0.1 * max(len(self.texts), 1)

    @cached_property
    def is_name(self) -> bool:
        """Mostly single words put together with an underscore or a hyphen, as programs name things."""
        return sum(_NAME.fullmatch(text.strip()) is not None for text in self.texts) >= 0.8 * max(len(self.texts), 1)

    @property
    def holds_objects(self) -> bool:
        """Lists of objects or of lists: a container of records, not a value."""
        lists = (value for value in self.values[:50] if isinstance(value, list))
        return any(isinstance(item, (dict, list)) for value in lists for item in value)

    @cached_property
    def questions(self) -> float:
        """Share of the texts that end in a question mark."""
        texts = self.texts
        return sum(map(ends_asking, texts)) / max(len(texts), 1)

    @cached_property
    def asking(self) -> float:
        """Share of the texts that end in a question mark or begin with a word that asks."""
        texts = self.texts
        return sum(ends_asking(text) or begins_asking(text) for text in texts) / max(len(texts), 1)

    @cached_property
    def length(self) -> float:
        """Mean characters of the texts."""
        texts = self.texts
        return sum(map(len, texts)) / max(len(texts), 1)

    @cached_property
    def variety(self) -> float:
        """Share of the texts that are distinct."""
        texts = self.texts
        return len(set(texts)) / max(len(texts), 1)


@dataclass(frozen=True, slots=True, eq=False)  # compared and remembered as itself, not by its thousands of values
class Outline:
    """Columns by name, in the order of first appearance, and how many records were looked at."""

    columns: dict[str, Column]
    rows: int

    @classmethod
    def of(cls, records: Sequence[Any]) -> Outline:
        """The outline of the objects among the first records; members of `metadata` and the like count as columns too,
        named `metadata.member`."""
        sample = [record for record in records[:SAMPLE] if isinstance(record, dict)]
        values: dict[str, list[Any]] = {}
        for record in sample:
            for name, value in record.items():
                values.setdefault(name, []).append(value)
                if isinstance(value, dict) and plain(name) in ENVELOPES:
                    for inner, given in value.items():
                        values.setdefault(f"{name}.{inner}", []).append(given)
        columns = {
            name: Column(name, tuple(value for value in given if value is not None), len(given) / len(sample))
            for name, given in values.items()
        }
        return cls(columns, len(sample))

    def find(self, *names: str) -> Column | None:
        """The first column whose plain name is one of these."""
        return next((column for name, column in self.columns.items() if plain(name) in names), None)

    @property
    def text_columns(self) -> list[Column]:
        """The columns at the top of the records that hold mostly texts."""
        return [column for name, column in self.columns.items() if "." not in name and column.is_text]


def _first_text(value: Any) -> str | None:
    """Of a list of texts or objects, or of an object that holds texts; None for anything else."""
    if isinstance(value, dict):
        value = next((value[name] for name in _TEXT_MEMBERS if name in value), None)
        return value.strip() if isinstance(value, str) else _first_text(value) if isinstance(value, list) else None
    if not isinstance(value, list) or not value:
        return None
    first = value[0]
    return first.strip() if isinstance(first, str) else _first_text(first) if isinstance(first, dict) else None


def _numeric(value: Any) -> bool:
    if isinstance(value, (bool, int, float, msgspec.Raw)):
        return True
    if not isinstance(value, str):
        return not isinstance(value, (dict, list))  # dates, times and decimals of parquet files and databases
    text = value.strip()
    digits = sum(map(str.isdigit, text))
    return digits > 0 and digits + sum(map(text.count, "-+.,:/ %eETZ$€£")) >= len(text)
