"""The store's pairs in, a searchable frame and a finder out, one way a method."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from embeddings import chunks
from embeddings.chunks import Further
from embeddings.embed import load
from embeddings.link.finders import CosineFinder, Finder, LexicalFinder
from embeddings.link.nearby import Meant, Memory, Worded, nearby, recalled
from embeddings.link.scripts import readable
from etl.store import Store

COLUMNS = "p.key, p.question, p.answer, p.question_key, p.context_key"
SEARCHED = "EXISTS (FROM searches s WHERE s.key = p.key AND s.method = $method AND s.recipe = $recipe)"
FRESH = f"SELECT {COLUMNS}, true AS fresh FROM pairs p WHERE p.occurrences > 0 AND NOT {SEARCHED} ORDER BY p.key"
OLD = f"SELECT {COLUMNS}, false AS fresh FROM pairs p WHERE p.occurrences > 0 AND {SEARCHED}"
# of the old ones: those with a question that may be alike, in a context of the fresh ones
NEAR = f"""{OLD}
    AND ({{id}} IN (SELECT id FROM near) OR p.question_key IN (SELECT question_key FROM part))
    AND (p.context_key IN (SELECT context_key FROM part WHERE context_key IS NOT NULL)
         OR (p.context_key IS NULL AND EXISTS (FROM part WHERE context_key IS NULL)))
"""
IDS = f"SELECT DISTINCT {{id}} AS id FROM pairs p WHERE p.occurrences > 0 AND {SEARCHED}"
ID = {"lexical": "p.question_key", "cosine": "left(sha256(p.question), 32)"}
TEXTS = """
    SELECT question_key AS id, min(question) AS text FROM pairs
    WHERE question_key IN (SELECT id FROM wanted) GROUP BY question_key ORDER BY question_key
"""
NEAR_FROM = 20_000  # so many searched pairs, and MANY times those of the batch: less is compared whole
MANY = 4
KNOWN = "SELECT count(*) FROM searches WHERE method = ? AND recipe = ?"
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

    `finder` addresses the rows of `pairs`.
    """

    pairs: pl.DataFrame
    unreadable: pl.DataFrame
    finder: Finder


def fresh_pairs(store: Store, method: str, recipe_digest: str, encoder_recipe: str | None) -> pl.DataFrame:
    """Live pairs to search, by key; those whose vectors are missing are not among them."""
    pairs = store.query(FRESH, {"method": method, "recipe": recipe_digest})
    return with_vectors(store, pairs, encoder_recipe or "") if method == "cosine" else pairs


def old_pairs(
    store: Store,
    method: str,
    recipe_digest: str,
    encoder_recipe: str | None,
    *,
    part: pl.DataFrame,
    threshold: float,
    cache: Path | None,
) -> pl.DataFrame:
    """Of the pairs that were searched, those that may be alike to one of `part`; all of them where that costs less."""
    parameters = {"method": method, "recipe": recipe_digest}
    kept = None if cache is None else memory(store, method, recipe_digest, encoder_recipe, cache=cache, times=part)
    if kept is None:
        return store.query(OLD, parameters)
    own = part["question_key"] if method == "lexical" else part["question_text"]
    wanted = store.query(IDS.format(id=ID[method]), parameters)["id"]
    near = nearby(kept, own.unique(), wanted, threshold=threshold)
    frames = {"near": pl.DataFrame({"id": near}), "part": part.select("question_key", "context_key")}
    return store.query(NEAR.format(id=ID[method]), parameters, **frames)


def memory(
    store: Store,
    method: str,
    recipe_digest: str,
    encoder_recipe: str | None,
    *,
    cache: Path,
    times: pl.DataFrame | None = None,
) -> Memory | None:
    """What is kept of searched questions, where there are enough of them to be worth it."""
    known = store.value(KNOWN, [method, recipe_digest])
    if known < NEAR_FROM or (times is not None and known < MANY * times.height):
        return None
    if method == "lexical":
        return Worded(cache / "lexical", lambda ids: store.query(TEXTS, wanted=pl.DataFrame({"id": ids})))
    return Meant(cache / f"cosine-{encoder_recipe}", store, encoder_recipe or "")


def remember(store: Store, method: str, recipe_digest: str, encoder_recipe: str | None, *, cache: Path) -> None:
    """Keep what the next batch will need of the pairs searched so far."""
    kept = memory(store, method, recipe_digest, encoder_recipe, cache=cache)
    if kept is not None:
        recalled(kept, store.query(IDS.format(id=ID[method]), {"method": method, "recipe": recipe_digest})["id"])


def with_vectors(store: Store, pairs: pl.DataFrame, encoder_recipe: str) -> pl.DataFrame:
    """Those of the pairs whose texts are encoded, with the keys of the texts and whether one of them was cut."""
    parameters = {"encoder": encoder_recipe, "chunks": chunks.recipe(encoder_recipe).digest}
    return store.query(WITH_VECTORS, parameters, live=pairs)


def prepared(store: Store, method: str, encoder_recipe: str | None, pairs: pl.DataFrame) -> Prepared:
    """Pairs ready to be compared by one method; for cosine as `with_vectors` gives them."""
    if method == "lexical":
        return Prepared(pairs, pairs.clear().select("key"), LexicalFinder(pairs))
    encoder = encoder_recipe or ""
    languages = declared_languages(store, encoder)
    sides = zip(*(readable(pairs[side].to_list(), languages) for side in ("question", "answer")), strict=True)
    mask = pl.Series([question and answer for question, answer in sides], dtype=pl.Boolean)
    unreadable, pairs = pairs.filter(~mask & pairs["fresh"]).select("key"), pairs.filter(mask)
    if not pairs["fresh"].any():
        return Prepared(pairs.clear(), unreadable, LexicalFinder(pairs.clear()))
    keys, matrix = load(store, encoder, pl.concat([pairs["question_text"], pairs["answer_text"]]).unique())
    places = pl.DataFrame({"text": keys, "place": np.arange(len(keys))})
    question, answer = (
        pairs.select(text=side).join(places, on="text", how="left", maintain_order="left")["place"].to_numpy()
        for side in ("question_text", "answer_text")
    )
    further = Further.load(store, encoder, keys)
    finder = CosineFinder(matrix, further, question, answer, pairs["truncated"].to_numpy())
    return Prepared(pairs, unreadable, finder)


def declared_languages(store: Store, encoder_recipe: str) -> list[str] | None:
    """The languages in the encoder's recipe; None where it was never used in this store."""
    rows = store.query("SELECT parameters FROM recipes WHERE recipe = ?", [encoder_recipe]).rows()
    languages: list[str] | None = json.loads(rows[0][0]).get("languages") if rows else None
    return languages
