"""Records become the bytes of one delivery; each shape also says where every record came to lie."""

from __future__ import annotations

import csv
import io
import json
import random
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from builder.records import Record, by_indicator, read_toml

Written = tuple[bytes, list[tuple[str, Record]]]


def to_json(value: object, encoding: str = "utf-8") -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode(encoding)


def _groups(records: list[Record]) -> list[dict[str, Any]]:
    return [
        {"indicator": name, "category": group[0].category, "qa_pairs": [r.nested for r in group]}
        for name, group in by_indicator(records).items()
    ]


def nested(records: list[Record], **_: Any) -> Written:
    (group,) = _groups(records)
    return to_json(group), [(f"/qa_pairs/{i}", r) for i, r in enumerate(records)]


def nested_list(records: list[Record], **_: Any) -> Written:
    places = [
        (f"/{g}/qa_pairs/{i}", record)
        for g, group in enumerate(by_indicator(records).values())
        for i, record in enumerate(group)
    ]
    return to_json(_groups(records)), places


def keyed(records: list[Record], **_: Any) -> Written:
    groups = by_indicator(records)
    fields = ("question", "answer", "category", "sources")
    content = {name: [{k: r.flat[k] for k in fields} for r in group] for name, group in groups.items()}
    places = []
    for name, group in groups.items():
        pointer = name.replace("~", "~0").replace("/", "~1")
        places += [(f"/{pointer}/{i}", record) for i, record in enumerate(group)]
    return to_json(content), places


def flat(records: list[Record], *, encoding: str = "utf-8", **_: Any) -> Written:
    return to_json([r.flat for r in records], encoding), [(f"/{i}", r) for i, r in enumerate(records)]


def wrapped(records: list[Record], **_: Any) -> Written:
    content = {"session": 143, "qa_pairs": [r.flat for r in records]}
    return to_json(content), [(f"/qa_pairs/{i}", r) for i, r in enumerate(records)]


def jsonl(records: list[Record], **_: Any) -> Written:
    lines = [r.raw or json.dumps(r.flat, ensure_ascii=False) for r in records]
    content = "".join(line + "\n" for line in lines)
    return content.encode("utf-8"), [(f"line:{i}", r) for i, r in enumerate(records, start=1)]


def alpaca(records: list[Record], **_: Any) -> Written:
    rows = []
    for r in records:
        row = {"instruction": r.question, "input": r.input, "output": r.answer}
        rows.append({name: value for name, value in row.items() if value is not None})
    return to_json(rows), [(f"/{i}", r) for i, r in enumerate(records)]


def table(records: list[Record], *, encoding: str = "utf-8", line_end: str = "\n", **_: Any) -> Written:
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
    for p, passage in enumerate(read_toml("squad")["passage"]):
        context = passage["context"]
        qas = []
        for q, qa in enumerate(passage["qa"]):
            start = context.index(qa["answer"])
            answers = [{"text": qa["answer"], "answer_start": start}]
            qas.append({"id": f"ref-{p}-{q}", "question": qa["question"], "answers": answers})
            record = Record(question=qa["question"], answer=qa["answer"], input=context)
            places.append((f"/data/{p}/paragraphs/0/qas/{q}", record))
        data.append({"title": passage["title"], "paragraphs": [{"context": context, "qas": qas}]})
    return to_json({"version": "1.1", "data": data}), places


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
            topic = (ids[r.indicator], r.indicator, r.category)
            db.execute("insert into indicators values (?, ?, ?)", topic)
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


SHAPES: dict[str, Callable[..., Written]] = {
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
