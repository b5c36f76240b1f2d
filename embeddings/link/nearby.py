"""New questions and all searched ones in, the searched ones that may be alike to a new one out.

A batch is compared with these few only; which links come of it is decided on texts and vectors of the store, and what
is proposed here is never less than what can be linked. So whether sketches were kept or are made anew, or nothing is
left out at all, the links are the same; only the time differs.

Kept are, for each distinct question: the sketches of its shingles (by words), or the first coordinates of its vector
along the principal axes with the length of the rest (by meaning, see `embeddings.cosine`). Each depends on the
question alone, or on axes that are kept beside it and change no result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embeddings import cosine, lexical, minhash
from embeddings.embed import load
from embeddings.link.shelf import Arrays, Shelf
from embeddings.minhash import Sketches
from embeddings.pairing import Indices
from embeddings.shingles import SHORT, Shingled
from etl.store import Store

MADE_AT_ONCE = 100_000  # questions
HEAD, TAIL = 64, 160  # coordinates looked at for all questions, and for those that these leave over
HALVES = {"high": pl.UInt64, "low": pl.UInt64}
OF_SKETCHES = ("keys", "bits", "sizes")

_log = logging.getLogger(__name__)


class Memory(Protocol):
    """What is kept of questions for one way of being alike."""

    shelf: Shelf

    def made(self, ids: pl.Series, kept: Arrays) -> Arrays:
        """The arrays of those of these questions that there are, to stand beside the kept ones."""

    def near(self, fresh: Arrays, kept: Arrays, *, threshold: float) -> Indices:
        """The rows of `kept` that may be alike to one of `fresh` from this similarity on."""


def recalled(memory: Memory, wanted: pl.Series) -> Arrays:
    """The kept arrays of questions with these ids (32 hex digits) among others; what is not there is made and kept."""
    kept = memory.shelf.read()
    if memory.shelf.complaints:
        complaints = "; ".join(memory.shelf.complaints)
        _log.warning("%s: %s. What is missing is made anew.", memory.shelf.folder, complaints)
    missing = wanted
    if kept:
        places = pl.DataFrame(kept["ids"], schema=HALVES, orient="row")
        missing = _split(wanted).join(places, on=list(HALVES), how="anti", maintain_order="left")["id"]
    made: list[Arrays] = []
    for start in range(0, len(missing), MADE_AT_ONCE):
        part = memory.made(missing.slice(start, MADE_AT_ONCE), kept or (made[0] if made else {}))
        made += [part] if len(part["ids"]) else []
    return memory.shelf.add(kept, made) if made else kept


def nearby(memory: Memory, fresh: pl.Series, wanted: pl.Series, *, threshold: float) -> pl.Series:
    """The ids among `wanted` that may be alike to one of `fresh`."""
    kept = recalled(memory, wanted)
    if not kept:
        return wanted.clear()
    found = kept["ids"][memory.near(memory.made(fresh, kept), kept, threshold=threshold)]
    frame = pl.DataFrame(found, schema=HALVES, orient="row")
    return _split(wanted).join(frame, on=list(HALVES), how="semi", maintain_order="left")["id"]


class Worded:
    """Sketches of shingles; an id is a `question_key`, which says all that the shingles depend on."""

    def __init__(self, folder: Path, texts: Callable[[pl.Series], pl.DataFrame]) -> None:
        stamp = {"of": "shingles", "version": 1, "bands": minhash.BANDS, "chosen": hex(minhash.CHOSEN), "short": SHORT}
        across = frozenset({"keys", "word_keys"})
        self.shelf, self.texts = Shelf(folder, stamp, across), texts

    def made(self, ids: pl.Series, kept: Arrays) -> Arrays:
        """See `Memory`."""
        found = self.texts(ids)
        sets = Shingled.of(found["text"])
        long = np.flatnonzero(sets.lengths > SHORT)
        by_words = Shingled.of(found["text"].gather(long)).words
        arrays = _sketched(Sketches.of(sets.characters), "") | _sketched(Sketches.of(by_words), "word_")
        return arrays | {"ids": _packed(found["id"]), "word_ids": _packed(found["id"].gather(long))}

    def near(self, fresh: Arrays, kept: Arrays, *, threshold: float) -> Indices:
        """See `Memory`."""
        found = _met(fresh, kept, "", threshold)
        if not len(fresh["word_ids"]) or not len(kept["word_ids"]):
            return found
        texts = kept["word_ids"][_met(fresh, kept, "word_", threshold)]
        long = np.flatnonzero(np.isin(kept["ids"][:, 1], texts[:, 1]))
        return np.union1d(found, long)


class Meant:
    """The beginnings of vectors along principal axes; an id is a `text_key`. Every file holds the axes too."""

    def __init__(self, folder: Path, store: Store, encoder_recipe: str) -> None:
        stamp = {"of": "vectors", "version": 1, "encoder": encoder_recipe, "head": HEAD, "tail": TAIL}
        self.shelf = Shelf(folder, stamp, frozenset({"head"}))
        self.store, self.encoder = store, encoder_recipe

    def made(self, ids: pl.Series, kept: Arrays) -> Arrays:
        """See `Memory`."""
        keys, matrix = load(self.store, self.encoder, ids)
        if not len(keys):
            return {"ids": _packed(keys)}
        axes = kept["axes"][0] if kept else cosine.principal_axes(matrix)[:, :TAIL]
        turned = matrix @ axes
        # in double precision: the length of what is left must not come out too small
        squares = np.einsum("nd,nd->n", matrix, matrix, dtype=np.float64)
        short, long = (
            np.sqrt(np.maximum(squares - np.einsum("nd,nd->n", part, part, dtype=np.float64), 0)).astype(np.float32)
            for part in (turned[:, :HEAD], turned)
        )
        return {
            "ids": _packed(keys),
            "head": np.vstack([turned[:, :HEAD].T, short]),
            "tail": np.column_stack([turned[:, HEAD:], long]),
            "axes": axes[None],
        }

    def near(self, fresh: Arrays, kept: Arrays, *, threshold: float) -> Indices:
        """See `Memory`."""
        if not len(fresh["ids"]):
            return np.zeros(0, np.int64)
        rows, columns = np.ascontiguousarray(fresh["head"].T), kept["head"]
        least = threshold - cosine.MARGIN

        def found(task: tuple[int, int]) -> Indices:
            i, j, bound = cosine.reaching(rows, columns, *task, least=least)
            # the rest of the first look is taken apart: some coordinates more, and a smaller rest
            bound = bound - rows[i, -1] * columns[-1, j] + np.einsum("nd,nd->n", fresh["tail"][i], kept["tail"][j])
            return np.unique(j[bound >= np.float32(least)])

        return np.unique(np.concatenate(list(cosine.by_tiles(found, len(rows), columns.shape[1]))))


def _met(fresh: Arrays, kept: Arrays, prefix: str, threshold: float) -> Indices:
    both = [
        np.concatenate([side[prefix + name] for side in (fresh, kept)], axis=int(name == "keys"))
        for name in OF_SKETCHES
    ]
    count = len(fresh[prefix + "sizes"])
    search = lexical.Search(Sketches(*both), fresh=count, threshold=threshold)
    found = [np.zeros(0, np.int64), *search.each(lambda _band, _i, j: np.unique(j[j >= count]))]
    return np.unique(np.concatenate(found)) - count


def _sketched(sketches: Sketches, prefix: str) -> Arrays:
    return {prefix + name: getattr(sketches, name) for name in OF_SKETCHES}


def _split(ids: pl.Series) -> pl.DataFrame:
    """Each id with its 32 hex digits as two numbers."""
    halves = (ids.str.slice(start, 16).str.to_integer(base=16, dtype=pl.UInt64) for start in (0, 16))
    return pl.DataFrame([ids.alias("id"), *(half.alias(name) for half, name in zip(halves, HALVES, strict=True))])


def _packed(ids: pl.Series) -> NDArray[np.uint64]:
    numbers: NDArray[np.uint64] = _split(ids).select(list(HALVES)).to_numpy()
    return np.ascontiguousarray(numbers, dtype=np.uint64)
