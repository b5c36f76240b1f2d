"""The rule `repetition`: the Gopher fractions (Rae et al. 2021, arXiv:2112.11446, Table A1) over integers, not strings.

Words become numbers once, n-grams become 64-bit numbers, and one sort finds the repeated ones of all answers together.
Gopher speaks of documents, so answers below its minimum of 50 words only answer for runs of one word and for sentences
said again and again. Two of its thresholds are raised (top 2-gram 0.20 to 0.25, 10-grams 0.10 to 0.20): below, the hits
that were read were answers that have to name their subject in every sentence; above, whole paragraphs stood there
twice.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from quality.assess.prepare import WORD

MIN_WORDS = 50
DUPLICATE_LINES = 0.30
TOP_2_GRAM = 0.25
DUPLICATE_10_GRAM = 0.20
RUN = 5
SENTENCES, DUPLICATE_SENTENCES = 4, 0.5

Integers = npt.NDArray[np.int64]


def repetition(pairs: pl.DataFrame) -> pl.Series:
    """Evidence for each prepared pair: which fraction lies above its threshold, or which word runs on."""
    rows = pairs.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("row"), "answer", "answer_words", "has_code"
    ).filter((pl.col("answer_words") >= RUN) & ~pl.col("has_code"))
    spoken = rows.select("row", pl.col("answer").str.to_lowercase().str.extract_all(WORD).alias("word")).explode("word")
    found = pl.concat([_runs(spoken), _sentences(rows), _lines(rows), _n_grams(spoken)], how="vertical")
    found = found.group_by("row", maintain_order=True).agg(pl.col("evidence").str.join("; "))
    everything = pl.select(pl.int_range(pairs.height, dtype=pl.Int64).alias("row"))
    return everything.join(found, on="row", how="left", maintain_order="left")["evidence"]


def _runs(spoken: pl.DataFrame) -> pl.DataFrame:
    """One word (not a number, not a single character) at least `RUN` times in a row."""
    run = pl.struct("row", "word").rle_id().alias("run")
    return (
        spoken.with_columns(run)
        .filter(pl.col("word").str.len_chars() > 1, ~pl.col("word").str.contains(r"^[\d.,]+$"))
        .group_by("run", maintain_order=True)
        .agg(pl.col("row").first(), pl.col("word").first(), pl.len())
        .filter(pl.col("len") >= RUN)
        .unique("row", keep="first", maintain_order=True)
        .select("row", pl.format("'{}' {} times in a row", "word", "len").alias("evidence"))
    )


def _sentences(rows: pl.DataFrame) -> pl.DataFrame:
    """Short answers of at least `SENTENCES` sentences, more than half of which were said before."""
    said = (
        rows.filter(pl.col("answer_words") < MIN_WORDS, pl.col("answer").str.count_matches(r"[.!?。！？]") >= SENTENCES)
        .select("row", pl.col("answer").str.to_lowercase().str.extract_all(r"[^.!?。！？]+").alias("sentence"))
        .explode("sentence")
        .with_columns(pl.col("sentence").str.strip_chars())
        .filter(pl.col("sentence").str.contains(r"\p{L}"))
    )
    return (
        said.group_by("row", maintain_order=True)
        .agg((1 - pl.col("sentence").n_unique() / pl.len()).alias("share"), pl.len())
        .filter(pl.col("len") >= SENTENCES, pl.col("share") > DUPLICATE_SENTENCES)
        .select("row", _percent("of its sentences were said before").alias("evidence"))
    )


def _lines(rows: pl.DataFrame) -> pl.DataFrame:
    """The share of lines that stand there more than once, as Gopher counts them (every copy but the first)."""
    lines = (
        rows.filter((pl.col("answer_words") >= MIN_WORDS) & (pl.col("answer").str.count_matches("\n") >= 3))
        .select("row", pl.col("answer").str.split("\n").alias("line"))
        .explode("line")
        .with_columns(pl.col("line").str.strip_chars())
        .filter(pl.col("line") != "")
    )
    return (
        lines.group_by("row", maintain_order=True)
        .agg((1 - pl.col("line").n_unique() / pl.len()).alias("share"))
        .filter(pl.col("share") > DUPLICATE_LINES)
        .select("row", _percent("of its lines are repeated").alias("evidence"))
    )


def _n_grams(spoken: pl.DataFrame) -> pl.DataFrame:
    """Top 2-gram and duplicated 10-grams of the answers that are long enough, as shares of their characters."""
    long = spoken.filter(pl.len().over("row") >= MIN_WORDS)
    if long.is_empty():
        return pl.DataFrame(schema={"row": pl.Int64, "evidence": pl.String})
    row = long["row"].to_numpy()
    word = long["word"].rank("dense").cast(pl.Int64).to_numpy()
    size = long["word"].str.len_chars().cast(pl.Int64).to_numpy()
    total = np.bincount(row, weights=size)
    top, top_words = _top_pair(row, word, size)
    again = _duplicated(row, word, size, n=10)
    keep = np.unique(row)
    frame = pl.DataFrame(
        {
            "row": keep,
            "top": top[keep] / total[keep],
            "words": long["word"].gather(top_words[keep]) + " " + long["word"].gather(top_words[keep] + 1),
            "again": again[keep] / total[keep],
        }
    )
    pairs = frame.filter(pl.col("top") > TOP_2_GRAM).select(
        "row", pl.format("{}: '{}'", _percent("of it is one pair of words", "top"), "words").alias("evidence")
    )
    runs = frame.filter(pl.col("again") > DUPLICATE_10_GRAM).select(
        "row", _percent("of it was said before, in runs of ten words", "again").alias("evidence")
    )
    return pl.concat([pairs, runs])


def _starts(row: Integers, n: int) -> Integers:
    """Positions at which an n-gram that stays within one answer begins."""
    return np.flatnonzero(row[: len(row) - n + 1] == row[n - 1 :]) if len(row) >= n else np.zeros(0, dtype=np.int64)


def _grams(row: Integers, word: Integers, n: int) -> tuple[Integers, Integers, Integers]:
    """Starts of all n-grams, and for each the number of its (answer, n-gram) class and the size of that class."""
    starts = _starts(row, n)
    mixed = row[starts].astype(np.uint64)
    for step in range(n):  # a multiplicative mix: 64 bits hold 10^6 grams of an answer without a collision in practice
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + word[starts + step].astype(np.uint64)
        mixed ^= mixed >> np.uint64(29)
    _, number, count = np.unique(mixed, return_inverse=True, return_counts=True)
    return starts, number.astype(np.int64), count.astype(np.int64)


def _top_pair(row: Integers, word: Integers, size: Integers) -> tuple[npt.NDArray[np.float64], Integers]:
    """For each answer the characters its most frequent pair of words covers, and where that pair begins."""
    starts, number, count = _grams(row, word, 2)
    covered = np.where(count[number] > 1, count[number] * (size[starts] + size[starts + 1]), 0)
    best = np.zeros(int(row.max()) + 1, dtype=np.float64)
    np.maximum.at(best, row[starts], covered)
    where = np.zeros(len(best), dtype=np.int64)
    winners = np.flatnonzero(covered == best[row[starts]])[::-1]
    where[row[starts[winners]]] = starts[winners]
    return best, where


def _duplicated(row: Integers, word: Integers, size: Integers, *, n: int) -> npt.NDArray[np.float64]:
    """For each answer the characters that lie in an n-gram said before; each character counts once."""
    starts, number, count = _grams(row, word, n)
    first = np.zeros(len(count), dtype=np.int64)
    first[number[::-1]] = starts[::-1]
    again = starts[starts != first[number]]
    inside = np.zeros(len(row) + 1, dtype=np.int64)
    np.add.at(inside, again, 1)
    np.add.at(inside, again + n, -1)
    said_before = np.cumsum(inside[:-1]) > 0
    return np.bincount(row, weights=size * said_before, minlength=int(row.max()) + 1).astype(np.float64)


def _percent(of_what: str, column: str = "share") -> pl.Expr:
    return pl.format("{}% {}", (pl.col(column) * 100).round(0).cast(pl.Int64), pl.lit(of_what))
