"""Pairs in, vectors out: one row a distinct question or answer text and model recipe, further rows for long texts.

Texts are encoded as they are shown, in an order of length and key; the units, and bitwise the vectors, do not depend
on the order in which pairs came in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embeddings import chunks
from embeddings.encoder import Encoder
from etl.progress import Meter, Pending, Progress
from etl.recipe import Recipe
from etl.store import Store

JOB = "embed"
VERSION = 1
UNITS_FETCHED = 64  # a million pairs: 31 looks at all texts instead of 1,954

# sha256 in SQL gives what etl.keys.text_key gives: the store holds UTF-8 without lone surrogates
LIVE_TEXTS = """
    SELECT question AS text FROM pairs WHERE occurrences > 0
    UNION SELECT answer FROM pairs WHERE occurrences > 0
"""
PENDING_KEYS = f"""
    SELECT left(sha256(text), 32) AS text_key, least(length(text) // 32, 64) AS size
    FROM ({LIVE_TEXTS})
    WHERE NOT EXISTS (FROM vectors v WHERE v.recipe = $recipe AND v.text_key = left(sha256(text), 32))
    ORDER BY size, text_key
"""
TEXTS_OF = f"""
    SELECT w.place, w.text_key, t.text
    FROM ({LIVE_TEXTS}) t JOIN wanted w ON w.text_key = left(sha256(t.text), 32)
    ORDER BY w.place
"""

INSERT_MISSING = """
    INSERT INTO vectors BY NAME
    SELECT n.* FROM new_rows n
    WHERE NOT EXISTS (FROM vectors v WHERE v.recipe = n.recipe AND v.text_key = n.text_key)
"""

LOADED = 100_000  # rows of the table looked at in one go
PART = "SELECT text_key, vector FROM vectors WHERE recipe = ? AND rowid BETWEEN ? AND ?"
SOME = PART.replace("WHERE", "SEMI JOIN wanted USING (text_key) WHERE")


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long `embed` would take: texts that are pending, texts a second on a sample, and seconds for all.

    A text longer than the model's window counts as many times as it has windows in `seconds`.
    """

    texts: int
    per_second: float
    seconds: float


def recipe(encoder: Encoder) -> Recipe:
    """The model and how it is used; `link`, `resolve` and releases know the model by this recipe's digest."""
    return Recipe(
        JOB,
        VERSION,
        {
            "model": encoder.name,
            "digest": encoder.digest,
            "dimension": encoder.dimension,
            "window": encoder.window,
            "languages": None if encoder.languages is None else list(encoder.languages),
            "normalised": True,
            "dtype": "float32",
        }
        | ({"engine": encoder.engine} if encoder.engine.startswith("openvino") else {}),
    )


def pending(store: Store, encoder: Encoder) -> Pending:
    """How many distinct texts of live pairs have no vector of this encoder's recipe yet, or lack further windows."""
    amount = _pending_keys(store, encoder).height + _pending_long(store, encoder).height
    if not amount:
        return Pending(JOB, 0, "texts")
    before = store.last_recipe(JOB)
    current = recipe(encoder)
    if before is None:
        why = "never run"
    elif before[3] != current.digest:
        why = f"changed: {current.changes_from(before[1], before[2])}"
    else:
        why = "new texts"
    return Pending(JOB, amount, "texts", why)


def embed(
    store: Store,
    encoder: Encoder,
    *,
    meter: Meter,
    batch_size: int = 64,
    unit_texts: int = 1024,
    limit: int | None = None,
) -> Iterator[Progress]:
    """Encode every pending text, `unit_texts` at a time, at most `limit` in all; then what lies behind their windows.

    Spends "texts". Counts a unit: `texts`, `tokens`, `truncated`; of further windows `long_texts`, `windows`.
    """
    made = recipe(encoder)
    waiting = _pending_keys(store, encoder)
    total = waiting.height
    waiting = waiting.head(total if limit is None else limit)
    first = fetched = 0
    ready = waiting.clear()
    for number, start in enumerate(range(0, waiting.height, unit_texts), start=1):
        if start >= fetched:  # finding texts by their keys hashes every text there is: not once a unit
            several = waiting.slice(start, unit_texts * UNITS_FETCHED).select("text_key").with_row_index("place")
            fetched, ready = start + several.height, store.query(TEXTS_OF, wanted=several)
            first = start
        part = ready.filter(pl.col("place").is_between(start - first, start - first + unit_texts, closed="left"))
        meter.spend("texts", part.height)
        rows = encoded(part, encoder, recipe_digest=made.digest, batch_size=batch_size)
        name = f"texts {number}: {waiting['text_key'][start]}"
        with store.unit(JOB, name, recipe=made) as unit:
            written = unit.execute(INSERT_MISSING, new_rows=rows)
            unit.counts.update(texts=written, tokens=int(rows["tokens"].sum()), truncated=int(rows["truncated"].sum()))
            counts = dict(unit.counts)
        yield Progress(JOB, name, min(start + unit_texts, waiting.height), total, counts)
    left = None if limit is None else limit - waiting.height
    yield from _further(store, encoder, meter=meter, done=waiting.height, batch_size=batch_size, unit_texts=unit_texts,
                        limit=left)  # fmt: skip


def _further(
    store: Store, encoder: Encoder, *, meter: Meter, done: int, batch_size: int, unit_texts: int, limit: int | None
) -> Iterator[Progress]:
    """Encode the further windows of long texts, in smaller units: each text has up to `chunks.MOST` of them."""
    made = chunks.recipe(recipe(encoder).digest)
    waiting = _pending_long(store, encoder)
    waiting = waiting.head(waiting.height if limit is None else limit)
    size = max(1, unit_texts // 16)
    for number, start in enumerate(range(0, waiting.height, size), start=1):
        part = waiting.slice(start, size).with_row_index("place")
        texts = store.query(TEXTS_OF, wanted=part)
        meter.spend("texts", texts.height)
        rows = chunks.encoded(texts, encoder, recipe_digest=made.digest, batch_size=batch_size)
        name = f"windows {number}: {part['text_key'][0]}"
        with store.unit(JOB, name, recipe=made) as unit:
            unit.counts.update(long_texts=texts.height, windows=unit.execute(chunks.INSERT_MISSING, new_rows=rows))
            counts = dict(unit.counts)
        yield Progress(JOB, name, done + min(start + size, waiting.height), done + waiting.height, counts)


def encoded(texts: pl.DataFrame, encoder: Encoder, *, recipe_digest: str, batch_size: int = 64) -> pl.DataFrame:
    """Rows of `vectors` for a frame of text_key and text."""
    written = texts["text"].to_list()
    tokens = encoder.lengths(written)
    matrix = encoder.encode(written, batch_size=batch_size, lengths=tokens)
    return pl.DataFrame(
        {
            "text_key": texts["text_key"],
            "recipe": pl.repeat(recipe_digest, texts.height, eager=True, dtype=pl.String),
            "vector": pl.Series(matrix, dtype=pl.Array(pl.Float32, encoder.dimension)).cast(pl.List(pl.Float32)),
            "tokens": tokens,
            "truncated": tokens > encoder.window,
        }
    )


def estimate(
    store: Store,
    encoder: Encoder,
    *,
    sample: int = 96,
    batch_size: int = 64,
    clock: Callable[[], float] = time.perf_counter,
) -> Estimate:
    """Encode an evenly spaced sample of the pending texts, by length, and say how long all of them would take."""
    waiting = _pending_keys(store, encoder)
    if waiting.is_empty():
        return Estimate(0, 0.0, 0.0)
    places = np.unique(np.linspace(0, waiting.height - 1, min(sample, waiting.height)).astype(np.int64))
    wanted = waiting[places].select("text_key").with_row_index("place")
    texts = store.query(TEXTS_OF, wanted=wanted)["text"].to_list()
    encoder.encode(texts[:1], batch_size=1)  # the first call pays for warming up
    start = clock()
    encoder.encode(texts, batch_size=batch_size)
    rate = len(texts) / max(clock() - start, 1e-6)
    windows = float(chunks.windows_of(encoder.lengths(texts), encoder.window).mean())
    return Estimate(waiting.height, round(rate, 1), round(waiting.height * windows / rate, 1))


def load(
    store: Store, recipe_digest: str, text_keys: Sequence[str] | pl.Series | None = None
) -> tuple[pl.Series, NDArray[np.float32]]:
    """The keys, ascending, and the matrix (n, dimension) of a recipe's vectors; of those of `text_keys` that exist."""
    only, frames = "", {}
    if text_keys is not None:
        only = "SEMI JOIN wanted USING (text_key)"
        frames = {"wanted": pl.DataFrame({"text_key": pl.Series(text_keys, dtype=pl.String)})}
    found = store.query(
        f"SELECT text_key, rowid // {LOADED} AS part FROM vectors v {only} WHERE recipe = ? ORDER BY text_key",
        [recipe_digest],
        **frames,
    )
    # part by part as they lie in the file, and only parts that hold some: two million vectors as rows of lists would be
    # in memory three times, and those of a new batch lie together at the end
    keys, matrix = found["text_key"], np.zeros((0, 0), dtype=np.float32)
    for part, size in found["part"].value_counts().sort("part").iter_rows():
        where = [recipe_digest, part * LOADED, part * LOADED + LOADED - 1]
        few = size < LOADED // 2
        rows = store.query(SOME, where, wanted=keys.to_frame()) if few else store.query(PART, where)
        places = keys.search_sorted(rows["text_key"]).clip(0, len(keys) - 1)
        there = keys.gather(places) == rows["text_key"]
        numbers = rows["vector"].filter(there).explode().to_numpy().reshape(size, -1)
        if not matrix.size:
            matrix = np.empty((len(keys), numbers.shape[1]), dtype=np.float32)
        matrix[places.filter(there).to_numpy()] = numbers
    return keys, matrix


def _pending_keys(store: Store, encoder: Encoder) -> pl.DataFrame:
    return store.query(PENDING_KEYS, {"recipe": recipe(encoder).digest})


def _pending_long(store: Store, encoder: Encoder) -> pl.DataFrame:
    made = recipe(encoder).digest
    long = store.query(chunks.LONG, {"encoder": made, "chunks": chunks.recipe(made).digest})
    if long.is_empty():  # as almost always: spares a hash of every text
        return long
    live = f"SELECT DISTINCT left(sha256(text), 32) AS text_key FROM ({LIVE_TEXTS})"
    return long.join(store.query(live), on="text_key", how="semi", maintain_order="left")
