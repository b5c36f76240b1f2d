"""The first bytes of a delivery in, the kind of container out, or a refusal for what can never hold readable pairs."""

from __future__ import annotations

from etl.detect.format import Refusal

_MAGIC = (
    (b"%PDF", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"PAR1", "parquet"),
    (b"SQLite format 3\x00", "sqlite"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow_stream"),
    (b"Obj\x01", "avro"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "office97"),
    (b"{\\rtf", "rtf"),
    (b"\x89PNG", "image"),
    (b"GIF8", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"\x7fELF", "program"),
    (b"MZ\x90", "program"),
    (b"\x80\x02", "pickle"),
    (b"\x80\x04\x95", "pickle"),
)
_READABLE = frozenset(
    {"parquet", "arrow", "arrow_stream", "sqlite", "duckdb", "text", "gzip", "zstd", "bzip2", "xz", "zip"}
)
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_TEXT_CONTROLS = frozenset(b"\t\n\r\f\x1a\x1b")
# Among 64 KiB of text, NUL and control bytes are stray; above one in fifty the file is not text.
_CONTROL_SHARE = 0.02


def container(data: bytes) -> str | Refusal:
    """What can be opened: `text`, `parquet`, `arrow` (or `arrow_stream`), `sqlite`, `duckdb`, `gzip` and the like; a
    Refusal for everything else. Never goes by a name."""
    if not data.strip(b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"):
        return Refusal("empty_file", f"{len(data)} bytes, none of them text")
    if data[8:12] == b"DUCK":
        return "duckdb"
    if data[257:262] == b"ustar":
        return _refuse("archive (tar)", data)
    kind = next((kind for magic, kind in _MAGIC if data.startswith(magic)), "text")
    if kind == "text":
        return _text_or_refusal(data)
    return kind if kind in _READABLE else _refuse(kind, data)


def _text_or_refusal(data: bytes) -> str | Refusal:
    if data.startswith(b"version https://git-lfs.github.com/spec/"):
        return Refusal("lfs_pointer", "a Git LFS pointer: the content was never fetched (git lfs pull)")
    head = data[:65536]
    if data.startswith(_BOMS) or utf16_without_bom(head):
        return "text"
    controls = sum(head.count(byte) for byte in range(32) if byte not in _TEXT_CONTROLS)
    if controls > max(8, _CONTROL_SHARE * len(head)):
        return Refusal("binary", f"{controls} control bytes in the first {len(head)}")
    return "text"


def _refuse(kind: str, data: bytes) -> Refusal:
    if kind == "pdf":
        return Refusal("pdf", f"begins with {data[:8]!r}")
    if kind in ("image", "program", "pickle"):
        return Refusal("binary", f"{kind}: begins with {data[:8]!r}")
    return Refusal("unsupported_shape", f"{kind}: begins with {data[:8]!r}")


def utf16_without_bom(head: bytes) -> str | None:
    """The byte order of UTF-16 text without a mark: text in Latin script has a NUL in every other byte."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(len(head) // 2, 1)
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.05 * half:
        return "utf-16-be"
    return None
