"""One text in, the repaired text and the rules that changed it out; and a regular expression that finds such texts.

| rule | what it mends |
|---|---|
| mojibake | UTF-8 once decoded as a single-byte page, and Windows-1252 punctuation left as C1 controls (U+0085 too) |
| surrogate | half of a surrogate pair becomes U+FFFD |
| line_break | CRLF, CR, vertical tab, form feed, U+0085, U+2028 and U+2029 become LF |
| control | NUL and the other C0 and C1 controls but tab and LF go |
| bidi | embeddings, overrides and isolates (U+202A-E, U+2066-9) go; the marks that Arabic and Hebrew need stay |
| bom | U+FEFF goes |

Outer white space goes too, without being called a repair. All else stays as it was, byte for byte.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from etl.plain import odd_rows

if TYPE_CHECKING:
    import polars as pl

_LINE_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_C1 = re.compile("[\x80-\x9f]")
# Two-byte UTF-8 of Syriac, Thaana, N'Ko and their neighbours begins with bytes that read as ordinary letters elsewhere:
# the German "ß" with a following "ª" would become an N'Ko letter. Nobody has sent us these scripts as mojibake.
_IMPROBABLE = re.compile("[\u0700-\u08ff]")
# Zero-width and invisible characters: a text of nothing else is empty to a reader.
INVISIBLE = "[\\s\u00ad\u180e\u200b-\u200f\u2060-\u2064\ufeff\u061c]"

_ASCII_DIRT = ("[\x00-\x08]", "[\x0b-\x14]", "[\x15-\x1e]", "[\x1f\x7f]")

_RULES = (
    ("surrogate", _SURROGATE, "\ufffd"),
    ("line_break", _LINE_BREAK, "\n"),
    ("control", _CONTROL, ""),
    ("bidi", _BIDI, ""),
    ("bom", re.compile("\ufeff"), ""),
)


@cache
def mojibake_pattern() -> str:
    """A pattern (for Rust and Python alike) of characters that look like UTF-8 read in a single-byte code page."""
    from ftfy.chardata import UTF8_CLUES

    follow = "[" + UTF8_CLUES["utf8_continuation"].replace(" ", "") + "]"
    first, second, third = (UTF8_CLUES[f"utf8_first_of_{n}"] for n in (2, 3, 4))
    # "Ã " is an "à" whose second byte, a no-break space, became a plain one
    return f"Ã |[{first}]{follow}|[{second}]{follow}{{2}}|[{third}]{follow}{{3}}"


@cache
def dirty_pattern() -> str:
    """A pattern of everything that `repair_text` might change; texts without a match are only stripped."""
    return f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]|{mojibake_pattern()}"


def dirty(texts: pl.Series) -> pl.Series:
    """Which texts of a column match `dirty_pattern`; False for null.

    Of those that are not printable ASCII, ASCII texts are only asked for control characters, in classes so small that
    the search stays a comparison of vectors (measured: ten times the whole pattern).
    """
    import polars as pl

    found = pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True).alias(texts.name)
    odd = odd_rows(texts)
    if len(odd) < len(texts):
        return found.scatter(odd, dirty(texts.gather(odd))) if len(odd) else found
    for few in _ASCII_DIRT:
        found |= texts.str.contains(few)
    wide = (texts.str.len_bytes() != texts.str.len_chars()).fill_null(value=False)
    if wide.any():
        rows = wide.arg_true()
        found = found.scatter(rows, texts.gather(rows).str.contains(dirty_pattern()))
    return found.fill_null(value=False)


@cache
def _mojibake() -> re.Pattern[str]:
    return re.compile(mojibake_pattern())


def repair_text(text: str) -> tuple[str, tuple[str, ...]]:
    """The repaired text, stripped, and the rules that changed it, in the order applied."""
    applied = []
    if not text.isascii() and (_C1.search(text) or _mojibake().search(text)):
        mended = _mend_encoding(text)
        if mended != text:
            applied.append("mojibake")
            text = mended
    for rule, pattern, replacement in _RULES:
        mended = pattern.sub(replacement, text)
        if mended != text:
            applied.append(rule)
            text = mended
    return text.strip(), tuple(applied)


def _mend_encoding(text: str) -> str:
    from ftfy import fix_encoding

    mended = fix_encoding(text)
    return text if set(_IMPROBABLE.findall(mended)) - set(text) else mended
