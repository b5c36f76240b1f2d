"""Texts in, keys out: the careful content key, the keys of its parts, and the key of an exact text; one by one, or
whole columns at once with the same result.

Two pairs share a content key only if question, answer and context differ in nothing but Unicode composition, case,
runs of white space, typographic quotes and sentence-final `. ? !`. Anything looser (1.4 and 14, -5% and 5, C# and C
fall together once punctuation goes) is a link for `resolve`, never a key.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING

from etl.plain import all_printable

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_QUOTES = str.maketrans(dict.fromkeys("‘’‚‛′", "'") | dict.fromkeys("“”„‟″«»", '"'))
_QUOTE = re.compile("[‘’‚‛′“”„‟″«»]")
_FINAL = ".?!\u3002\uff1f\uff01\u061f "
_ODD_SPACE = r"[\t-\r\x1c-\x1f]"


def normal_form(text: str) -> str:
    """The text as the content key sees it."""
    if text.isascii():  # nine texts in ten; NFC and the quote table have nothing to do there
        folded = " ".join(text.casefold().split())
        return folded.rstrip(_FINAL) or folded
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    folded = folded.translate(_QUOTES) if _QUOTE.search(folded) else folded
    folded = " ".join(folded.split())
    return folded.rstrip(_FINAL) or folded


def _digest(parts: Iterable[str]) -> str:
    """32 hex digits of sha256 over length-prefixed UTF-8; a lone surrogate counts as its three bytes."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()[:32]


def part_key(text: str) -> str:
    """The key of one normalised part: a question, an answer or a context."""
    return _digest([normal_form(text)])


def content_key(question: str, answer: str, context: str | None = None) -> str:
    """The key of a pair. No context and an empty context are the same."""
    return _digest([normal_form(question), normal_form(answer), normal_form(context or "")])


def normal_forms(texts: pl.Series) -> pl.Series:
    """`normal_form` of every text of a column, null for null.

    ASCII texts without odd white space, most of them, are folded by polars as a column; the others one by one.
    """
    import polars as pl

    lower = texts.str.to_lowercase().str.strip_chars(" ")
    bare = lower.str.strip_chars_end(".?! ")
    forms = bare.set(bare == "", None).fill_null(lower) if (bare == "").any() else bare
    odd = texts.str.contains("  ", literal=True)
    if not all_printable(texts):
        odd |= (texts.str.len_bytes() != texts.str.len_chars()) | texts.str.contains(_ODD_SPACE)
    rows = odd.fill_null(value=False).arg_true()
    if not len(rows):
        return forms
    exact = [normal_form(text) for text in texts.gather(rows).to_list()]
    return forms.scatter(rows, pl.Series(exact, dtype=pl.String))


def pair_keys(question: pl.Series, answer: pl.Series, context: pl.Series) -> dict[str, pl.Series]:
    """The columns key, question_key, answer_key and context_key of pairs; no context, or an empty one, has no key."""
    import polars as pl

    contexts = (context != "").fill_null(value=False)
    given = contexts.any()
    forms = [normal_forms(question), normal_forms(answer)]
    forms += [normal_forms(context.fill_null(""))] if given else []
    parts = [part for form in forms for part in _with_length(form)]
    joined = {"key": _joined(*parts, *([] if given else [bytes(8)]))}
    names = ("question_key", "answer_key", "context_key")[: len(forms)]
    joined |= {name: _joined(*parts[2 * i : 2 * i + 2]) for i, name in enumerate(names)}
    hashed = _digests(pl.DataFrame(joined))
    missing = pl.repeat(None, len(question), dtype=pl.String, eager=True)
    of_context = hashed["context_key"].zip_with(contexts, missing) if given else missing
    return {name: hashed[name] for name in ("key", "question_key", "answer_key")} | {"context_key": of_context}


def digests(data: pl.Series) -> pl.Series:
    """32 hex digits of sha256 of every value of a column of texts or bytes."""
    return _digests(data.to_frame()).to_series()


def _digests(frame: pl.DataFrame) -> pl.DataFrame:
    import polars_hash as plh  # half the time of hashlib, and no Python text for each row

    return frame.select(plh.col(name).chash.sha2_256().str.slice(0, 32) for name in frame.columns)


def _with_length(forms: pl.Series) -> tuple[pa.Array, pa.Array]:
    """The length of each text in eight bytes, and the text, both as bytes."""
    import numpy as np
    import polars as pl
    import pyarrow as pa

    texts = forms.to_arrow(compat_level=pl.CompatLevel.oldest())
    lengths = forms.str.len_bytes().to_numpy().astype(">u8")
    places = np.arange(0, 8 * len(forms) + 1, 8)
    buffers = [None, pa.py_buffer(places), pa.py_buffer(lengths.tobytes())]
    return pa.Array.from_buffers(pa.large_binary(), len(forms), buffers), texts.view(pa.large_binary())


def _joined(*parts: pa.Array | bytes) -> pl.Series:
    """Columns of bytes, or the same bytes for all rows, joined in one go."""
    import polars as pl
    import pyarrow as pa
    import pyarrow.compute as pc

    nothing = pa.scalar(b"", pa.large_binary())
    given = [pa.scalar(part, pa.large_binary()) if isinstance(part, bytes) else part for part in parts]
    pool = pa.system_memory_pool()  # Arrow's own gives each block back to the system: page faults took half the time
    return pl.Series(pl.from_arrow(pc.binary_join_element_wise(*given, nothing, memory_pool=pool)))


def text_key(text: str) -> str:
    """The key of one exact text, byte for byte: what a vector belongs to."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
