"""Frames in, files out: one table in four formats, each with the same bytes for the same rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

_BLOCK = 1 << 22
_RISKY = r"^[=+\-@\t\r\n]"  # what spreadsheets run as a formula (OWASP, CSV injection)


def write_table(frame: pl.DataFrame, folder: Path, stem: str, form: str, *, csv_safe: bool = False) -> Path:
    """Write `stem.form` and return its path; `form` is json, jsonl, csv or parquet."""
    path = folder / f"{stem}.{form}"
    if form == "csv":
        _write_csv(frame, path, safe=csv_safe)
    else:
        _WRITERS[form](frame, path)
    return path


def _write_jsonl(frame: pl.DataFrame, path: Path) -> None:
    frame.write_ndjson(path)


def _write_json(frame: pl.DataFrame, path: Path) -> None:
    """A JSON array with one row a line, made from JSON Lines: line feeds inside texts are escaped there."""
    lines = path.with_name(path.name + ".lines")
    frame.write_ndjson(lines)
    array_from_lines(lines, path)
    lines.unlink()


def array_from_lines(lines: Path, path: Path) -> None:
    """Turn a JSON Lines file into a JSON array, block by block."""
    left = lines.stat().st_size
    with lines.open("rb") as source, path.open("wb") as target:
        target.write(b"[\n")
        while block := source.read(_BLOCK):
            left -= len(block)
            if left == 0:
                block = block.removesuffix(b"\n")
            target.write(block.replace(b"\n", b",\n"))
        target.write(b"\n]\n")


def _write_csv(frame: pl.DataFrame, path: Path, *, safe: bool) -> None:
    """RFC 4180: comma, CRLF, quotes doubled. Lists are JSON texts; nothing and "" differ, as empty and quoted empty."""
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    # polars encodes structs only: wrap the list as {"x":[...]}, then cut the wrapping away
    flat = frame.with_columns(
        pl.struct(pl.col(name).alias("x")).struct.json_encode().str.slice(5).str.head(-1).alias(name) for name in lists
    )
    if safe:
        cell = pl.col(pl.String)
        flat = flat.with_columns(pl.when(cell.str.contains(_RISKY)).then("'" + cell).otherwise(cell).name.keep())
    flat.write_csv(path, line_terminator="\r\n")


def _write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """zstd; row groups of a fixed size over one chunk, so that the bytes do not depend on how the frame was made."""
    frame.rechunk().write_parquet(
        path, compression="zstd", compression_level=3, statistics=True, row_group_size=100_000
    )


_WRITERS: dict[str, Callable[[pl.DataFrame, Path], None]] = {
    "json": _write_json,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}
