"""Write the example deliveries and their answer key from the pairs in `examples/pairs/*.toml`.

In: readable pairs, the list of deliveries, and what was planted on purpose. Out: every file under
`deliveries/`, byte for byte the same each time, and `KEY.md` and `key.json`, which say what a run
should find. Standard library only.

    python examples/make_deliveries.py            writes the files
    python examples/make_deliveries.py --check    exits 1 if a file on disk differs
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
import sqlite3
import sys
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NOT_TOPICS = {"deliveries", "planted", "squad"}

KINDS = {
    "exact_duplicates": "one pair remains, the others become occurrences of it",
    "near_duplicates": "merged: a word or two differ, the meaning does not",
    "paraphrases": "merged: the question is worded differently, the answer states the same facts",
    "look_alikes": "both stay: alike in words, different in meaning",
    "conflicts": "both stay, in the contradiction ledger; the second answer is the wrong one",
    "variants": "both stay as variants: the same question, two right answers",
}


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


# --- Reading the pairs


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / "pairs" / f"{name}.toml").read_text(encoding="utf-8"))


def read_topics() -> list[Record]:
    """The honest pairs. The file name is the category, unless the indicator has one already."""
    records: list[Record] = []
    names = sorted(p.stem for p in (HERE / "pairs").glob("*.toml"))
    for name in [n for n in names if n not in NOT_TOPICS and n != "alpaca_inputs"]:
        records += [Record(category=name, **row) for row in _toml(name)["pair"]]
    records += [Record(category="orderflow", **row) for row in _toml("alpaca_inputs")["pair"]]
    return records


def read_planted(topics: list[Record]) -> list[Record]:
    """The planted pairs; indicator and category are taken from the pair they belong to."""
    tables = _toml("planted")
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


# --- The shapes. Each gives the file's bytes and the position of each record, in order.

Written = tuple[bytes, list[tuple[str, Record]]]


def _json(value: object, encoding: str = "utf-8") -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode(encoding)


def _groups(records: list[Record]) -> list[dict[str, Any]]:
    return [
        {"indicator": name, "category": group[0].category, "qa_pairs": [r.nested for r in group]}
        for name, group in by_indicator(records).items()
    ]


def nested(records: list[Record], **_: Any) -> Written:
    (group,) = _groups(records)
    return _json(group), [(f"/qa_pairs/{i}", r) for i, r in enumerate(records)]


def nested_list(records: list[Record], **_: Any) -> Written:
    places = [
        (f"/{g}/qa_pairs/{i}", record)
        for g, group in enumerate(by_indicator(records).values())
        for i, record in enumerate(group)
    ]
    return _json(_groups(records)), places


def keyed(records: list[Record], **_: Any) -> Written:
    groups = by_indicator(records)
    fields = ("question", "answer", "category", "sources")
    content = {
        name: [{k: r.flat[k] for k in fields} for r in group] for name, group in groups.items()
    }
    places = []
    for name, group in groups.items():
        pointer = name.replace("~", "~0").replace("/", "~1")
        places += [(f"/{pointer}/{i}", record) for i, record in enumerate(group)]
    return _json(content), places


def flat(records: list[Record], *, encoding: str = "utf-8", **_: Any) -> Written:
    return _json([r.flat for r in records], encoding), [(f"/{i}", r) for i, r in enumerate(records)]


def wrapped(records: list[Record], **_: Any) -> Written:
    content = {"session": 143, "qa_pairs": [r.flat for r in records]}
    return _json(content), [(f"/qa_pairs/{i}", r) for i, r in enumerate(records)]


def jsonl(records: list[Record], **_: Any) -> Written:
    lines = [r.raw or json.dumps(r.flat, ensure_ascii=False) for r in records]
    content = "".join(line + "\n" for line in lines)
    return content.encode("utf-8"), [(f"line:{i}", r) for i, r in enumerate(records, start=1)]


def alpaca(records: list[Record], **_: Any) -> Written:
    rows = []
    for r in records:
        row = {"instruction": r.question, "input": r.input, "output": r.answer}
        rows.append({name: value for name, value in row.items() if value is not None})
    return _json(rows), [(f"/{i}", r) for i, r in enumerate(records)]


def table(
    records: list[Record], *, encoding: str = "utf-8", line_end: str = "\n", **_: Any
) -> Written:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(["Questions", "Answers", "Indicator", "Category", "Sources"])
    places = []
    for r in records:
        places.append((f"line:{text.getvalue().count(chr(10)) + 1}", r))
        writer.writerow([r.question, r.answer, r.indicator, r.category, "; ".join(r.sources)])
    return text.getvalue().encode(encoding), places


def squad(_records: list[Record], **_: Any) -> Written:
    data, places = [], []
    for p, passage in enumerate(_toml("squad")["passage"]):
        context = passage["context"]
        qas = []
        for q, qa in enumerate(passage["qa"]):
            start = context.index(qa["answer"])
            answers = [{"text": qa["answer"], "answer_start": start}]
            qas.append({"id": f"ref-{p}-{q}", "question": qa["question"], "answers": answers})
            record = Record(question=qa["question"], answer=qa["answer"], input=context)
            places.append((f"/data/{p}/paragraphs/0/qas/{q}", record))
        data.append({"title": passage["title"], "paragraphs": [{"context": context, "qas": qas}]})
    return _json({"version": "1.1", "data": data}), places


SCHEMA = """
create table indicators (
    id integer primary key,
    name text not null unique,
    category text not null
);
create table qa_pairs (
    id integer primary key,
    indicator_id integer not null references indicators (id),
    question text,
    answer text,
    sources text,
    created_at text
);
"""


def sqlite(records: list[Record], **_: Any) -> Written:
    db = sqlite3.connect(":memory:")
    db.execute("pragma page_size = 4096")
    db.executescript(SCHEMA)
    ids: dict[str, int] = {}
    for r in records:
        if r.indicator not in ids:
            ids[r.indicator] = len(ids) + 1
            row = (ids[r.indicator], r.indicator, r.category)
            db.execute("insert into indicators values (?, ?, ?)", row)
    began = datetime(2025, 11, 6, 0, 13, 55, tzinfo=UTC)
    for i, r in enumerate(records, start=1):
        at = (began + timedelta(minutes=7 * i)).strftime("%Y-%m-%d %H:%M:%S")
        row = (i, ids[r.indicator], r.question, r.answer, json.dumps(r.sources), at)
        db.execute("insert into qa_pairs values (?, ?, ?, ?, ?, ?)", row)
    db.commit()
    content = bytearray(db.serialize())
    db.close()
    # Bytes 96 to 99 name the SQLite version that wrote the file; a fixed one keeps the bytes equal.
    content[96:100] = (3_040_000).to_bytes(4, "big")
    return bytes(content), [(f"qa_pairs/{i}", r) for i, r in enumerate(records, start=1)]


def cut_off(records: list[Record], **_: Any) -> Written:
    """A flat list of which the last tenth is missing; the cut lies inside a string."""
    whole, _places = flat(records)
    end = whole.rindex(b'"answer": "', 0, len(whole) * 9 // 10) + 60
    return whole[:end], []


def prices(_records: list[Record], **_: Any) -> Written:
    chance = random.Random(2024)
    lines = ["date,open,high,low,close,volume"]
    close = 42_000.0
    for day in range(90):
        opened = close
        close = opened * (1 + (chance.random() - 0.49) * 0.06)
        high = max(opened, close) * (1 + chance.random() * 0.015)
        low = min(opened, close) * (1 - chance.random() * 0.015)
        volume = 9_000 + 12_000 * chance.random()
        when = date(2024, 1, 1) + timedelta(days=day)
        lines.append(f"{when},{opened:.2f},{high:.2f},{low:.2f},{close:.2f},{volume:.3f}")
    return ("\n".join(lines) + "\n").encode("utf-8"), []


SHAPES = {
    "nested": nested,
    "nested_list": nested_list,
    "keyed": keyed,
    "flat": flat,
    "wrapped": wrapped,
    "jsonl": jsonl,
    "csv": table,
    "alpaca": alpaca,
    "squad": squad,
    "sqlite": sqlite,
    "cut_off": cut_off,
    "prices": prices,
}


# --- All deliveries


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


def build() -> Iterator[Delivery]:
    topics = read_topics()
    planted = read_planted(topics)
    undelivered = {r.indicator for r in topics}
    carried: dict[str, list[Record]] = {}
    for plan in _toml("deliveries")["delivery"]:
        path, wanted = plan["path"], plan.get("indicators", [])
        undelivered -= set(wanted)
        honest = [r for name in wanted for r in topics if r.indicator == name]
        records = spread(honest, [r for r in planted if r.into == path])
        records = carried[path] = carried.get(plan.get("copy_of", ""), records)
        for change in [typographic] * ("typographic" in plan) + [mojibake] * ("mojibake" in plan):
            records = [
                replace(r, question=change(r.question or ""), answer=change(r.answer or ""))
                for r in records
            ]
        options = {k: plan[k] for k in ("encoding", "line_end") if k in plan}
        content, places = SHAPES[plan["shape"]](records, **options)
        placed = [Placed(path, position, record) for position, record in places]
        yield Delivery(path, content, placed, plan.get("refused"), plan["why"])
    if undelivered:
        raise SystemExit(f"deliveries.toml: nobody delivers {sorted(undelivered)}")


def answer_key(deliveries: list[Delivery]) -> dict[str, Any]:
    """The machine-readable key. Groups are lists of [file, position, question]."""
    placed = [p for d in deliveries for p in d.placed]
    by_id = {p.record.id: p for p in placed if p.record.id}
    key: dict[str, Any] = {
        "files": {
            d.path: {
                "accepted": len(d.placed) - d.rejected,
                "rejected": d.rejected,
                "refused": d.refused,
                "why": d.why,
            }
            for d in deliveries
        }
    }
    for kind in KINDS:
        groups: dict[str, list[list[str]]] = {}
        for p in placed:
            if p.record.kind == kind and p.record.of:
                groups.setdefault(p.record.of, [by_id[p.record.of].ref]).append(p.ref)
        key[kind] = list(groups.values())
    for kind, label in (("flags", "flag"), ("rejects", "why"), ("other_languages", "language")):
        key[kind] = [
            {"at": [p.file, p.position], label: p.record.label, "question": p.record.question or ""}
            for p in placed
            if p.record.kind == kind
        ]
    marks = re.compile("â€|â‚¬|Ã.")
    key["mojibake"] = [
        p.ref for p in placed if marks.search(f"{p.record.question} {p.record.answer}")
    ]
    return key


def check_exact_duplicates(deliveries: list[Delivery]) -> None:
    """Planted exact duplicates share a content key, and nothing else does."""
    seen: dict[tuple[str, ...], set[str]] = {}
    for p in (p for d in deliveries for p in d.placed if p.record.kind != "rejects"):
        record = p.record
        for name in ("question", "answer"):
            text = getattr(record, name)
            if re.search("â€|â‚¬|Ã.", text):
                record = replace(record, **{name: text.encode("cp1252").decode("utf-8")})
        name = record.of if record.kind == "exact_duplicates" else record.id or "/".join(p.ref)
        seen.setdefault(content_key(record), set()).add(name)
    mixed = [names for names in seen.values() if len(names) > 1]
    planted = {p.record.of for d in deliveries for p in d.placed if p.record.kind == "exact_duplicates"}
    alone = planted - {name for names in seen.values() for name in names}
    keys = [name for names in seen.values() for name in names if name in planted]
    if mixed or alone or len(keys) != len(planted):
        twice = sorted({name for name in keys if keys.count(name) > 1})
        raise SystemExit(f"exact duplicates: unplanted {mixed}, without a twin {twice}")


def key_page(deliveries: list[Delivery], key: dict[str, Any]) -> str:
    """KEY.md: the same for people."""
    notes = {(p.file, p.position): p.record.note for d in deliveries for p in d.placed}

    def cell(text: str) -> str:
        return text.replace("|", "\\|").replace("\n", " ").replace("\t", " ")

    accepted = sum(f["accepted"] for f in key["files"].values())
    rejected = sum(f["rejected"] for f in key["files"].values())
    lines = [
        "# What is in the example deliveries",
        "",
        "Written by `make_deliveries.py` from `pairs/*.toml`; `key.json` says the same to programs.",
        "Paths are relative to `deliveries/`. A position is a JSON pointer, a physical line counted",
        "from 1 (`line:7`), or table and row id (`qa_pairs/12`). The prices are invented; the",
        "answers are meant to be right, except where one was planted to be wrong.",
        "",
        "## Files",
        "",
        "| file | candidates | rejects | what it is |",
        "|---|---:|---:|---|",
    ]
    for path, f in key["files"].items():
        fate = f"**refused** (`{f['refused']}`): " if f["refused"] else ""
        lines.append(f"| `{path}` | {f['accepted']} | {f['rejected']} | {fate}{f['why']} |")
    lines.append(f"| together | {accepted} | {rejected} | |")
    for kind, expected in KINDS.items():
        lines += ["", f"## {kind.replace('_', ' ').capitalize()} ({len(key[kind])})", ""]
        lines += [f"Expected: {expected}.", ""]
        for group in key[kind]:
            for i, (file, position, question) in enumerate(group):
                note = notes[file, position] if i else ""
                tail = f" ({note})" if note else ""
                lines.append(f"{'  ' if i else ''}- `{file}` `{position}` {cell(question)}{tail}")
    singles = (
        ("flags", "flag", "Pairs to be flagged", "accepted, with this flag"),
        ("rejects", "why", "Records to be rejected", "no candidate, one reject with a reason"),
        ("other_languages", "language", "Other languages", "all stay"),
    )
    for kind, label, title, expected in singles:
        lines += ["", f"## {title} ({len(key[kind])})", "", f"Expected: {expected}.", ""]
        for entry in key[kind]:
            file, position = entry["at"]
            note = notes[file, position]
            tail = f" ({note})" if note else ""
            text = f" {cell(entry['question'])}" if entry["question"] else ""
            lines.append(f"- `{entry[label]}` `{file}` `{position}`{text}{tail}")
    lines += ["", f"## Mojibake ({len(key['mojibake'])})", ""]
    lines += ["Expected: repaired, with the raw text kept and the repair logged.", ""]
    lines += [f"- `{f}` `{position}` {cell(q)}" for f, position, q in key["mojibake"]]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    deliveries = list(build())
    check_exact_duplicates(deliveries)
    key = answer_key(deliveries)
    files = {HERE / "deliveries" / d.path: d.content for d in deliveries}
    files[HERE / "key.json"] = _json(key)
    files[HERE / "KEY.md"] = key_page(deliveries, key).encode("utf-8")
    if arguments == ["--check"]:
        stale = [p for p, content in files.items() if not p.exists() or p.read_bytes() != content]
        for path in stale:
            print(f"{path.relative_to(HERE)} differs; run python examples/make_deliveries.py")
        return 1 if stale else 0
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    print(f"{len(deliveries)} deliveries, {sum(len(d.placed) for d in deliveries)} records")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
