"""What every encoder offers, and the text as an encoder reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_SURROGATE = re.compile("[\ud800-\udfff]")


class Encoder(Protocol):
    """A model that turns texts into vectors of unit length."""

    @property
    def name(self) -> str:
        """The name it was asked for by."""

    @property
    def digest(self) -> str:
        """sha256 of its weights, 64 hex digits."""

    @property
    def engine(self) -> str:
        """What computes: torch, openvino or openvino-bf16; recorded, for vectors of two engines differ a little."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def window(self) -> int:
        """How many tokens it reads, special ones included; the rest of a longer text is not seen."""

    @property
    def languages(self) -> tuple[str, ...] | None:
        """ISO 639-1 codes it declares; () declares none; None: multilingual, or its card is mute."""

    def encode(
        self, texts: Sequence[str], *, batch_size: int = 64, lengths: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Vectors of unit length, (n, dimension), in the order of `texts`; `lengths` of the texts, where known."""

    def lengths(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Tokens of each whole text, special ones included, before anything is cut: (n,)."""

    def windows(self, text: str, *, overlap: int) -> list[str]:
        """The text in parts that each fit the window, in order; neighbours share about `overlap` tokens."""


def encodable(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD: one of them fails the tokenizer's whole batch."""
    return _SURROGATE.sub("\ufffd", text)
