"""Which of the drawn bands of embeddings/minhash.py propose least in vain: prints the constant CHOSEN.

    python benchmarks/bands.py

Counts, over made questions of 13 forms (benchmarks/planted.py and benchmarks/corpus.py), how many pairs each band
brings together. Next to nothing is alike in these corpora, so nearly all of them are in vain.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import corpus
import numpy as np
import planted
from numpy.typing import NDArray

from embeddings import minhash
from embeddings.shingles import Shingled

ROWS = 60_000  # questions of each corpus


def meetings(questions: Sequence[str]) -> NDArray[np.float64]:
    """How many pairs each drawn band brings together, as a multiple of the median band."""
    sets = Shingled.of(questions).characters
    keys = np.empty((len(minhash.DRAWN), len(questions)), np.uint32)
    for start in range(0, len(questions), 1000):
        part = slice(start, min(start + 1000, len(questions)))
        minhash.band_keys(minhash.minima(sets, part.start, part.stop), out=keys[:, part], members=minhash.DRAWN)
    counts = np.array([_met(np.sort(row)) for row in keys], dtype=np.float64)
    return counts / np.median(counts)


def _met(keys: NDArray[np.uint32]) -> int:
    runs = np.diff(np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1, [len(keys)]]))
    return int((runs * (runs - 1) // 2).sum())


def main() -> None:
    first = planted.corpus(ROWS).questions
    second = [str(record["question"]) for record in corpus.pairs(ROWS)]
    order = np.argsort(meetings(first) + meetings(second), kind="stable")[: minhash.BANDS]
    sys.stdout.write(f"CHOSEN = {sum(1 << int(band) for band in order):#066x}\n")


if __name__ == "__main__":
    main()
