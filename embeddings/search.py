"""A text in, the kept pairs whose questions are most like it out: by meaning with an encoder, else by words."""

from __future__ import annotations

import numpy as np
import polars as pl

from embeddings.embed import load, recipe
from embeddings.encoder import Encoder
from embeddings.sets import word_sets
from etl.store import Store

KEPT = """
    SELECT p.key, p.question, p.answer, left(sha256(p.question), 32) AS text_key
    FROM pairs p
    WHERE p.occurrences > 0
      AND (NOT EXISTS (FROM decisions) OR p.key IN (SELECT key FROM kept_pairs))
    ORDER BY p.key
"""


def search(store: Store, text: str, *, encoder: Encoder | None = None, top: int = 10) -> pl.DataFrame:
    """The best `top` of the kept pairs (all live ones before anything was decided), the best first, ties by key.

    Gives key, question, answer, similarity (4 decimals), method: `cosine` of the stored question vectors where an
    encoder is given, or `lexical`, the share of words that the two have in common; pairs at 0 or below are left out.
    """
    pairs = store.query(KEPT)
    found = _by_words(pairs, text) if encoder is None else _by_meaning(store, pairs, text, encoder)
    return (
        found.filter(pl.col("similarity") > 0)
        .sort("similarity", "key", descending=[True, False])
        .head(top)
        .select("key", "question", "answer", "similarity", method=pl.lit("lexical" if encoder is None else "cosine"))
    )


def _by_meaning(store: Store, pairs: pl.DataFrame, text: str, encoder: Encoder) -> pl.DataFrame:
    keys, matrix = load(store, recipe(encoder).digest, pairs["text_key"].unique())
    similarity = np.zeros(0) if not len(keys) else matrix @ encoder.encode([text])[0]
    scored = pl.DataFrame({"text_key": keys, "similarity": np.minimum(np.round(similarity.astype(np.float64), 4), 1.0)})
    return pairs.join(scored, on="text_key", how="inner")


def _by_words(pairs: pl.DataFrame, text: str) -> pl.DataFrame:
    sets = word_sets([*pairs["question"].to_list(), text])
    rows = np.arange(pairs.height)
    return pairs.with_columns(similarity=pl.Series(sets.jaccard(rows, np.full(pairs.height, pairs.height))))
