"""Texts longer than the model's window in, vectors of their further windows out; compared with the windows of others.

A text's vector speaks of its first window. Two texts with the same start and different ends would count as equal;
`lowered` takes the similarity down to that of the worst matched window of the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embeddings.encoder import Encoder
from etl.recipe import Recipe
from etl.store import Store

VERSION = 1
OVERLAP = 32  # tokens that two windows share, so that a sentence cut by one is whole in the other
MOST = 64  # windows a text; what lies behind them is not read, and says so

LONG = """
    SELECT v.text_key FROM vectors v
    WHERE v.recipe = $encoder AND v.truncated
      AND NOT EXISTS (FROM chunks c WHERE c.recipe = $chunks AND c.text_key = v.text_key)
    ORDER BY v.tokens, v.text_key
"""
INSERT_MISSING = """
    INSERT INTO chunks BY NAME
    SELECT n.* FROM new_rows n
    WHERE NOT EXISTS (FROM chunks c WHERE c.recipe = n.recipe AND c.text_key = n.text_key)
"""
LOAD = "SELECT text_key, vector FROM chunks SEMI JOIN wanted USING (text_key) WHERE recipe = ? ORDER BY text_key, part"


def recipe(encoder_recipe: str) -> Recipe:
    """How long texts are cut, on top of the recipe of their vectors."""
    return Recipe("chunks", VERSION, {"encoder": encoder_recipe, "overlap": OVERLAP, "most": MOST})


def windows_of(tokens: NDArray[np.int32], window: int) -> NDArray[np.int64]:
    """About how many windows texts of so many tokens take."""
    further = np.maximum(tokens.astype(np.int64) - window, 0)
    count: NDArray[np.int64] = 1 + np.minimum(-(-further // max(1, window - OVERLAP)), MOST - 1)
    return count


def encoded(texts: pl.DataFrame, encoder: Encoder, *, recipe_digest: str, batch_size: int = 64) -> pl.DataFrame:
    """Rows of `chunks` for a frame of text_key and text: the windows from the second on."""
    keys, parts, last, written = [], [], [], []
    for key, text in texts.select("text_key", "text").iter_rows():
        cut = encoder.windows(text, overlap=OVERLAP)
        for part, window in enumerate(cut[1:MOST], start=1):
            keys.append(key)
            parts.append(part)
            last.append(part == len(cut) - 1)
            written.append(window)
    matrix = encoder.encode(written, batch_size=batch_size)
    return pl.DataFrame(
        {
            "text_key": pl.Series(keys, dtype=pl.String),
            "recipe": pl.repeat(recipe_digest, len(keys), eager=True, dtype=pl.String),
            "part": pl.Series(parts, dtype=pl.Int32),
            "vector": pl.Series(matrix, dtype=pl.Array(pl.Float32, encoder.dimension)).cast(pl.List(pl.Float32)),
            "last": pl.Series(last, dtype=pl.Boolean),
        }
    )


@dataclass(frozen=True, slots=True)
class Further:
    """Further windows of the texts in a matrix of vectors: those of row i are `vectors[starts[i]:starts[i + 1]]`."""

    starts: NDArray[np.int64]
    vectors: NDArray[np.float32]

    @classmethod
    def load(cls, store: Store, encoder_recipe: str, keys: pl.Series) -> Further:
        """Of the texts with these keys, ascending, as the rows of their matrix."""
        wanted = pl.DataFrame({"text_key": keys})
        rows = store.query(LOAD, [recipe(encoder_recipe).digest], wanted=wanted)
        counts = np.bincount(keys.search_sorted(rows["text_key"]).to_numpy(), minlength=len(keys)) if rows.height else 0
        starts = np.concatenate([[0], np.cumsum(np.broadcast_to(counts, len(keys)))]).astype(np.int64)
        if rows.is_empty():
            return cls(starts, np.zeros((0, 0), dtype=np.float32))
        return cls(starts, rows["vector"].explode().to_numpy().reshape(rows.height, -1))

    def lowered(
        self, matrix: NDArray[np.float32], i: NDArray[np.int64], j: NDArray[np.int64], similarity: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Similarities of rows of `matrix`, lowered where one of two texts has further windows.

        What counts is the lowest of: the first windows' similarity, and of every window of either text its best match
        among the windows of the other. 4 decimals.
        """
        result = similarity.copy()
        long = np.diff(self.starts) > 0
        for place in np.flatnonzero((long[i] | long[j]) & (i != j)):
            found = self._windows(matrix, i[place]) @ self._windows(matrix, j[place]).T
            worst = min(found.max(axis=0).min(), found.max(axis=1).min())
            result[place] = min(result[place], round(float(worst), 4))
        return result

    def _windows(self, matrix: NDArray[np.float32], row: np.int64) -> NDArray[np.float64]:
        if self.starts[row] == self.starts[row + 1]:
            return matrix[row : row + 1].astype(np.float64)
        rest = self.vectors[self.starts[row] : self.starts[row + 1]]
        return np.concatenate([matrix[row : row + 1], rest]).astype(np.float64)
