"""Compressed files, Arrow files, workbooks, one object after the other: read whole, or refused before they harm."""

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable

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
