"""Texts in, sets of shingles out: of characters for short texts, of neighbouring words for long ones.

A text is taken as the set of its character trigrams, or bigrams of characters in scripts without word spaces; two
texts that are both longer than `SHORT` characters are compared by pairs of neighbouring words instead. Texts between
`SHORT` and twice that are entered under both, so no pair falls between the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.ahead import ahead
from embeddings.sets import Sets, shingle_sets
from etl.keys import normal_form

SHORT = 300  # characters of normal form
WORDS_IN_A_ROW = 2
CHUNK = 400_000  # characters taken apart at once: their numbers stay in the cache

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
    def of(cls, texts: Sequence[str], *, threads: int | None = None) -> Shingled:
        """Both sets of every text."""
        forms = [normal_form(text) for text in texts]
        lengths = np.fromiter(map(len, forms), dtype=np.int64, count=len(forms))
        short, long = lengths <= 2 * SHORT, lengths > SHORT
        brief = forms if short.all() else [form if keep else "" for form, keep in zip(forms, short, strict=True)]
        characters = character_sets(brief, threads=threads)
        full = [form if keep else "" for form, keep in zip(forms, long, strict=True)] if long.any() else []
        words = shingle_sets(full, size=WORDS_IN_A_ROW) if full else Sets.empty(len(forms))
        return cls(lengths, characters, words)

    def similarities(self, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.float64]:
        """Jaccard of pairs of texts, 4 decimals; 0 where one is short and the other more than twice SHORT."""
        result = np.zeros(len(i), dtype=np.float64)
        long = np.minimum(self.lengths[i], self.lengths[j]) > SHORT
        result[long] = self.words.jaccard(i[long], j[long])
        result[~long] = self.characters.jaccard(i[~long], j[~long])
        return result


def character_sets(forms: Sequence[str], *, threads: int | None = None) -> Sets:
    """The set of character trigrams of each text; a bigram where a script without word spaces begins it."""
    return Sets.joined(list(ahead(_character_sets, _chunks(forms), threads=threads)))


def _character_sets(forms: Sequence[str]) -> Sets:
    lengths = np.fromiter((len(form) + 2 if form else 0 for form in forms), dtype=np.int64, count=len(forms))
    joined = "".join([f" {form} " if form else "" for form in forms])
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    if not len(codes):
        return Sets.empty(len(forms))
    ends = np.cumsum(lengths)
    second, third = np.roll(codes, -1), np.roll(codes, -2)
    keep = np.ones(len(codes), dtype=bool)
    keep[ends[lengths > 0] - 1] = False  # no shingle begins with a text's last character
    before_last = ends[lengths > 1] - 2
    if joined.isascii():
        keep[before_last] = False
    else:
        spaceless = np.zeros(len(codes), dtype=bool)
        for first, last in _SPACELESS:
            spaceless |= (codes >= first) & (codes <= last)
        third[spaceless] = 0
        keep[before_last] = spaceless[before_last]
    mixed = _mixed((codes * np.uint32(0x1F123BB5) + second) * np.uint32(0x9E3779B1) + third)
    owners = np.repeat(np.arange(len(forms), dtype=np.uint64), lengths)
    return Sets.of(owners[keep], mixed[keep], count=len(forms))


def _chunks(forms: Sequence[str]) -> Iterator[Sequence[str]]:
    start = size = 0
    for stop, form in enumerate(forms, start=1):
        size += len(form)
        if size >= CHUNK:
            yield forms[start:stop]
            start, size = stop, 0
    if start < len(forms) or not forms:
        yield forms[start:]


def _mixed(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The finish of MurmurHash3 for 32 bits."""
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    values = (values ^ (values >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))
