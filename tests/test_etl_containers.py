"""Compressed files, Arrow files, workbooks, one object after the other: read whole, or refused before they harm."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Mapping

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.read.file import read_bytes

PAIRS = [{"question": f"What is {i}?", "answer": f"It is {i}."} for i in range(30)]
LINES = "\n".join(json.dumps(pair) for pair in PAIRS).encode()
ANSWERS = [pair["answer"] for pair in PAIRS]


def zstd(data: bytes) -> bytes:
    """Compressed with the codec that pyarrow has."""
    packed = pa.compress(data, codec="zstd", asbytes=True)
    assert isinstance(packed, bytes)
    return packed


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress, "zst": zstd, "bz2": bz2.compress, "xz": lzma.compress,
}  # fmt: skip


def ipc(*, stream: bool) -> bytes:
    """The pairs as an Arrow file, or as the stream that `save_to_disk` writes."""
    frame, out = pl.DataFrame(PAIRS), io.BytesIO()
    if stream:
        frame.write_ipc_stream(out)
    else:
        frame.write_ipc(out)
    return out.getvalue()


# ── compressed ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_compressed_file_is_read_as_what_it_holds(suffix: str) -> None:
    found = read_bytes(PACKERS[suffix](LINES))
    assert found.candidates["answer"].to_list() == ANSWERS
    assert found.format is not None
    assert (found.format.container, found.format.shape) == (f"jsonl.{suffix}", "flat")


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_parts_that_were_put_together_are_all_read(suffix: str) -> None:
    half = LINES.index(b"\n", len(LINES) // 2) + 1
    found = read_bytes(PACKERS[suffix](LINES[:half]) + PACKERS[suffix](LINES[half:]))
    assert found.candidates.height == 30


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_bomb_is_refused_while_it_is_unpacked(suffix: str) -> None:
    refusal = read_bytes(PACKERS[suffix](b"[" + b"0" * 40_000_000)).refusal
    assert refusal is not None
    assert refusal.reason == "compression_bomb"


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_cut_file_is_refused_and_gives_no_half(suffix: str) -> None:
    packed = PACKERS[suffix](LINES)
    for length in (len(packed) - 1, len(packed) // 2, 12):
        refusal = read_bytes(packed[:length]).refusal
        assert refusal is not None
        assert refusal.reason in ("broken_archive", "empty_file")


def test_archives_inside_compressed_files_are_refused() -> None:
    refusal = read_bytes(gzip.compress(gzip.compress(LINES))).refusal
    assert refusal is not None
    assert refusal.reason == "nested_archive"


@given(st.sampled_from(sorted(PACKERS)), st.integers(0, 10_000), st.binary(min_size=1, max_size=6))
@settings(max_examples=80, deadline=None)
def test_damaged_compressed_files_never_raise(suffix: str, at: int, noise: bytes) -> None:
    packed = PACKERS[suffix](LINES)
    at %= len(packed)
    found = read_bytes(packed[:at] + noise + packed[at + len(noise) :])
    assert found.refusal is None or found.refusal.reason != "unreadable", found.refusal


# ── Arrow ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stream", [False, True])
def test_arrow_files_and_streams_are_read(stream: bool) -> None:
    found = read_bytes(ipc(stream=stream))
    assert found.candidates["answer"].to_list() == ANSWERS
    assert found.format is not None
    assert found.format.container == "arrow"


def test_what_lies_beside_the_arrow_files_of_a_folder_is_no_delivery() -> None:
    info = {"builder_name": "json", "features": {"question": {"dtype": "string"}, "answer": {"dtype": "string"}}}
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_fingerprint": "1f", "_split": None}
    assert [read_bytes(json.dumps(one).encode()).candidates.height for one in (info, state)] == [0, 0]


# ── one object after the other ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("between", ["\n", "\n\n", ",\n", "\r\n"])
def test_pretty_printed_objects_one_after_the_other_are_read(between: str) -> None:
    text = between.join(json.dumps(pair | {"tags": {"a": [1]}}, indent=2) for pair in PAIRS)
    found = read_bytes(text.encode())
    assert found.candidates["answer"].to_list() == ANSWERS
    assert found.candidates["position"][29] == "/29"


def test_one_broken_object_among_them_refuses_the_file() -> None:
    text = "\n".join(json.dumps(pair, indent=2) for pair in PAIRS).replace(
        '"answer": "It is 7."', '"answer" "It is 7."'
    )
    refusal = read_bytes(text.encode()).refusal
    assert refusal is not None
    assert refusal.reason == "broken_json"


# ── workbooks ────────────────────────────────────────────────────────────────────────────────────────────────

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def _sheet(rows: dict[int, list[object]]) -> str:
    """The XML of a sheet: row number -> cells from column A on; None leaves a cell out."""
    lines = []
    for number, cells in rows.items():
        xml = [
            f'<c r="{chr(65 + i)}{number}" t="inlineStr"><is><t>{cell}</t></is></c>'
            if isinstance(cell, str)
            else f'<c r="{chr(65 + i)}{number}"><v>{cell}</v></c>'
            for i, cell in enumerate(cells)
            if cell is not None
        ]
        lines.append(f'<row r="{number}">{"".join(xml)}</row>')
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'


def workbook(sheets: dict[str, dict[int, list[object]]], *, hidden: str = "", extra: str = "") -> bytes:
    """A small xlsx file; `extra` is put into every sheet."""
    listed = "".join(
        f"<sheet name='{name}' sheetId='{i}' r:id='r{i}'{shown}/>"
        for i, name in enumerate(sheets, 1)
        if (shown := " state='hidden'" if name == hidden else " ")
    )
    targets = "".join(
        f'<Relationship Id="r{i}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, len(sheets) + 1)
    )
    members = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{targets}</Relationships>',
    }
    for i, rows in enumerate(sheets.values(), 1):
        members[f"xl/worksheets/sheet{i}.xml"] = _sheet(rows).replace("</sheetData>", f"{extra}</sheetData>")
    return zipped(members)


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """A zip file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


ROWS: dict[int, list[object]] = {
    1: ["Questions of our support"], 3: ["Question", "Answer", "Topic"], 4: ["What is RSI?", "An oscillator.", "RSI"],
    6: ["How many?", 42, "RSI"], 7: ["Why?", None, None], 9: [None, "Because."],
}  # fmt: skip


def test_the_visible_sheets_of_a_workbook_are_read_with_their_row_numbers() -> None:
    prices: dict[int, list[object]] = {1: ["day", "open"], 2: ["2024-01-01", 1.5], 3: ["2024-01-02", 2.5]}
    found = read_bytes(workbook({"FAQ": ROWS, "Old": ROWS, "Prices": prices}, hidden="Old"))
    assert found.refusal is None, found.refusal
    assert found.candidates.select("position", "question", "answer", "indicator").rows() == [
        ("FAQ/row:4", "What is RSI?", "An oscillator.", "RSI"), ("FAQ/row:6", "How many?", "42", "RSI"),
    ]  # fmt: skip
    assert found.rejects.select("position", "reason").rows() == [
        ("FAQ/row:7", "no_answer"), ("FAQ/row:9", "no_question"),
    ]  # fmt: skip
    assert found.format is not None
    assert (found.format.container, found.format.details["other_sheets"]) == ("xlsx", ["Prices"])


def test_several_sheets_with_pairs_are_told_apart() -> None:
    found = read_bytes(workbook({"A": ROWS, "B": ROWS}))
    assert found.candidates["position"].to_list() == ["A/row:4", "A/row:6", "B/row:4", "B/row:6"]
    assert json.loads(found.candidates["metadata"][2])["sheet"] == "B"


def test_a_sheet_without_a_header_waits_for_a_mapping() -> None:
    rows: dict[int, list[object]] = {i: [f"What is {i}?", f"It is the number {i}, no other."] for i in range(1, 20)}
    found = read_bytes(workbook({"A": rows}))
    assert (found.state, found.unmapped) == ("unmapped", {"question": "column_1", "answer": "column_2"})
    assert read_bytes(workbook({"A": rows}), mapping=found.unmapped).candidates.height == 19


@pytest.mark.parametrize(
    "extra",
    [
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        "<row r='1048576'><c s='1'\n r = 'XFD1048576'><v>1</v></c></row>",
        '<row r="9"><x:c r="ZZZ999999999"><v>1</v></x:c></row>',
    ],
)
def test_a_workbook_that_spans_too_many_cells_is_never_opened(extra: str) -> None:
    refusal = read_bytes(workbook({"A": ROWS}, extra=extra)).refusal
    assert refusal is not None
    assert refusal.reason == "sheet_too_large"


def test_a_workbook_full_of_nothing_is_a_bomb() -> None:
    refusal = read_bytes(workbook({"A": ROWS}, extra=" " * 40_000_000)).refusal
    assert refusal is not None
    assert refusal.reason == "compression_bomb"


def test_documents_that_are_zip_files_are_no_archives() -> None:
    for members in ({"mimetype": "application/epub+zip", "a.xhtml": "x"}, {"ppt/presentation.xml": "<a/>"}):
        refusal = read_bytes(zipped(dict(members))).refusal
        assert refusal is not None
        assert refusal.reason == "unsupported_shape"


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_damaged_workbooks_are_read_or_refused(at: int, noise: bytes) -> None:
    good = workbook({"A": ROWS})
    at %= len(good)
    found = read_bytes(good[:at] + noise + good[at + len(noise) :])
    assert found.refusal is not None or found.candidates.height <= 3
