"""Large deliveries go as columns: the rows are those that the same records give one by one, whatever they hold."""

import csv
import hashlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from etl import Store
from etl.detect.encoding import Text
from etl.detect.strict_json import canonical, text_of
from etl.ingest import ingest
from etl.progress import Tally, drain
from etl.read import Limits, Reader, Reading
from etl.read.assemble import Assembly
from etl.read.columns import json_objects
from etl.read.file import read_bytes
from etl.read.json_array import stream_array
from etl.read.json_lines import Split, read_lines
from etl.read.recogniser import Recogniser
from etl.read.stream import stream

ODD = '"\\/ .?\t\n\r\x00\x07\x1c\x1f\x7f\x85\xa0\u2028\u3000\ufeff{}[],:üß中😀'
TEXT = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(ODD)), max_size=12)
SAYING = TEXT.map(lambda text: f"What is {text}?")
ADDRESSES = ["https://a.example/1", "https://a.example/1 https://b.example", '["x", "y"]', "{", "[1]", " "]
SOURCE = st.one_of(TEXT, st.sampled_from(ADDRESSES))
MEMBERS: dict[str, list[st.SearchStrategy[Any]]] = {
    "context": [TEXT],
    "indicator": [TEXT],
    "category": [st.sampled_from(["momentum", "On-Chain", " trend ", ""])],
    "sources": [st.lists(SOURCE, max_size=3), SOURCE, st.one_of(SOURCE, st.lists(SOURCE))],
    "licence": [TEXT],
    "id": [st.integers(-(2**63), 2**63 - 1), TEXT, st.integers()],
    "tags": [st.lists(TEXT, max_size=3)],
    "checked": [st.booleans()],
    'note "é': [TEXT],
}
ODD_LINES = [
    b"",
    b"  ",
    b"{",
    b"[1]",
    b"{}",
    b"5",
    b'{"question": "q',
    b'{"question": null}',
    b'{"question": NaN, "answer": "a"}',
    b'{"question": "q?", "question": "r?", "answer": "a"}',
    b'{"question": "q?", "\\u0071uestion": "r?", "answer": "a"}',
    rb'{"question": "\ud800?", "answer": "a"}',
    b'{"question": "q?", "answer": "a"} {}',
    b'{"question": "q?", "answer": "a"}{"question": "q?", "answer": "a"}',
    b' {"question": "q?", "answer": "a"}',
    b'{"question": "q?", "answer": 1.50}',
    b'{"question": "q?", "answer": "a", "id": -0}',
    b'{"question": "q?", "answer": "a", "id": 1e3}',
    b'{"question": "q?", "answer": "a", "id": 123456789012345678901234567890}',
    b'{"question": "q?", "answer": "a", "late": {"a": 1}}',
    b'{"answer": "a", "qtext": "q?"}',
    b'{"question": "q?",\n"answer": 1}',
]


@st.composite
def deliveries(draw: st.DrawFn) -> bytes:
    """Lines of mostly alike records, with the odd broken, blank, foreign or doubled one among them."""
    names = draw(st.lists(st.sampled_from(sorted(MEMBERS)), unique=True))
    kinds = {name: draw(st.sampled_from(MEMBERS[name])) for name in names}
    records = draw(
        st.lists(
            st.fixed_dictionaries(
                {"question": st.one_of(SAYING, SAYING, TEXT), "answer": TEXT},
                optional={name: st.one_of(kind, kind, kind, st.none()) for name, kind in kinds.items()},
            ),
            min_size=3,
            max_size=12,
        )
    )
    lines = [json.dumps(record, ensure_ascii=draw(st.booleans())).encode() for record in records]
    odd = st.sampled_from(ODD_LINES)
    for line in draw(st.lists(odd, max_size=draw(st.sampled_from([0, 0, 2])))):
        lines.insert(draw(st.integers(0, len(lines))), line)
    end = draw(st.sampled_from([b"\n", b"\n", b"\r\n"]))
    return end.join(lines) + draw(st.sampled_from([b"", end]))


def both_ways(data: bytes, *, limits: Limits | None = None) -> tuple[Reading, Reading]:
    text = Text(data, "utf-8", 1.0)
    quick, slow = (
        read_lines(text, Recogniser(), Assembly(limits or Limits()), columns=columns) for columns in (True, False)
    )
    return quick, slow


def assert_alike(quick: Reading, slow: Reading) -> None:
    assert quick.refusal == slow.refusal
    assert quick.format == slow.format
    assert quick.records == slow.records
    assert quick.candidates.rows() == slow.candidates.rows()
    assert quick.rejects.rows() == slow.rejects.rows()


@settings(max_examples=400, deadline=None)
@given(deliveries())
def test_lines_read_as_columns_give_the_rows_that_they_give_one_by_one(data: bytes) -> None:
    assert_alike(*both_ways(data))


def test_the_quick_way_is_taken_for_plain_records(tmp_path: Path) -> None:
    """Else the test above would compare a thing with itself."""
    from etl.detect.outline import Outline
    from etl.read.columns import Columns, add_columns
    from etl.shapes import recognise
    from etl.shapes.base import Match

    records = [{"question": f"What is {i}?", "answer": "A.", "id": i, "sources": ["x"]} for i in range(5)]
    match = recognise(Outline.of(records))
    assert isinstance(match, Match)
    columns = Columns(
        pl.DataFrame(records),
        pl.Series([f"line:{i}" for i in range(5)]),
        pl.Series(["0" * 32] * 5),
        records.__getitem__,
    )
    assembly = Assembly(Limits())
    assert add_columns(assembly, columns, match)
    assert assembly.frames[0]["metadata"].to_list() == [f'{{"id":{i}}}' for i in range(5)]


@pytest.mark.parametrize("characters", [10, 16])
def test_limits_hold_on_both_ways(characters: int) -> None:
    data = b"\n".join(json.dumps({"question": "What is it?", "answer": "a" * n}).encode() for n in (3, 12, 15, 20))
    quick, slow = both_ways(data, limits=Limits(field_characters=characters))
    assert_alike(quick, slow)
    assert quick.rejects.height > 0


ROWS = st.fixed_dictionaries(
    {
        "b": st.none() | TEXT,
        'a"': st.none() | st.integers(-(2**63), 2**63 - 1),
        "c": st.none() | st.lists(TEXT),
        "d": st.none() | st.booleans(),
    }
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ROWS, min_size=1))
def test_rows_written_as_json_by_columns_are_canonical(rows: list[dict[str, Any]]) -> None:
    schema = {"b": pl.String, 'a"': pl.Int64, "c": pl.List(pl.String), "d": pl.Boolean}
    frame = pl.DataFrame(rows, schema=schema)
    whole = json_objects(frame, blank=True)
    assert whole is not None
    assert whole.to_list() == [canonical(row).decode() for row in rows]
    some = json_objects(frame, blank=False)
    assert some is not None
    told = [{name: value for name, value in row.items() if value is not None and value != ""} for row in rows]
    assert some.to_list() == [canonical(row).decode() if row else None for row in told]
    assert text_of("é") == '"é"'


def streamed_and_whole(path: Path) -> tuple[Reading, Reading]:
    """What a file gives in parts, and what its bytes give at once."""
    parts: list[pl.DataFrame] = []
    with path.open("rb") as file:
        recognise = Recogniser()
        streamed = stream(file, recognise, Assembly(Limits(), give=parts.append))
    assume(streamed is not None)  # what looks binary or like another form is no table
    assert streamed is not None
    rest = recognise.sign(streamed)
    candidates = pl.concat([*parts, rest.candidates])
    return Reading(rest.format, rest.records, candidates, rest.rejects), read_bytes(path.read_bytes())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"question": SAYING, "answer": TEXT},
            optional={"id": st.integers(-9, 9), "sources": st.lists(SOURCE), "x": TEXT},
        ),
        min_size=2,
        max_size=9,
    ),
    st.sampled_from([None, "qa_pairs", "data"]),
    st.sampled_from([None, 1]),
    st.sampled_from(["", '"x": {}, ', '"qa_pairs": [], ', '"license": "MIT", ']),
    st.booleans(),
)
def test_a_list_in_json_read_in_parts_gives_the_rows_that_it_gives_at_once(
    records: list[dict[str, Any]], name: str | None, indent: int | None, around: str, escaped: bool
) -> None:
    text = json.dumps(records, indent=indent, ensure_ascii=escaped)
    text = text if name is None else f'{{{around}"{name}": {text}}}'
    quick = stream_array(io.BytesIO(text.encode()), recognise := Recogniser(), Assembly(Limits()))
    assume(quick is not None)
    assert quick is not None
    assert_alike(recognise.sign(quick), read_bytes(text.encode()))


@pytest.mark.parametrize(
    "inner", ['{"question": "q?", "question": "r?", "answer": "a"}', '{"question": NaN}', "{", "5"]
)
@pytest.mark.parametrize(
    "outer", ['{"qa_pairs": [%s]}', "[%s]", '{"qa_pairs": [%s], "qa_pairs": []}', '{"a": 1, "a": 2, "d": [%s]}']
)
def test_a_broken_list_is_not_read_in_parts(inner: str, outer: str) -> None:
    good = ", ".join(['{"question": "What is it?", "answer": "A thing."}'] * 3)
    data = (outer % f"{good}, {inner}").encode()
    assert stream_array(io.BytesIO(data), Recogniser(), Assembly(Limits())) is None
    doubled = outer.count('"qa_pairs"') > 1 or outer.count('"a"') > 1
    whole = stream_array(io.BytesIO((outer % good).encode()), Recogniser(), Assembly(Limits()))
    assert (whole is None) == doubled


CELLS = st.text(st.sampled_from("ab ?'\",;\t|{[:/é中\x1c\x85"), max_size=8)


TABLE = st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), min_size=5, max_size=30)
RECORD = st.tuples(SAYING, st.none() | TEXT, st.none() | st.lists(SOURCE), st.none() | st.integers(-9, 9))


@settings(max_examples=20, deadline=None)
@given(TABLE, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_table_read_in_parts_gives_the_rows_that_it_gives_at_once(
    rows: list[tuple[str, ...]], end: str, mark: bool
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end)
    writer.writerow(["question", "answer", "source", "note"])
    writer.writerows([(f"What is {a}?", f"It is {b}", c, d) for a, b, c, d in rows * (1200 // len(rows) + 1)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.csv"
        path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + text.getvalue().encode())
        assert_alike(*streamed_and_whole(path))


@settings(max_examples=50, deadline=None)
@given(st.lists(RECORD, min_size=1))
def test_a_parquet_file_read_in_parts_gives_the_rows_that_it_gives_at_once(rows: list[tuple[Any, ...]]) -> None:
    schema = {"question": pl.String, "answer": pl.String, "sources": pl.List(pl.String), "id": pl.Int64}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.parquet"
        pl.DataFrame(rows, schema=schema, orient="row").write_parquet(path)
        assert_alike(*streamed_and_whole(path))


def test_a_table_that_turns_out_otherwise_is_looked_at_whole(tmp_path: Path) -> None:
    """The parts given before do not count, and the reading says so."""
    rows = [f"What is {i}?,It is {i} {chr(97) * 60}" for i in range(120_000)]
    path = tmp_path / "pairs.csv"
    path.write_text("question,answer\n" + "\n".join([*rows, "Ragged?,a,b,c"]), encoding="utf-8")
    with Reader() as reader:
        told: list[pl.DataFrame | None] = []
        reading = reader.read(path, each=told.append)
    assert len(told) > 1
    assert told[-1] is None
    assert reading.candidates.height == len(rows)
    assert reading.rejects["reason"].to_list() == ["ragged_row"]


def test_a_large_delivery_is_balanced_and_like_its_small_parts(tmp_path: Path) -> None:
    """The same records as one file in parts and as files that are read whole make the same store."""
    lines = [
        json.dumps({"question": f"What is {i % 9_000}?", "answer": f"It is {i % 9_000}.", "id": i, "tags": ["a", "b"]})
        for i in range(60_000)
    ]
    lines[30_000] = '{"question": "Cut'
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    (tmp_path / "whole" / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for n in range(3):
        part = "\n".join(lines[n * 20_000 : n * 20_000 + 20_000])
        (tmp_path / "parts" / f"{n}.jsonl").write_text(part, encoding="utf-8")
    told = {}
    for name in ("whole", "parts"):
        with Store.open(":memory:") as store:
            counts = drain(ingest(store, [tmp_path / name], meter=Tally(), root=tmp_path))
            assert counts["records"] == counts["new"] + counts["duplicates"] + counts["rejects"] == 60_000
            pairs = store.query("SELECT * EXCLUDE (first_seq, metadata) FROM pairs ORDER BY key").rows()
            seen = store.query("SELECT key, raw_digest, metadata FROM occurrences ORDER BY ALL").rows()
            told[name] = (pairs, seen)
    assert told["whole"] == told["parts"]


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\n",
        b"\n{}\n",
        b"{}\n\n{}",
        b"{}\n\n",
        b" {}\n",
        b"{} \n{}",
        b"{\n}",
        b"{}\n[]",
        b"{}\r{}",
        b"}\n{",
        b"{}\n{",
    ],
)
def test_a_block_is_cut_into_lines_only_where_each_begins_and_ends_as_an_object(block: bytes) -> None:
    found = Split.of(block)
    assert (found is None) == (block != b"{}\r{}")  # a bare CR ends no line; the parser declines what is around it


@pytest.mark.parametrize("block", [b'{"a":1}\n{"b":2}', b'{"a":1}\n{"b":2}\n', b'{"a":1}\r\n{"b":2}\r\n'])
def test_a_line_is_given_without_its_end(block: bytes) -> None:
    found = Split.of(block)
    assert found is not None
    assert [found[i] for i in range(len(found))] == [b'{"a":1}', b'{"b":2}']


def test_lines_of_every_length_are_digested_as_they_stand() -> None:
    lines = [b"{%b}" % (b"x" * length) for length in (*range(16), 3, 40, 0, 500, 10, 11)]
    found = Split.of(b"\n".join(lines))
    assert found is not None
    assert found.digests().to_list() == [hashlib.sha256(line).hexdigest()[:32] for line in lines]
