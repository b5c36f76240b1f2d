"""The rules `secret`, `personal_data` and `contact_details`, and `masked`: what was found is named, never repeated."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

import polars as pl

from quality.assess.shapes import CONTACTS, PERSONAL, SECRETS, Kind

TEXTS = ("question", "answer", "context")


def found_in(pairs: pl.DataFrame, kinds: Sequence[Kind]) -> pl.Series:
    """Evidence a pair: the kinds and lengths of what stands in its texts, or null. Never the text itself.

    A cheap pattern without look-around runs over all rows; the exact one, in Python, over the few it points at.
    """
    rows = pairs.select(pl.int_range(pl.len(), dtype=pl.Int64).alias("row"), *TEXTS)
    hits = []
    for kind in kinds:
        likely = pl.any_horizontal(pl.col(name).str.contains(kind.hint).fill_null(value=False) for name in TEXTS)
        for row, *texts in rows.filter(likely).iter_rows():
            for text in texts:
                hits += [(row, _hidden(kind, match)) for match in _matches(kind, text or "")]
    found = pl.DataFrame(hits, schema={"row": pl.Int64, "evidence": pl.String}, orient="row")
    found = (
        found.unique(maintain_order=True).group_by("row", maintain_order=True).agg(pl.col("evidence").str.join(", "))
    )
    return rows.select("row").join(found, on="row", how="left", maintain_order="left")["evidence"]


SECRET: Callable[[pl.DataFrame], pl.Series] = partial(found_in, kinds=SECRETS)
PERSONAL_DATA: Callable[[pl.DataFrame], pl.Series] = partial(found_in, kinds=PERSONAL)
CONTACT_DETAILS: Callable[[pl.DataFrame], pl.Series] = partial(found_in, kinds=CONTACTS)


def masked(text: str) -> str:
    """The text with every secret, personal datum and contact replaced by its kind, for evidence, logs and reports."""
    for kind in (*SECRETS, *PERSONAL, *CONTACTS):
        text = kind.pattern.sub(partial(_replacement, kind), text)
    return text


def _replacement(kind: Kind, match: re.Match[str]) -> str:
    return _hidden(kind, match) if kind.check(match) else match[0]


def _matches(kind: Kind, text: str) -> list[re.Match[str]]:
    return [match for match in kind.pattern.finditer(text) if kind.check(match)]


def _hidden(kind: Kind, match: re.Match[str]) -> str:
    return f"[{kind.name}, {len(match[0])} characters]"
