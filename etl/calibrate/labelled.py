"""A file of labelled pairs in, answers by language out, once a model has said how alike they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from etl.calibrate.fit import Answer
from etl.calibrate.sample import mergeable
from etl.errors import DeliveryError
from etl.keys import content_key, part_key
from etl.resolve import Rules
from etl.words import overlap

LABELS = {"duplicate": True, "conflict": False, "variant": False, "different": False}
UNDECIDED = frozenset({"unsure"})

_TYPES: dict[str, pl.DataType] = {"context_key": pl.String(), "alternatives": pl.List(pl.String())}

# texts -> the cosine of each pair of texts, and whether one of the two is longer than the model reads
Alike = Callable[[Sequence[tuple[str, str]]], Sequence[tuple[float, bool]]]


def labelled(path: Path, rules: Rules, alike: Alike) -> dict[str, list[Answer]]:
    """Answers of a JSON Lines file by language; pairs of two languages and undecided ones are left out.

    A line holds `label` (duplicate, conflict, variant, different, unsure) and the two pairs, either as `a` and `b` with
    question, answer and language, or as question_a, answer_a, question_b, answer_b and language. Raises
    `DeliveryError` with the number of a line that holds something else.
    """
    rows = [row for row in _rows(path) if row["label"] not in UNDECIDED]
    alike_questions = alike([(row["question_a"], row["question_b"]) for row in rows])
    alike_answers = alike([(row["answer_a"], row["answer_b"]) for row in rows])
    links, texts = [], {}
    for row, question, answer in zip(rows, alike_questions, alike_answers, strict=True):
        for side in "ab":
            key = content_key(row[f"question_{side}"], row[f"answer_{side}"], row["context"])
            row[f"key_{side}"] = key
            texts[key] = _text(row, side, key)
        row["similarity"] = round(min(question[0], answer[0]), 4)
        a, b = sorted((row["key_a"], row["key_b"]))
        links.append({
            "a": a, "b": b, "method": "cosine", "question_similarity": round(question[0], 4),
            "answer_similarity": round(answer[0], 4), "truncated": question[1] or answer[1],
            "question_overlap": overlap(row["question_a"], row["question_b"]),
            "answer_overlap": overlap(row["answer_a"], row["answer_b"]),
        })  # fmt: skip
    if not rows:
        return {}
    frame = pl.DataFrame(list(texts.values()), schema_overrides=_TYPES)
    could = {(a, b): bool(yes) for a, b, yes in mergeable(frame, pl.DataFrame(links), rules, method="cosine").rows()}
    found: dict[str, list[Answer]] = {}
    for row, link in zip(rows, links, strict=True):
        if row["language_a"] == row["language_b"]:
            answer_ = Answer(row["similarity"], LABELS[row["label"]], could.get((link["a"], link["b"]), False))
            found.setdefault(row["language_a"], []).append(answer_)
    return found


def _text(row: dict[str, Any], side: str, key: str) -> dict[str, Any]:
    question, answer = row[f"question_{side}"], row[f"answer_{side}"]
    return {
        "key": key, "question": question, "answer": answer, "question_key": part_key(question),
        "answer_key": part_key(answer), "context_key": part_key(row["context"]) if row["context"] else None,
        "alternatives": [], "language": row[f"language_{side}"],
    }  # fmt: skip


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise DeliveryError(f"{path} cannot be read: {error.strerror}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(_row(orjson.loads(line)))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise DeliveryError(
                f"{path}, line {number}: expected a label ({', '.join([*LABELS, *sorted(UNDECIDED)])}) and two pairs "
                f"with question and answer; {error}"
            ) from error
    return rows


def _row(given: dict[str, Any]) -> dict[str, Any]:
    if given["label"] not in LABELS and given["label"] not in UNDECIDED:
        raise ValueError(f"label {given['label']!r} is none of them")
    row = {"label": given["label"], "context": given.get("context")}
    for side in "ab":
        pair = given.get(side)
        if not isinstance(pair, dict):
            pair = {part: given[f"{part}_{side}"] for part in ("question", "answer")}
            pair["language"] = given.get(f"language_{side}")
        row |= {f"{part}_{side}": str(pair[part]) for part in ("question", "answer")}
        row[f"language_{side}"] = str(pair.get("language") or given.get("language") or "und")
    return row
