"""The store's pairs in, a searchable frame and a finder out, one way a method."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from embeddings import chunks
from embeddings.chunks import Further
from embeddings.embed import load
from embeddings.link.finders import CosineFinder, Finder, LexicalFinder
from embeddings.link.scripts import readable
from etl.store import Store

PAIRS = """
    SELECT p.key, p.question, p.answer, p.question_key, p.context_key, s.key IS NULL AS fresh
    FROM pairs p
    LEFT JOIN searches s ON s.key = p.key AND s.method = $method AND s.recipe = $recipe
    WHERE p.occurrences > 0
    ORDER BY p.key
"""
WITH_VECTORS = """
    WITH windows AS (SELECT text_key, bool_or(last) AS whole FROM chunks WHERE recipe = $chunks GROUP BY text_key)
    SELECT p.*, q.text_key AS question_text, a.text_key AS answer_text,
           (q.truncated AND NOT w.whole) OR (a.truncated AND NOT x.whole) AS truncated
    FROM live p
    JOIN vectors q ON q.recipe = $encoder AND q.text_key = left(sha256(p.question), 32)
    JOIN vectors a ON a.recipe = $encoder AND a.text_key = left(sha256(p.answer), 32)
    LEFT JOIN windows w ON w.text_key = q.text_key
    LEFT JOIN windows x ON x.text_key = a.text_key
    WHERE (w.text_key IS NOT NULL OR NOT q.truncated) AND (x.text_key IS NOT NULL OR NOT a.truncated)
    ORDER BY p.key
"""


@dataclass(frozen=True, slots=True)
class Prepared:
    """`pairs` can be searched; `unreadable` holds keys that count as searched without being so.

    `finder(frame)` makes a finder for any rows of `pairs`, in that frame's order.
    """

    pairs: pl.DataFrame
    unreadable: pl.DataFrame
    finder: Callable[[pl.DataFrame], Finder]

    @property
    def fresh(self) -> pl.DataFrame:
        """Keys to search, or to mark as searched, ascending."""
        return pl.concat([self.pairs.filter("fresh").select("key"), self.unreadable]).sort("key")


def prepared(store: Store, method: str, recipe_digest: str, encoder_recipe: str | None) -> Prepared:
    """Live pairs of a store for one method; those whose vectors are missing are not among them."""
    pairs = store.query(PAIRS, {"method": method, "recipe": recipe_digest})
    if method == "lexical" or not pairs["fresh"].any():
        return Prepared(pairs, pairs.clear().select("key"), LexicalFinder)
    encoder = encoder_recipe or ""
    pairs = store.query(WITH_VECTORS, {"encoder": encoder, "chunks": chunks.recipe(encoder).digest}, live=pairs)
    languages = declared_languages(store, encoder)
    sides = zip(*(readable(pairs[side].to_list(), languages) for side in ("question", "answer")), strict=True)
    mask = pl.Series([question and answer for question, answer in sides], dtype=pl.Boolean)
    unreadable, pairs = pairs.filter(~mask & pairs["fresh"]).select("key"), pairs.filter(mask)
    if not pairs["fresh"].any():
        return Prepared(pairs, unreadable, LexicalFinder)
    keys, matrix = load(store, encoder, pl.concat([pairs["question_text"], pairs["answer_text"]]).unique())
    further = Further.load(store, encoder, keys)
    places = pl.DataFrame({"text": keys, "place": np.arange(len(keys))})

    def finder(rows: pl.DataFrame) -> Finder:
        question, answer = (
            rows.select(text=side).join(places, on="text", how="left", maintain_order="left")["place"].to_numpy()
            for side in ("question_text", "answer_text")
        )
        return CosineFinder(matrix, further, question, answer, rows["truncated"].to_numpy())

    return Prepared(pairs, unreadable, finder)


def declared_languages(store: Store, encoder_recipe: str) -> list[str] | None:
    """The languages in the encoder's recipe; None where it was never used in this store."""
    rows = store.query("SELECT parameters FROM recipes WHERE recipe = ?", [encoder_recipe]).rows()
    languages: list[str] | None = json.loads(rows[0][0]).get("languages") if rows else None
    return languages
