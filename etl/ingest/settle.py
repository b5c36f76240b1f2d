"""Fresh occurrences and touched keys in; the tables `pairs` and `occurrences` brought into agreement. Only SQL and
elections, inside an open unit."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from etl.ingest.elect import ELECTED, KEYS, TEXTS, alone, elect
from etl.store import Unit
from etl.store.connection import ROW_GROUP, THREADS

# Columns of an occurrence as the table has them.
OCCURRENCE: dict[str, pl.DataType] = {
    "key": pl.String(), "delivery": pl.String(), "position": pl.String(), "source_session": pl.String(),
    "question": pl.String(), "answer": pl.String(), "context": pl.String(), "raw": pl.String(),
    "repairs": pl.List(pl.String()), "raw_digest": pl.String(), "indicator": pl.String(), "category": pl.String(),
    "derived": pl.List(pl.String()), "sources": pl.List(pl.String()), "licence": pl.String(),
    "phrasings": pl.List(pl.String()), "alternatives": pl.List(pl.String()), "metadata": pl.String(),
}  # fmt: skip
# With what an election needs beside: the keys of the parts, and whether the delivery counts.
FULL = pl.Schema(OCCURRENCE | dict.fromkeys(KEYS, pl.String()) | {"live": pl.Boolean()})

# First the keys alone: the texts of a large store are then only looked at where a key is among these.
_STORED_KEYS = """
    SELECT p.key FROM pairs p SEMI JOIN touched USING (key)
"""
_STORED_PAIRS = """
    SELECT p.* REPLACE (p.metadata::VARCHAR AS metadata) FROM pairs p SEMI JOIN touched USING (key)
"""
_STORED_OCCURRENCES = """
    SELECT o.* REPLACE (
               coalesce(o.question, p.question) AS question,
               coalesce(o.answer, p.answer) AS answer,
               coalesce(o.context, p.context) AS context,
               o.raw::VARCHAR AS raw,
               o.metadata::VARCHAR AS metadata
           ),
           p.question_key, p.answer_key, p.context_key,
           d.state = 'accepted' AS live
    FROM occurrences o
    JOIN stored p ON p.key = o.key
    JOIN deliveries d ON d.delivery = o.delivery
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the touched pairs: rows inserted, removed because nobody delivers them any more, and changed."""

    inserted: int
    removed: int
    changed: int


def settle(unit: Unit, *, pieces: list[pl.DataFrame], keys: pl.Series) -> Settled:
    """Insert the pieces (schema FULL; the list is emptied) and elect the pairs of their keys and of `keys` anew.

    Where the shown text of a stored pair changes, its older occurrences are written anew (their NULLs meant the old
    text) and flags, grades, searches and links of the key go, so that they become pending; where only another elected
    column changes, flags and grades go. A pair without any occurrence left goes with all of these.
    """
    touched = pl.concat([*(piece["key"] for piece in pieces), keys])
    known = unit.query(_STORED_KEYS, touched=touched.to_frame("key"))
    stored = unit.query(_STORED_PAIRS, touched=known)
    alone_now, fresh = _insert_alone(unit, pieces, touched.is_duplicated(), stored)
    older = _schema(unit.query(_STORED_OCCURRENCES, stored=stored)) if stored.height else FULL.to_frame()
    elected = elect(pl.concat([older, fresh.select(FULL.names())]))
    retold, revised, recounted = _differences(stored, elected)
    gone = stored.select("key").join(elected, on="key", how="anti")
    added = elected.join(stored, on="key", how="anti")
    _forget(unit, texts=pl.concat([retold, gone]), columns=revised)
    _write_pairs(unit, elected, stored, added, replaced=pl.concat([retold, revised]), recounted=recounted, gone=gone)
    if retold.height:
        unit.execute("DELETE FROM occurrences WHERE key IN (SELECT key FROM retold)", retold=retold)
        fresh = pl.concat([older.join(retold, on="key", how="semi"), fresh.select(FULL.names())])
    unit.insert("occurrences", _without_shown_texts(fresh, elected))
    return Settled(alone_now + added.height, gone.height, retold.height + revised.height)


def in_pieces(fresh: pl.DataFrame) -> list[pl.DataFrame]:
    """Occurrences by as many row groups as there are threads: enough for a bulk load, and what is stored can go from
    memory before the rest is."""
    piece = THREADS * ROW_GROUP
    return [fresh.slice(start, piece) for start in range(0, fresh.height, piece)] or [fresh]


def _insert_alone(
    unit: Unit, pieces: list[pl.DataFrame], twice: pl.Series, stored: pl.DataFrame
) -> tuple[int, pl.DataFrame]:
    """Insert occurrences of pairs that are neither stored nor delivered twice, nine in ten of a large delivery: each is
    its pair, so no vote is taken and no text compared. Returns how many, and the others."""
    inserted, start = 0, 0
    others: list[pl.DataFrame] = []
    while pieces:
        piece = pieces.pop(0)
        several = twice.slice(start, piece.height) | ~piece["live"]
        if stored.height:
            several |= piece["key"].is_in(stored["key"].implode())
        start += piece.height
        # through Arrow's plain texts, because a filtered column would keep the texts of all rows in memory
        others.append(pl.DataFrame(piece.filter(several).to_arrow(compat_level=pl.CompatLevel.oldest())))
        if several.any():
            piece = piece.filter(~several)
        inserted += _insert_piece(unit, piece) if piece.height else 0
    return inserted, pl.concat(others).rechunk()


def _insert_piece(unit: Unit, first: pl.DataFrame) -> int:
    unit.insert("pairs", alone(first).with_columns(pl.lit(unit.seq, dtype=pl.Int64).alias("first_seq")))
    told = first.select(OCCURRENCE.keys())
    unit.insert("occurrences", told.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in TEXTS))
    return first.height


def _schema(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.col(name).cast(kind) for name, kind in FULL.items())


def _differences(stored: pl.DataFrame, elected: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Keys whose texts differ, keys of which only other columns differ, rows of which only the count differs."""
    both = stored.join(elected, on="key", suffix="_now")

    def differs(*names: str) -> pl.Expr:
        return pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_now")) for name in names)

    others = [name for name in ELECTED if name not in (*TEXTS, *KEYS, "key", "occurrences")]
    both = both.with_columns(differs(*TEXTS).alias("retold"), differs(*others).alias("revised"))
    rest = both.filter(~pl.col("retold") & ~pl.col("revised") & differs("occurrences"))
    return (
        both.filter("retold").select("key"),
        both.filter(pl.col("revised") & ~pl.col("retold")).select("key"),
        rest.select("key", occurrences="occurrences_now"),
    )


def _forget(unit: Unit, *, texts: pl.DataFrame, columns: pl.DataFrame) -> None:
    """Delete what was derived from texts and columns that are no more."""
    both = pl.concat([texts, columns])
    if both.height:
        for table in ("flags", "grades"):
            unit.execute(f"DELETE FROM {table} WHERE key IN (SELECT key FROM stale)", stale=both)
    if texts.height:
        unit.execute("DELETE FROM searches WHERE key IN (SELECT key FROM stale)", stale=texts)
        unit.execute(
            "DELETE FROM links WHERE a IN (SELECT key FROM stale) OR b IN (SELECT key FROM stale)", stale=texts
        )


def _write_pairs(
    unit: Unit,
    elected: pl.DataFrame,
    stored: pl.DataFrame,
    added: pl.DataFrame,
    *,
    replaced: pl.DataFrame,
    recounted: pl.DataFrame,
    gone: pl.DataFrame,
) -> None:
    """Rows are replaced with the ledger number that first brought them; a mere count is updated in place."""
    if recounted.height:
        unit.execute(
            "UPDATE pairs SET occurrences = r.occurrences FROM recounted r WHERE pairs.key = r.key",
            recounted=recounted,
        )
    if replaced.height or gone.height:
        leaving = pl.concat([replaced, gone])
        unit.execute("DELETE FROM pairs WHERE key IN (SELECT key FROM leaving)", leaving=leaving)
    kept = elected.join(replaced, on="key", how="semi").join(stored.select("key", "first_seq"), on="key")
    new = added.with_columns(pl.lit(unit.seq, dtype=pl.Int64).alias("first_seq"))
    unit.insert("pairs", pl.concat([kept.select(new.columns), new]))


def _without_shown_texts(occurrences: pl.DataFrame, elected: pl.DataFrame) -> pl.DataFrame:
    shown = elected.select("key", *(pl.col(name).alias(f"shown_{name}") for name in TEXTS))
    joined = occurrences.join(shown, on="key", how="left")
    return joined.with_columns(
        pl.when(pl.col(name) != pl.col(f"shown_{name}")).then(pl.col(name)).alias(name) for name in TEXTS
    ).select(*OCCURRENCE)
