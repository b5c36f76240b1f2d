"""A path in, a Reading out: files, containers, books that balance, and a child that may die."""

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import Store
from etl.detect.container import container
from etl.errors import DeliveryError
from etl.ingest import ingest
from etl.progress import Tally, drain
from etl.read import CANDIDATES, REJECTS, Limits, Reader, ReaderDied, Reading, Refusal, read
from etl.read.file import read_bytes

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PAIRS = [{"question": f"What is {i}?", "answer": f"It is {i}."} for i in range(5)]


def jsonl(records: list[object]) -> bytes:
    """Records as JSON lines."""
    return "\n".join(json.dumps(record, ensure_ascii=False) for record in records).encode("utf-8")


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """One child for the tests of this module."""
    with Reader(timeout_s=20) as shared:
        yield shared


# ── the books ────────────────────────────────────────────────────────────────────────────────────────────────


def _frames(positions: list[str], rejected: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    row = dict.fromkeys(CANDIDATES) | {"question": "Q?", "answer": "A"}
    candidates = pl.DataFrame([row | {"position": position} for position in positions], schema=CANDIDATES)
    rejects = pl.DataFrame([(position, "no_answer", None, "") for position in rejected], schema=REJECTS, orient="row")
    return candidates, rejects


def test_several_pairs_of_one_record_count_once() -> None:
    assert Reading(None, 2, *_frames(["line:1#1", "line:1#2"], ["line:2"])).state == "accepted"
    assert Reading(None, 2, *_frames(["line:1#1", "line:2"], ["line:1#2", "line:1#3"])).state == "accepted"


@pytest.mark.parametrize(
    ("records", "positions", "rejected"),
    [
        (2, ["line:1"], []),
        (1, ["line:1", "line:1"], []),
        (2, ["line:1"], ["line:1"]),
        (1, ["line:1#1"], ["line:1"]),
        (2, [], ["line:1", "line:1"]),
    ],
)
def test_books_that_do_not_balance_are_never_handed_on(records: int, positions: list[str], rejected: list[str]) -> None:
    with pytest.raises(ValueError, match=r"records|twice"):
        Reading(None, records, *_frames(positions, rejected))


def test_a_refused_delivery_has_no_rows() -> None:
    with pytest.raises(ValueError, match="refused"):
        Reading(None, 1, *_frames(["line:1"], []), Refusal("pdf", ""))


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["question", "answer", "qa_pairs", "indicator", "data", "x", "1"]), inner, max_size=3
    ),
    max_leaves=15,
)  # fmt: skip


@given(ANY)
@settings(max_examples=200, deadline=None)
def test_any_json_is_accepted_with_balanced_books_or_refused(value: object) -> None:
    found = read_bytes(json.dumps(value).encode("ascii"))
    assert found.refusal is None or found.refusal.reason != "unreadable", found.refusal


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused_but_never_raise(data: bytes) -> None:
    found = read_bytes(data)
    assert found.refusal is None or found.refusal.reason != "unreadable" or container(data) != "text", found.refusal


@given(st.lists(ANY, min_size=1, max_size=5), st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_json_lines_cut_anywhere_still_balance(records: list[object], cut: int) -> None:
    data = jsonl([PAIRS[0], PAIRS[1], *records])
    found = read_bytes(data[: max(len(data) - cut, 1)])
    assert found.refusal is None or found.refusal.reason != "unreadable", found.refusal


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["pairs.json", "pairs.jsonl", "pairs.csv", "pairs", "pairs.pdf"])
def test_a_name_never_decides(tmp_path: Path, name: str) -> None:
    lines, array = tmp_path / name, tmp_path / f"array-{name}"
    lines.write_bytes(jsonl([*PAIRS]))
    array.write_bytes(json.dumps(PAIRS).encode("ascii"))
    for path, kind in ((lines, "jsonl"), (array, "json")):
        found = read(path)
        assert found.format is not None
        assert (found.format.container, found.records) == (kind, 5)


def test_a_missing_file_is_an_error_of_the_user(tmp_path: Path, reader: Reader) -> None:
    for reading in (read, reader.read):
        with pytest.raises(DeliveryError, match="nowhere"):
            reading(tmp_path / "nowhere.json")


def test_lines_end_at_line_feeds_only() -> None:
    records = [{"question": "What\u2028is\u0085it?", "answer": "A\u2029B"}, *PAIRS]
    found = read_bytes(jsonl([*records]).replace(b"\n", b"\r\n") + b"\r\n\r\n")
    assert found.candidates["question"][0] == "What\u2028is\u0085it?"
    assert found.candidates["position"].to_list() == [f"line:{i}" for i in range(1, 7)]


def test_a_broken_line_costs_that_line_only() -> None:
    data = (
        jsonl([*PAIRS])
        + b'\n{"question": "Cut?", "ans\nWARN slow upload\n'
        + jsonl([{"question": "Z?", "answer": "z"}])
    )
    found = read_bytes(data + b'\n{"question": "A?", "question": "B?", "answer": "c"}')
    assert found.rejects.select("position", "reason").rows() == [
        ("line:6", "broken_json_line"), ("line:7", "broken_json_line"), ("line:9", "broken_json_line"),
    ]  # fmt: skip
    assert "line 9" in found.rejects["evidence"][2]
    assert "stands twice" in found.rejects["evidence"][2]
    assert (found.records, found.candidates.height) == (9, 6)


def test_a_truncated_array_is_refused_whole() -> None:
    found = read_bytes(json.dumps(PAIRS, indent=1).encode("ascii")[:-30])
    assert found.refusal is not None
    assert found.refusal.reason == "broken_json"
    assert "line 1" in found.refusal.evidence


def test_the_digest_of_a_line_is_of_its_bytes_and_of_a_record_of_its_canonical_json() -> None:
    import hashlib

    line = b'{"answer": "A", "question":   "Q?"}'
    other = b'{"question": "R?", "answer": "B"}'
    lines = read_bytes(line + b"\r\n" + other)
    tree = read_bytes(b"[" + line + b"," + other + b"]")
    assert lines.candidates["raw_digest"][0] == hashlib.sha256(line).hexdigest()[:32]
    assert tree.candidates["raw_digest"][0] == hashlib.sha256(b'{"answer":"A","question":"Q?"}').hexdigest()[:32]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_tables_in_other_encodings_are_read(encoding: str) -> None:
    text = "Questions;Answers\n" + "".join(
        f"Qu’est-ce que le café {i} ?;Une boisson « noire », {i} €\n" for i in range(9)
    )
    found = read_bytes(text.encode(encoding))
    assert found.candidates["answer"].to_list() == [f"Une boisson « noire », {i} €" for i in range(9)]
    assert found.candidates["position"][0] == "line:2"


def test_ragged_and_broken_rows_are_rejected_and_short_ones_lack_an_answer() -> None:
    rows = [f"What is {i}?,It is {i}." for i in range(20)]
    rows[3], rows[5] = "What is 3?,Three,extra", "What is 5?"
    found = read_bytes(("question,answer\n" + "\n".join(rows)).encode())
    assert dict(found.rejects.select("position", "reason").iter_rows()) == {
        "line:5": "ragged_row",
        "line:7": "no_answer",
    }


def test_a_table_without_a_header_waits_for_a_mapping() -> None:
    data = "\n".join(f"What is {i}?,It is the number {i} and no other" for i in range(20)).encode()
    found = read_bytes(data)
    assert (found.state, found.unmapped) == ("unmapped", {"question": "column_1", "answer": "column_2"})
    assert read_bytes(data, mapping=found.unmapped).candidates.height == 20


def test_a_large_field_is_refused_and_the_rest_is_read() -> None:
    out = io.StringIO()
    csv.writer(out).writerows([["question", "answer"], ["Q?", "x" * 200_000], ["R?", "y"]])
    found = read_bytes(out.getvalue().encode(), limits=Limits(field_characters=100_000))
    assert found.rejects["reason"].to_list() == ["field_too_large"]
    assert len(found.rejects["raw"][0]) <= 500
    assert read_bytes(out.getvalue().encode()).candidates.height == 2


def test_a_conversation_keeps_its_other_exchanges_when_one_is_too_large(tmp_path: Path) -> None:
    said = ["What is RSI?", "An oscillator.", "And in full?", "x" * 20_000, "Again?", "y" * 20_000]
    line = {"messages": [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(said)]}
    limits, few = Limits(field_characters=10_000), jsonl([line] * 3)
    found = read_bytes(few, limits=limits)
    assert (found.records, found.candidates.height, found.rejects.height) == (3, 3, 6)
    path, parts = tmp_path / "many.jsonl", list[pl.DataFrame | None]()
    path.write_bytes(jsonl([line] * 120))  # more than 4 MiB: handed over in parts
    with Reader(limits=limits, timeout_s=60) as reader:
        streamed = reader.read(path, each=parts.append)
    assert (streamed.records, streamed.candidates.height, streamed.rejects.height) == (120, 120, 240)
    assert [None if part is None else part.height for part in parts] == [120]
    with Store.open(":memory:") as store:
        drain(ingest(store, [path], meter=Tally(), root=tmp_path, reader=lambda file: read(file, limits=limits)))
        assert store.query("SELECT records, candidates, rejects FROM deliveries").rows() == [(120, 120, 240)]


def test_limits_refuse_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([*PAIRS]))
    for limits, reason in ((Limits(file_bytes=10), "file_too_large"), (Limits(records=3), "too_many_records")):
        refusal = read(path, limits=limits).refusal
        assert refusal is not None
        assert refusal.reason == reason


def test_parquet_is_read_with_lists_and_numbers(tmp_path: Path) -> None:
    frame = pl.DataFrame({"question": ["Q?", "R?"], "answer": [["A", "B"], ["C"]], "score": [0.5, None]})
    frame.write_parquet(tmp_path / "a.bin")
    found = read(tmp_path / "a.bin")
    assert found.candidates.select("position", "answer", "metadata").rows() == [
        ("row:1", "A", '{"score":0.5}'), ("row:2", "C", None),
    ]  # fmt: skip


# ── databases ────────────────────────────────────────────────────────────────────────────────────────────────

OLD = """
CREATE TABLE indicators (indicator_id INTEGER PRIMARY KEY, indicator_name TEXT, indicator_category TEXT);
CREATE TABLE qa_pairs (id INTEGER PRIMARY KEY, indicator_id INTEGER, question TEXT, answer TEXT, sources TEXT);
"""
NEW = """
CREATE TABLE categories (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE indicators (id INTEGER PRIMARY KEY, name TEXT, category_id INTEGER REFERENCES categories (id));
CREATE TABLE qa (qa_id INTEGER PRIMARY KEY, topic INTEGER REFERENCES indicators (id), q TEXT, a TEXT, sources TEXT);
"""
ROWS = """(3, 7, 'What is RSI?', 'An oscillator.', '["a", "b"]'), (4, 7, 'And?', NULL, '')"""
FILL = {
    "old": ["INSERT INTO indicators VALUES (7, 'RSI', 'momentum')",
            f"INSERT INTO qa_pairs VALUES {ROWS}"],
    "new": ["INSERT INTO categories VALUES (1, 'momentum')", "INSERT INTO indicators VALUES (7, 'RSI', 1)",
            f"INSERT INTO qa VALUES {ROWS}"],
}  # fmt: skip


@pytest.mark.parametrize("schema", ["old", "new"])
@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_bases_are_joined_along_their_foreign_keys(tmp_path: Path, kind: str, schema: str) -> None:
    path = tmp_path / "base.db"
    statements = [*(OLD if schema == "old" else NEW).strip().split("\n"), *FILL[schema]]
    with sqlite3.connect(path) if kind == "sqlite" else duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    before = path.read_bytes()
    found = read(path)
    first = found.candidates.to_dicts()[0]
    assert (first["indicator"], first["category"], first["sources"]) == ("RSI", "momentum", ["a", "b"])
    table, number = first["position"].split("/")
    assert (table, number) == ("qa_pairs" if schema == "old" else "qa", "3" if kind == "sqlite" else "0")
    assert found.rejects["reason"].to_list() == ["no_answer"]
    assert (found.format is not None and found.format.container, path.read_bytes()) == (kind, before)
    assert [file.name for file in tmp_path.iterdir()] == ["base.db"]


def test_a_base_without_pairs_is_refused_and_views_are_never_run(tmp_path: Path) -> None:
    path = tmp_path / "prices.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE prices (day TEXT, open REAL, close REAL)")
        connection.execute("INSERT INTO prices VALUES ('2024-01-01', 1.5, 2.5)")
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i AS question, i AS answer FROM n"
        connection.execute(f"CREATE VIEW qa_pairs AS {endless}")
    connection.close()
    refusal = read(path).refusal
    assert refusal is not None
    assert refusal.reason == "tabular"


def test_a_damaged_base_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE qa (question TEXT, answer TEXT)")
        connection.executemany("INSERT INTO qa VALUES (?, ?)", [(f"Q{i}?", "A" * 500) for i in range(200)])
    connection.close()
    data = bytearray(path.read_bytes())
    data[4096:40960] = b"\xff" * 36864
    refusal = read_bytes(bytes(data)).refusal
    assert refusal is not None
    assert refusal.reason == "unreadable"


# ── the child ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_child_reads_what_the_parent_would(reader: Reader) -> None:
    for path in sorted((EXAMPLES / "deliveries").rglob("*.*")):
        here, there = read(path), reader.read(path)
        assert here.candidates.equals(there.candidates), path.name
        assert here.rejects.equals(there.rejects), path.name
        assert (here.format, here.refusal, here.records) == (there.format, there.refusal, there.records)


def test_one_child_serves_many_files_and_is_replaced_when_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([*PAIRS]))
    with Reader() as own:
        own.read(path)
        child = own._child
        assert child is not None
        assert own.read(path).records == 5
        assert own._child is child
        child.kill()
        child.wait()
        assert own.read(path).records == 5
        assert own._child is not child
    assert own._child is None


def test_a_child_killed_while_reading_is_reported_and_the_next_file_is_read(tmp_path: Path) -> None:
    path, slow = tmp_path / "a.jsonl", tmp_path / "slow.jsonl"
    path.write_bytes(jsonl([*PAIRS]))
    slow.write_bytes(jsonl([*PAIRS]) * 1 + b"\n" + b'{"question": "a", "answer": "b", "deep" : {"x" : 1}}\n' * 60_000)
    with Reader(timeout_s=0.2) as own:
        started = time.monotonic()
        with pytest.raises(ReaderDied, match="reader_timeout"):
            own.read(slow)
        assert time.monotonic() - started < 10
        own._timeout_s = 20
        assert own.read(path).records == 5


@pytest.mark.skipif(sys.platform == "win32", reason="limits on memory need POSIX")
def test_a_child_out_of_memory_refuses_or_dies_but_the_parent_lives(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    path.write_bytes(b"[" + b"[[[[1],[2]],[[3],[4]]]]," * 3_000_000 + b"1]")
    with Reader(memory_mb=1500, timeout_s=60) as own:
        try:
            refusal = own.read(path).refusal
            assert refusal is not None
            reason = refusal.reason
        except ReaderDied as died:
            reason = died.reason
    assert reason in ("out_of_memory", "reader_out_of_memory", "reader_crashed")


def test_more_output_than_allowed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([{"question": f"Q{i}?", "answer": os.urandom(500).hex()} for i in range(3000)]))
    with Reader(output_mb=1) as own:
        refusal = own.read(path).refusal
    assert refusal is not None
    assert refusal.reason == "output_too_large"


@pytest.mark.skipif(sys.platform == "win32", reason="signals need POSIX")
def test_the_child_ignores_interrupts_and_goes_with_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([*PAIRS]))
    code = (
        "import sys, time; from pathlib import Path; from etl.read import Reader\n"
        f"reader = Reader(); reader.read(Path({str(path)!r})); print(reader._child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, encoding="utf-8")
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(child, signal.SIGINT)
    time.sleep(0.2)
    assert _is_alive(child)
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 10
    while _is_alive(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _is_alive(child)


def _is_alive(pid: int) -> bool:
    """Running, and not just waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# ── examples ────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_example_delivery_gives_what_its_key_says() -> None:
    key = json.loads((EXAMPLES / "key.json").read_text(encoding="utf-8"))
    for name, said in key["files"].items():
        found = read(EXAMPLES / "deliveries" / name)
        assert (found.candidates.height, found.rejects.height) == (said["accepted"], said["rejected"]), name
        assert (found.refusal is None) == (said["refused"] is None), name
    rejects = {tuple(one["at"]): one["why"] for one in key["rejects"]}
    for (name, position), why in rejects.items():
        found = read(EXAMPLES / "deliveries" / name)
        assert dict(found.rejects.select("position", "reason").iter_rows())[position] == why.replace(
            "missing_", "no_"
        ), name


def test_positions_in_the_examples_point_at_what_the_key_says() -> None:
    key = json.loads((EXAMPLES / "key.json").read_text(encoding="utf-8"))
    places = [
        place for group in ("exact_duplicates", "near_duplicates", "conflicts") for pair in key[group] for place in pair
    ]
    readings = {name: read(EXAMPLES / "deliveries" / name).candidates for name in {place[0] for place in places}}
    for name, position, question in places:
        found = readings[name].filter(pl.col("position") == position)["question"].to_list()
        assert [" ".join(text.split()) for text in found] == [" ".join(question.split())], (name, position)


def test_a_hundred_thousand_lines_take_seconds(tmp_path: Path, reader: Reader) -> None:
    """Measured at about 100,000 records a second; the bound is loose for busy machines."""
    path = tmp_path / "many.jsonl"
    path.write_bytes(jsonl([{"question": f"What is {i}?", "answer": "x" * 200, "id": i} for i in range(100_000)]))
    started = time.monotonic()
    assert reader.read(path).records == 100_000
    assert time.monotonic() - started < 10
