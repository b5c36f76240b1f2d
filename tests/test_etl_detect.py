"""Bytes in, decisions out: containers, encodings, strict JSON, tables, and mappings by name and by content."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.detect import Format, Refusal
from etl.detect.container import container
from etl.detect.delimited import Table, table
from etl.detect.encoding import Text, decode
from etl.detect.mapping import by_content, by_names
from etl.detect.outline import Outline
from etl.detect.strict_json import BrokenJsonError, members, parse

TEXT = 'question,answer\n"What’s the café’s price?","The naïve one – £5"\n' * 20


def test_a_format_survives_its_json() -> None:
    made = Format("csv", "utf-8", "flat", {"question": "q"}, 0.9, ("a", "b"), {"delimiter": ","})
    assert Format.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty_file"),
        (b" \r\n\t", "empty_file"),
        (b"\xef\xbb\xbf", "empty_file"),
        (b"%PDF-1.7 ...", "pdf"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "lfs_pointer"),
        (b"\x89PNG\r\n", "binary"),
        (bytes(range(256)) * 4, "binary"),
    ],
)
def test_what_can_hold_no_pairs_is_refused_by_its_first_bytes(data: bytes, reason: str) -> None:
    found = container(data)
    assert isinstance(found, Refusal)
    assert found.reason == reason


def test_a_container_is_known_whatever_the_file_is_called() -> None:
    assert container(b"PAR1....") == "parquet"
    assert container(b"SQLite format 3\x00") == "sqlite"
    assert container(b"12345678DUCK") == "duckdb"
    assert container(b'{"question": "a stray \x00 in a text"}') == "text"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_encodings_give_the_same_text(encoding: str) -> None:
    found = decode(TEXT.encode(encoding))
    assert isinstance(found, Text)
    assert (found.data.decode("utf-8"), found.confidence) == (TEXT, 1.0)


def test_windows_1252_is_found_and_its_confidence_is_kept() -> None:
    found = decode(TEXT.encode("cp1252"))
    assert isinstance(found, Text)
    assert (found.encoding, found.data.decode("utf-8")) == ("windows-1252", TEXT)
    assert found.confidence < 1
    assert "chardet" in found.evidence[0]


def test_gb18030_is_found() -> None:
    text = "高血压患者能吃党参吗？高血压病人可以口服党参的。" * 20
    found = decode(text.encode("gb18030"))
    assert isinstance(found, Text)
    assert (found.encoding, found.data.decode("utf-8")) == ("gb18030", text)


def test_a_few_foreign_lines_are_decoded_by_themselves_and_recorded() -> None:
    lines = [f"Zürich öffnet um {i} Uhr".encode() for i in range(20)]
    lines[7] = "Curaçao lies in the Caribbean".encode("cp1252")
    found = decode(b"\n".join(lines))
    assert isinstance(found, Text)
    assert "Curaçao" in found.data.decode("utf-8").splitlines()[7]
    assert found.encoding.startswith("utf-8+")
    assert found.evidence[0].endswith(": 8")


def test_a_lying_byte_order_mark_is_refused() -> None:
    found = decode(b"\xff\xfea")
    assert isinstance(found, Refusal)
    assert found.reason == "undecodable"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"a": 1}, {"a": ', "line 1, column 18: the file ends here"),
        ('{"a": 1,\n "b": 2,\n "a": 3}', "line 3, column 2: the key 'a' stands twice"),
        ('{"a": 1, "\\u0061": 3}', "the key 'a' stands twice"),
        ('{"a" : 1, "a" : 2, "b": ":x"}', "the key 'a' stands twice"),
        ("[1,\n NaN]", "line 2, column 2: NaN is no JSON number"),
        ('["\\ud800"]', "\\ud800 is half of a surrogate pair"),
        ("[1, 2,]", "line 1"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_broken_json_says_where_and_what(text: str, said: str) -> None:
    with pytest.raises(BrokenJsonError) as caught:
        parse(text.encode("utf-8"))
    assert said in str(caught.value)


def test_texts_that_look_like_members_are_no_duplicates() -> None:
    text = '{"a": "\\":", "b": "\\":\\":", "c": {"a": "\\"a\\": 1"}, "d\\\\": ":"}'
    assert parse(text.encode("utf-8")) == json.loads(text)


def test_numbers_keep_their_digits() -> None:
    from etl.detect.strict_json import text_of

    assert (
        text_of(parse(b"[1.10, 1e400, 12345678901234567890123, -0.0]")) == "[1.10,1e400,12345678901234567890123,-0.0]"
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('ab":\\{', max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.sampled_from([None, 1]), st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]))
@settings(max_examples=150, deadline=None)
def test_all_good_json_is_read_as_the_standard_library_reads_it(
    value: object, indent: int | None, separators: tuple[str, str]
) -> None:
    text = json.dumps(value, indent=indent, separators=separators, ensure_ascii=True)
    assert parse(text.encode("ascii")) == json.loads(text)


@given(st.dictionaries(st.text('ab":\\', min_size=1, max_size=4), VALUES, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_a_key_given_twice_is_always_found(value: dict[str, object]) -> None:
    text = json.dumps(value)
    again = json.dumps(next(iter(value)))
    with pytest.raises(BrokenJsonError, match="stands twice"):
        parse(f"{text[:-1]}, {again}: 0}}".encode())


@given(VALUES)
@settings(max_examples=50, deadline=None)
def test_members_are_counted_at_all_depths(value: object) -> None:
    assert members(value) == _members(value)


def _members(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_members, value.values()))
    return sum(map(_members, value)) if isinstance(value, list) else 0


def _table(text: str) -> Table:
    found = table(text)
    assert found is not None
    return found


def test_quoted_cells_hold_line_ends_delimiters_and_quotes() -> None:
    found = _table('question,answer\r\n"What, ""exactly""?","one\r\ntwo"\r\nB?,C\r\n')
    assert [row.cells for row in found.rows] == [['What, "exactly"?', "one\r\ntwo"], ["B?", "C"]]
    assert [row.line for row in found.rows] == [2, 4]


def test_quotes_that_are_plain_text_swallow_no_rows() -> None:
    lines = ["question\tanswer"] + [f'"Is {i} a number\tIt is, he said "so" once' for i in range(30)]
    found = _table("\n".join(lines))
    assert (len(found.rows), found.quoting, found.delimiter) == (30, "none", "\t")
    assert found.rows[0].cells[0] == '"Is 0 a number'


def test_one_row_with_wrong_quotes_does_not_take_the_others_along() -> None:
    rows = [f'"What is, say, {i}?","It is\na number"' for i in range(40)]
    rows[20] = '"What is 20?,It never closes'
    found = _table("question,answer\n" + "\n".join(rows))
    assert sum(row.broken is None and len(row.cells) == 2 for row in found.rows) == 39
    assert [row.broken is not None for row in found.rows].count(True) >= 1


def test_only_real_line_ends_end_a_row() -> None:
    found = _table("question,answer\nWhat\u2028is it?,A\u0085thing\x0bhere\n")
    assert found.rows[0].cells == ["What\u2028is it?", "A\u0085thing\x0bhere"]


def test_carriage_returns_alone_end_rows_too() -> None:
    assert [row.cells for row in _table("question,answer\rA?,B\rC?,D\r").rows] == [["A?", "B"], ["C?", "D"]]


def test_a_first_line_may_tell_the_separator() -> None:
    found = _table("sep=;\r\nquestion;answer\r\nA, b?;c\r\n")
    assert (found.header, [(row.line, row.cells) for row in found.rows]) == (
        ("question", "answer"),
        [(3, ["A, b?", "c"])],
    )


def test_prose_with_commas_is_no_table() -> None:
    assert table("Well, yes.\nNo, I think, not really.\nSo it goes, and goes, and goes.\n") is None


@given(
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), min_size=1, max_size=8), st.sampled_from(",\t;|")
)
@settings(max_examples=60, deadline=None)
def test_what_the_standard_library_writes_is_read_back(rows: list[tuple[str, str]], delimiter: str) -> None:
    import csv
    import io

    def clean(text: str) -> str:  # lone surrogates cannot be encoded, and a bare CR is turned into a row end by writers
        return text.encode("utf-8", "ignore").decode("utf-8").replace("\r", "")

    expected = [[f"x{clean(a)}", f"y{clean(b)}"] for a, b in rows]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([["question", "answer"], *expected])
    found = _table(out.getvalue())
    assert [row.cells for row in found.rows] == expected


def test_names_map_whatever_their_case_and_spelling() -> None:
    outline = Outline.of([{"Question Text": "a?", "ANSWER_text": "b", "Source-URL": "c", "indicator_category": "d"}])
    named = by_names(outline)
    assert named.is_sure
    assert named.fields == {
        "question": "Question Text", "answer": "ANSWER_text", "sources": "Source-URL", "category": "indicator_category",
    }  # fmt: skip


def test_two_equally_good_answers_need_a_person() -> None:
    outline = Outline.of([{"question": "a?", "response": "b", "reply": "c"}])
    assert not by_names(outline).is_sure


def test_content_finds_question_and_answer_where_names_say_nothing() -> None:
    rows = [
        {"links": f"What is {i}?", "alpha": f"What is {i}?", "beta": f"It is the number {i}, so to say"}
        for i in range(30)
    ]
    rows = [{name: row[name] for name in ("alpha", "beta")} for row in rows]
    found = by_content(Outline.of(rows), by_names(Outline.of(rows)))
    assert found.is_sure
    assert (found.fields["question"], found.fields["answer"]) == ("alpha", "beta")


def test_a_third_text_column_keeps_content_from_being_sure() -> None:
    rows = [
        {"alpha": f"What is {i}?", "beta": f"It is {i}, so to say", "gamma": f"or maybe not {i}"} for i in range(30)
    ]
    found = by_content(Outline.of(rows), by_names(Outline.of(rows)))
    assert not found.is_sure
    assert found.fields["question"] == "alpha"


def test_detection_never_asks_for_a_name() -> None:
    """The rooms of detection take bytes and texts; a path is nowhere a parameter."""
    folder = Path(__file__).resolve().parents[1] / "etl" / "detect"
    assert not [file.name for file in folder.glob("*.py") if "pathlib" in file.read_text(encoding="utf-8")]


def test_utf8_that_was_cut_inside_a_character_is_still_utf8() -> None:
    whole = '[{"q": "“Quoted” and café'.encode()
    found = decode(whole[:-1])
    assert isinstance(found, Text)
    assert (found.encoding, found.data.decode("utf-8")) == ("utf-8", '[{"q": "“Quoted” and caf\ufffd')
    assert "ends inside a character" in found.evidence[0]
    western = decode("A plain text, and a café".encode("cp1252"))
    assert isinstance(western, Text)
    assert western.encoding == "windows-1252"
