"""Texts in, sets of shingles out: of characters for short texts, of neighbouring words for long ones.

A text is taken as the set of its character trigrams, or bigrams of characters in scripts without word spaces; two
texts that are both longer than `SHORT` characters are compared by pairs of neighbouring words instead. Texts between
`SHORT` and twice that are entered under both, so no pair falls between the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embeddings.ahead import ahead
from embeddings.sets import Sets, shingle_sets
from etl.keys import normal_forms

SHORT = 300  # characters of normal form
WORDS_IN_A_ROW = 2
CHUNK = 100_000  # characters taken apart at once: their numbers stay in the cache
SPACE = np.uint32(32)

_SPACELESS = [
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
]


@dataclass(frozen=True, slots=True)
class Shingled:
    """Texts as sets, in both ways. `lengths` are characters of normal form."""

    lengths: NDArray[np.int64]
    characters: Sets  # empty for texts above twice SHORT
    words: Sets  # empty for texts up to SHORT

    @classmethod
    def of(cls, texts: Sequence[str] | pl.Series, *, threads: int | None = None) -> Shingled:
        """Both sets of every text."""
        forms = normal_forms(_column(texts))
        lengths = forms.str.len_chars().to_numpy().astype(np.int64)
        short, long = lengths <= 2 * SHORT, lengths > SHORT
        characters = character_sets(_only(forms, short), threads=threads)
        if not long.any():
            return cls(lengths, characters, Sets.empty(len(lengths)))
        return cls(lengths, characters, shingle_sets(_only(forms, long).to_list(), size=WORDS_IN_A_ROW))

    def similarities(self, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.float64]:
        """Jaccard of pairs of texts, 4 decimals; 0 where one is short and the other more than twice SHORT."""
        result = np.zeros(len(i), dtype=np.float64)
        long = np.minimum(self.lengths[i], self.lengths[j]) > SHORT
        result[long] = self.words.jaccard(i[long], j[long])
        result[~long] = self.characters.jaccard(i[~long], j[~long])
        return result


def character_sets(forms: pl.Series, *, threads: int | None = None) -> Sets:
    """The set of character trigrams of each text; a bigram where a script without word spaces begins it."""
    lengths = forms.str.len_chars().to_numpy().astype(np.int64)
    return Sets.joined(
        list(ahead(lambda part: _character_sets(forms[part], lengths[part]), _chunks(lengths), threads=threads))
    )


def _character_sets(forms: pl.Series, lengths: NDArray[np.int64]) -> Sets:
    """Of neighbouring texts: each has a space before and behind it, the one between two serves both."""
    if not len(lengths):
        return Sets.empty(0)
    joined = f" {forms.str.join(' ').item()} "
    codes = np.frombuffer(joined.encode("latin-1"), np.uint8) if joined.isascii() else _code_points(joined)
    first = codes[:-1].astype(np.uint32)
    second = np.append(first[1:], SPACE)
    third = np.append(second[1:], SPACE)
    ends = np.cumsum(lengths + 1) - 1
    dropped = ends  # no shingle begins with a text's last character
    if not joined.isascii():
        spaceless = np.zeros(len(first), dtype=bool)
        for low, high in _SPACELESS:
            spaceless |= (first >= low) & (first <= high)
        third[spaceless] = 0
        dropped = ends[~spaceless[ends]]
    packed = np.repeat(np.arange(len(lengths), dtype=np.uint64) << np.uint64(32), lengths + 1)
    packed |= _mixed((first * np.uint32(0x1F123BB5) + second) * np.uint32(0x9E3779B1) + third)
    if lengths.all():
        packed[dropped] = packed[dropped - 1]  # twice the same is once
    else:
        packed = np.delete(packed, dropped)
    return Sets.of_packed(packed, count=len(lengths))


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


def _column(texts: Sequence[str] | pl.Series) -> pl.Series:
    try:
        return texts if isinstance(texts, pl.Series) else pl.Series(texts, dtype=pl.String)
    except UnicodeEncodeError:  # half a surrogate pair is no text that could be stored
        return pl.Series([text.encode("utf-8", "replace").decode() for text in texts], dtype=pl.String)


def _only(forms: pl.Series, wanted: NDArray[np.bool_]) -> pl.Series:
    """The texts that are wanted, nothing in place of the others."""
    if wanted.all():
        return forms
    return forms.zip_with(pl.Series(wanted), pl.repeat("", len(forms), dtype=pl.String, eager=True))


def _chunks(lengths: NDArray[np.int64]) -> Iterator[slice]:
    ends, start = np.cumsum(lengths + 1), 0
    while start < len(lengths) or not start:
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + CHUNK, side="right")))
        yield slice(start, stop)
        start = stop


def _mixed(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The finish of MurmurHash3 for 32 bits."""
    values ^= values >> np.uint32(16)
    values *= np.uint32(0x85EBCA6B)
    values ^= values >> np.uint32(13)
    values *= np.uint32(0xC2B2AE35)
    values ^= values >> np.uint32(16)
    return values
