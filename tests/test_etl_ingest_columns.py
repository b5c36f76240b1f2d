"""Large deliveries go as columns: the rows are those that the same records give one by one, whatever they hold."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.detect.encoding import Text
from etl.detect.strict_json import canonical, text_of
from etl.read import Limits, Reading
from etl.read.assemble import Assembly
from etl.read.columns import json_objects
from etl.read.json_lines import read_lines
from etl.read.recogniser import Recogniser

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
