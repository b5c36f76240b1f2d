"""Pairs in `pairs/*.toml` become records, in the order and with the letters of their delivery."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]
NOT_TOPICS = {"deliveries", "planted", "squad"}


@dataclass(frozen=True, slots=True)
class Record:
    """One record as a sender would deliver it; None means that the key is absent."""

    question: str | None
    answer: str | None
    indicator: str = ""
    category: str = ""
    input: str = ""
    id: str = ""
    kind: str = ""
    of: str = ""
    into: str = ""
    note: str = ""
    label: str = ""
    raw: str = ""

    @property
    def sources(self) -> list[str]:
        return [f"Motherlode example notes: {self.category}, {self.indicator}"]

    @property
    def flat(self) -> dict[str, Any]:
        fields = {
            "question": self.question,
            "answer": self.answer,
            "indicator": self.indicator,
            "category": self.category,
            "sources": self.sources,
        }
        return {name: value for name, value in fields.items() if value is not None}

    @property
    def nested(self) -> dict[str, Any]:
        return {k: v for k, v in self.flat.items() if k in ("question", "answer", "sources")}


@dataclass(frozen=True, slots=True)
class Placed:
    """A record and the place where it came to lie."""

    file: str
    position: str
    record: Record

    @property
    def ref(self) -> list[str]:
        return [self.file, self.position, self.record.question or ""]


@dataclass(frozen=True, slots=True)
class Delivery:
    path: str
    content: bytes
    placed: list[Placed]
    refused: str | None
    why: str

    @property
    def rejected(self) -> int:
        return sum(p.record.kind == "rejects" for p in self.placed)


# --- Reading the pairs


def read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / "pairs" / f"{name}.toml").read_text(encoding="utf-8"))


def read_topics() -> list[Record]:
    """The honest pairs. The file name is the category, unless the indicator has one already."""
    records: list[Record] = []
    names = sorted(p.stem for p in (HERE / "pairs").glob("*.toml"))
    for name in [n for n in names if n not in NOT_TOPICS and n != "alpaca_inputs"]:
        records += [Record(category=name, **row) for row in read_toml(name)["pair"]]
    records += [Record(category="orderflow", **row) for row in read_toml("alpaca_inputs")["pair"]]
    return records


def read_planted(topics: list[Record]) -> list[Record]:
    """The planted pairs; indicator and category are taken from the pair they belong to."""
    tables = read_toml("planted")
    rows = [(kind, row) for kind, table in tables.items() for row in table]
    by_id = {r.id: r.indicator for r in topics if r.id}
    by_id |= {row["id"]: row["indicator"] for _, row in rows if "id" in row}
    category = {r.indicator: r.category for r in topics}
    records = []
    for kind, row in rows:
        row = {"question": None, "answer": None, **row}
        row["label"] = row.pop("flag", "") or row.pop("why", "") or row.pop("language", "")
        translates = row.pop("translates", "")
        if translates and translates not in by_id:
            raise SystemExit(f"planted.toml: no pair has the id {translates!r}")
        row.setdefault("indicator", by_id.get(row.get("of", ""), ""))
        row.setdefault("category", category.get(row["indicator"], ""))
        if not row["category"]:
            raise SystemExit(f"planted.toml: no indicator or category for {row['question']!r}")
        records.append(Record(kind=kind, **row))
    return records


# --- Putting the records of one delivery in order, and its letters out of order


def spread(honest: list[Record], planted: list[Record]) -> list[Record]:
    """Planted records lie evenly between the honest ones."""
    records = list(honest)
    step = len(honest) / (len(planted) + 1)
    for i, record in enumerate(planted):
        records.insert(round((i + 1) * step) + i, record)
    return records


def by_indicator(records: list[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.indicator, []).append(record)
    return groups


def typographic(text: str) -> str:
    return text.replace("'", "\u2019")


def mojibake(text: str) -> str:
    """The text as it looks after its UTF-8 was read as Windows-1252."""
    return text.encode("utf-8").decode("cp1252")


def content_key(record: Record) -> tuple[str, ...]:
    """What makes two deliveries of a pair exact duplicates."""
    quotes = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")

    def clean(text: str) -> str:
        text = unicodedata.normalize("NFC", text).casefold().translate(quotes)
        return re.sub(r"\s+", " ", text).strip().rstrip(".?! ")

    return clean(record.question or ""), clean(record.answer or ""), clean(record.input)
