"""A reading of a file that is named after its category in; the same with that category out, marked as derived."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from etl.normalise.names import category_of_file
from etl.read import Reading

TRIVIA = "#Q"  # what a question is called in the one shape whose files are named so


def with_category_of_file(reading: Reading, path: str) -> Reading:
    """Trivia files hold no category: `categories/animals` is the category animals."""
    if reading.format is None or reading.format.mapping.get("question") != TRIVIA:
        return reading
    name = category_of_file(path)
    if name is None or reading.candidates["category"].is_not_null().any():
        return reading
    marked = pl.col("derived").list.concat(pl.lit(["category:file_name"]))
    return replace(reading, candidates=reading.candidates.with_columns(category=pl.lit(name), derived=marked))
