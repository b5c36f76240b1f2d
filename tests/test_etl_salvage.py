"""Broken JSON is refused; what stands before the break is taken when asked for, and what is behind it is one reject."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import Store, Tally, drain, ingest
from etl.explain import explain
from etl.read.file import read_bytes

RECORDS: list[dict[str, Any]] = [
    {"question": f"What is number {i}?", "answer": f"Number {i} is “{i}”.", "refs": [{"url": "a"}, {"url": "b"}]}
    for i in range(6)
]
WHOLE = json.dumps(RECORDS, ensure_ascii=False).encode()
NESTED = json.dumps({"meta": {"v": 1}, "qa_pairs": RECORDS, "after": {"n": 12}}, ensure_ascii=False).encode()
KEYED = json.dumps(
    {name: {"category": "c", "qa_pairs": RECORDS} for name in ("relative strength", "moving average")},
    ensure_ascii=False,
).encode()


DEEP = json.dumps(
    {"momentum": {"rsi of j": RECORDS[:3]}, "trend": {"ma of k": RECORDS[3:]}}, ensure_ascii=False
).encode()
CASES = {"array": (WHOLE, 6), "nested": (NESTED, 6), "keyed": (KEYED, 12), "deep": (DEEP, 6)}


@pytest.mark.parametrize(("data", "most"), CASES.values(), ids=CASES.keys())
def test_wherever_it_is_cut_only_whole_records_come_out_and_the_rest_is_one_reject(data: bytes, most: int) -> None:
    whole = read_bytes(data).candidates.select("question", "answer", "metadata").rows()
    counted = set()
    for end in range(len(data) - 1, 1, -7):
        found = read_bytes(data[:end], salvage=True)
        if found.refusal is not None:
            assert found.refusal.reason in {"broken_json", "undecodable", "plain_text", "configuration", "no_records"}
            continue
        rows = found.candidates.select("question", "answer", "metadata").rows()
        texts = [(question, answer) for question, answer, _ in rows]
        assert texts == [(question, answer) for question, answer, _ in whole[: len(rows)]]
        assert all("refs" in json.loads(row[2]) and len(json.loads(row[2])["refs"]) == 2 for row in rows)
        assert found.rejects["reason"].to_list() == ["broken_json_rest"]
        counted.add(len(rows))
    assert counted >= set(range(2, most + 1))


@pytest.mark.parametrize(
    ("broken", "kept"),
    [
        (WHOLE[:-1] + b",]", 6),
        (WHOLE + b" and more", 6),
        (WHOLE.replace('"Number 3 is “3”."'.encode(), b"NaN"), 3),
        (WHOLE.replace(b'"question": "What is number 4?"', b'"question": "a?", "question": "b?"'), 4),
        (WHOLE.replace(b"What is number 2?", b"\\ud800"), 2),
        (b"\xef\xbb\xbf" + WHOLE[:-40], 5),
        (WHOLE[:-40].decode().encode("utf-16"), 5),
        (b'{\n"question":"a?","answer":"b"\n}\n{\n"question":"c?","answer":"d"\n}\n{\n"quest', 2),
        (b'{"What is it?": "This", "Who is it?": "He", "Wh', 2),
        (b'[{"question":"a?","answer":1},{"question":"b?","answer":12', 1),
    ],
)  # fmt: skip
def test_each_way_to_break_is_refused_unless_salvage_is_asked_for(broken: bytes, kept: int) -> None:
    refused = read_bytes(broken)
    assert refused.refusal is not None
    assert refused.refusal.reason == "broken_json"
    found = read_bytes(broken, salvage=True)
    assert (found.candidates.height, found.records) == (kept, kept + 1)
    [(position, reason, evidence, _)] = found.rejects.rows()
    assert (reason, position.startswith("byte:")) == ("broken_json_rest", True)
    assert "were not read" in evidence


def test_the_reject_names_the_byte_at_which_the_rest_begins() -> None:
    data = '[{"question":"a\u00e9\u4e2d?","answer":"x"}'.encode()
    found = read_bytes(data + b',{"question":"b', salvage=True)
    assert found.rejects["position"].to_list() == [f"byte:{len(data) + 1}"]
    assert found.rejects["raw"].to_list() == ['{"question":"b']


def test_a_file_whose_only_record_is_broken_stays_refused() -> None:
    found = read_bytes(WHOLE[:60], salvage=True)
    assert found.refusal is not None
    assert found.refusal.reason == "broken_json"


def test_good_json_is_not_touched_by_salvage() -> None:
    found = read_bytes(WHOLE, salvage=True)
    assert found.candidates.equals(read_bytes(WHOLE).candidates)
    assert found.format is not None
    assert "salvaged" not in found.format.details


@given(st.integers(0, len(NESTED) - 1), st.binary(max_size=3))
@settings(max_examples=60, deadline=None)
def test_any_damage_gives_whole_records_or_none(at: int, junk: bytes) -> None:
    found = read_bytes(NESTED[:at] + junk + NESTED[at + len(junk) :], salvage=True)
    if found.format is not None and "salvaged" in found.format.details:
        assert "broken_json_rest" in found.rejects["reason"].to_list()


def _ingest(store: Store, folder: Path, *, salvage: bool = False) -> dict[str, int]:
    return dict(drain(ingest.ingest(store, [folder], root=folder, meter=Tally(), salvage=salvage)))


def test_a_refused_delivery_is_salvaged_when_asked_and_then_left_alone(store: Store, tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_bytes(NESTED[: NESTED.index(b"What is number 4")])
    (tmp_path / "fine.json").write_bytes(json.dumps([{"question": "Q?", "answer": "A."}]).encode())
    assert _ingest(store, tmp_path)["refused"] == 1
    done = _ingest(store, tmp_path, salvage=True)
    assert (done["files"], done["new"], done["rejects"]) == (1, 4, 1)
    before = store.last_seq("ingest")
    assert _ingest(store, tmp_path) == {}
    assert _ingest(store, tmp_path, salvage=True) == {}
    assert store.last_seq("ingest") == before
    shown = ingest.delivery(store, "cut.json")
    assert shown["state"] == "accepted"
    assert shown["salvaged"]["from_byte"] < shown["salvaged"]["bytes"]
    assert "salvaged" in explain(store, "cut.json").summary


def test_what_was_salvaged_is_salvaged_again_when_the_recipe_changes(store: Store, tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_bytes(WHOLE[:-40])
    _ingest(store, tmp_path, salvage=True)
    with store.unit("test", "an earlier version") as unit:
        unit.execute("UPDATE deliveries SET recipe = 'earlier'")
    again = dict(drain(ingest.ingest(store, [tmp_path], root=tmp_path, meter=Tally())))
    assert (again["files"], again["candidates"], again["rejects"]) == (1, 5, 1)
