"""Texts in, hashed counts of words and character trigrams out: an encoder without a model, for tests and trials.

It knows spelling, not meaning. It declares no language, so nothing is ever merged on its word alone.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embeddings.encoder.base import encodable
from etl.words import words

VERSION = 1


class HashEncoder:
    """Feature hashing of words (weight 1) and of the trigrams inside each padded word (weight 1/2), 384 numbers.

    Each feature falls on one coordinate with a sign, both from its CRC-32; a count c weighs 1 + ln c.
    """

    name = "hash-384"
    engine = "python"
    dimension = 384
    window = 2**31 - 1
    languages: tuple[str, ...] | None = ()

    @property
    def digest(self) -> str:
        """sha256 of name and version: there are no weights."""
        return hashlib.sha256(f"{self.name}/{VERSION}".encode("ascii")).hexdigest()

    def encode(
        self, texts: Sequence[str], *, batch_size: int = 64, lengths: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Vectors of unit length, (n, 384); a text without words points along the first axis."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float64)
        for row, text in zip(vectors, texts, strict=True):
            for feature, count in sorted(_features(encodable(text)).items()):
                code = zlib.crc32(feature.encode("utf-8"))
                weight = (1 + math.log(count)) * (1.0 if feature[0] == "w" else 0.5)
                row[(code >> 1) % self.dimension] += weight if code & 1 else -weight
            if not row.any():
                row[0] = 1.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.astype(np.float32)

    def lengths(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Words of each text."""
        return np.array([len(words(encodable(text))) for text in texts], dtype=np.int32)

    def windows(self, text: str, *, overlap: int) -> list[str]:
        """The whole text: nothing is cut."""
        return [text]


def _features(text: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for word in words(text):
        counts["w" + word] += 1
        padded = f" {word} "
        counts.update("g" + padded[i : i + 3] for i in range(len(padded) - 2))
    return counts
