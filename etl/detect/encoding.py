"""The bytes of a text in, the same text as UTF-8 bytes out, with the encoding that was found and how sure it is.

Byte order mark first, then strict UTF-8, then line by line where a UTF-8 file has a few foreign lines, then chardet.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

from etl.detect.container import utf16_without_bom
from etl.detect.format import Refusal

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16-be"),
)
_SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "windows-1252", "cp1252": "windows-1252"}
# Half of the lines with high bytes being strict UTF-8 does not happen by chance in any other encoding.
_UTF8_LINES = 0.5
# Below this chardet names rare code pages for short Western texts; windows-1252 is then the best guess.
_SURE = 0.2
_SAMPLE_BYTES = 1_000_000
_SIGNS = re.compile(r"(?<=[^\W\d_])[³¹¿¼¾±¶£¥]")
_LATIN2 = re.compile(r"(?<=[^\W\d_])[±¶]|(?<=[a-zóęćńł])Ľ")
_SIGNS_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Text:
    """Decoded text as strict UTF-8 without a byte order mark. `confidence` is 1.0 for a mark or strict UTF-8."""

    data: bytes
    encoding: str
    confidence: float
    evidence: tuple[str, ...] = ()


def decode(data: bytes) -> Text | Refusal:
    """Decode a whole text; a Refusal (`undecodable`) when a byte order mark lies or nothing fits."""
    for mark, name, codec in _BOMS:
        if data.startswith(mark):
            return _by_mark(data[len(mark) :], name, codec)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _not_utf8(data, error)
    if b"\x00" in data and (order := utf16_without_bom(data[:65536])):
        return _by_mark(data, order, order)
    return _escaped(data) or Text(data, "utf-8", 1.0)


def _escaped(data: bytes) -> Text | None:
    """ISO-2022-JP is ASCII to the eye: escapes switch to two-byte characters and back."""
    if b"\x1b$" not in data or not data.isascii():
        return None
    try:
        text = data.decode("iso2022_jp_2")
    except UnicodeDecodeError:
        return None
    return Text(text.encode("utf-8"), "iso-2022-jp", 0.9, ("escapes switch to Japanese characters",))


def _by_mark(rest: bytes, name: str, codec: str) -> Text | Refusal:
    try:
        text = rest.decode(codec)
    except UnicodeDecodeError as error:
        if codec == "utf-8" and isinstance(mixed := _not_utf8(rest, error), Text):
            return Text(mixed.data, f"utf-8-sig+{mixed.encoding.partition('+')[2]}", mixed.confidence, mixed.evidence)
        return Refusal("undecodable", f"the byte order mark says {name}, but {error}")
    if text.startswith("\ufeff"):
        return _by_mark(text[1:].encode("utf-8"), name, "utf-8")
    return Text(text.encode("utf-8"), name, 1.0)


def _not_utf8(data: bytes, error: UnicodeDecodeError) -> Text | Refusal:
    if codec := utf16_without_bom(data[:65536]):
        return _by_mark(data, codec, codec)
    if error.reason == "unexpected end of data" and not (before := data[: error.start]).isascii():
        cut = f"UTF-8 that ends inside a character, at byte {error.start}; the rest of it reads as U+FFFD"
        return Text(before + b"\xef\xbf\xbd", "utf-8", 1.0, (cut,))
    lines = data.split(b"\n")
    foreign = [number for number, line in enumerate(lines) if not _is_utf8(line)]
    high = sum(not line.isascii() for line in lines)
    if len(foreign) <= (1 - _UTF8_LINES) * high:
        return _by_line(lines, foreign)
    guess, confidence = _guess(data)
    try:
        text = data.decode(guess)
    except UnicodeDecodeError as second:
        return Refusal("undecodable", f"not UTF-8 ({error}); {guess} with confidence {confidence:.2f} fails: {second}")
    evidence = f"not UTF-8 (byte {error.start}); {guess} with confidence {confidence:.2f} (chardet)"
    return Text(text.encode("utf-8"), guess, confidence, (evidence,))


def _by_line(lines: list[bytes], foreign: Sequence[int]) -> Text | Refusal:
    """UTF-8 with a few foreign lines: those are decoded by themselves, all in one encoding."""
    guess, confidence = _guess(b"\n".join(lines[number] for number in foreign))
    try:
        for number in foreign:
            lines[number] = lines[number].decode(guess).encode("utf-8")
    except UnicodeDecodeError as error:
        return Refusal("undecodable", f"UTF-8, but line {number + 1} is neither that nor {guess}: {error}")
    numbers = ", ".join(str(number + 1) for number in foreign[:10]) + (" ..." if len(foreign) > 10 else "")
    evidence = f"{len(foreign)} lines are not UTF-8 and were read as {guess} ({confidence:.2f}): {numbers}"
    return Text(b"\n".join(lines), f"utf-8+{guess}", confidence, (evidence,))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _guess(data: bytes) -> tuple[str, float]:
    """chardet among the encodings of the web, with supersets, so that what is named also decodes what follows."""
    import chardet

    sample = data[: data.rfind(b"\n", 0, _SAMPLE_BYTES) + 1] if len(data) > _SAMPLE_BYTES else data
    era = chardet.EncodingEra.MODERN_WEB
    found = chardet.detect(sample, encoding_era=era, max_bytes=_SAMPLE_BYTES, prefer_superset=True)
    name, confidence = (found["encoding"] or "latin-1").lower(), round(found["confidence"], 4)
    name = _SUPERSETS.get(name, name)
    if confidence < _SURE or name in ("ascii", "utf-8"):
        try:
            data.decode("windows-1252")
        except UnicodeDecodeError:
            return (name if name not in ("ascii", "utf-8") else "latin-1"), confidence
        name = _western(sample, name)
    return name, confidence


def _western(sample: bytes, guess: str) -> str:
    """The likeliest code page where chardet is not sure: windows-1252, unless it puts signs into many words, as it does
    with Polish, or chardet thinks of Turkish, whose code page is the same but for six letters."""
    if guess == "windows-1250" and _share(_SIGNS, sample.decode("windows-1252", "replace")) >= _SIGNS_SHARE:
        return "iso8859-2" if _share(_LATIN2, sample.decode("windows-1250", "replace")) >= _SIGNS_SHARE else guess
    return guess if guess == "windows-1254" else "windows-1252"


def _share(pattern: re.Pattern[str], text: str) -> float:
    """Matches for each character beyond ASCII."""
    return len(pattern.findall(text)) / max(sum(not character.isascii() for character in text), 1)
