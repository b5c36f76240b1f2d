"""Pairs about crypto that differ in one thing that matters, and pairs that differ in nothing: written one by one.

Both similarities are set as high as they get, so that only the rules stand between a look-alike and a merge.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from etl.keys import content_key, part_key
from etl.resolve import decide
from etl.words import overlap

ROWS = [orjson.loads(line) for line in Path(__file__).with_name("lookalikes.jsonl").read_bytes().splitlines()]
APART = [row for row in ROWS if not row["same"]]
SAME = [row for row in ROWS if row["same"]]
NO_OVERRIDES = pl.DataFrame(
    schema={"id": pl.Int64, "key": pl.String, "other": pl.String, "verdict": pl.String, "note": pl.String}
)


def verdict(row: dict[str, Any], *, method: str = "cosine") -> tuple[str, str]:
    """What is decided about the two pairs of a row, and why; ('equal', '') where they have one key."""
    sides = list(zip(row["questions"], row["answers"], strict=True))
    context, language = row.get("context"), row.get("language", "en")
    keys = [content_key(question, answer, context) for question, answer in sides]
    if keys[0] == keys[1]:
        return "equal", ""
    pairs = pl.DataFrame(
        {
            "key": keys, "question": row["questions"], "answer": row["answers"],
            "question_key": [part_key(text) for text in row["questions"]],
            "answer_key": [part_key(text) for text in row["answers"]],
            "context_key": [part_key(context) if context else None] * 2,
            "alternatives": [[], []], "occurrences": [1, 1],
        },
        schema_overrides={"context_key": pl.String, "alternatives": pl.List(pl.String)},
    )  # fmt: skip
    figures = ["question_similarity", "answer_similarity", "question_overlap", "answer_overlap", "truncated"]
    words = [overlap(*row["questions"]), overlap(*row["answers"])]
    links = pl.DataFrame(
        [(*sorted(keys), method, 0.999, 0.999, *words, False)], schema=["a", "b", "method", *figures], orient="row"
    )
    grades = pl.DataFrame(
        {"key": keys, "grade": ["A", "A"], "completeness": [1.0, 1.0], "language": [language, language]}
    )
    found = decide(pairs, links, grades, NO_OVERRIDES).verdicts
    return found.select("verdict", "reason").row(0) if found.height else ("", "")


def test_there_are_enough_of_every_kind() -> None:
    kinds = Counter(row["kind"] for row in APART)
    assert len(APART) >= 200
    assert len(SAME) >= 60
    assert set(kinds) == {
        "number", "written number", "unit", "percentage", "date", "timeframe", "negation", "comparative", "antonym",
        "ticker", "indicator", "entity", "direction", "term",
        "loosened",
    }  # fmt: skip
    assert min(kinds.values()) >= 10
    rules = Counter(row["rule"] for row in APART if row["kind"] == "loosened")
    assert min(rules.values()) >= 5, "what lets more through is tried at least five times"
    assert sum(row["questions"][0] == row["questions"][1] for row in APART) >= 80
    assert len({orjson.dumps([row["questions"], row["answers"]]) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", APART, ids=[row["id"] for row in APART])
def test_what_differs_in_one_thing_that_matters_never_merges(row: dict[str, Any]) -> None:
    for method in ("cosine", "lexical"):
        assert verdict(row, method=method)[0] not in ("merge", "equal"), row


@pytest.mark.parametrize("row", SAME, ids=[row["id"] for row in SAME])
def test_what_differs_in_nothing_merges(row: dict[str, Any]) -> None:
    assert verdict(row)[0] in ("merge", "equal"), row
