"""Answers and fitted thresholds in, rows that are only ever added out; what stands is the newest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import polars as pl

from etl.calibrate.fit import Fit
from etl.errors import MotherlodeError, NotFoundError
from etl.store import Store

JOB = "calibrate"
WORDS = "words"  # stands for the model where similarity is that of words, which need none


def answer(
    store: Store,
    *,
    model: str,
    method: str,
    language: str,
    a: str,
    b: str,
    similarity: float,
    mergeable: bool,
    duplicate: bool | None,
    who: str,
) -> None:
    """Write one answer down; None takes the former one back."""
    if not who.strip():
        raise MotherlodeError("an answer needs a name: say who answers (--who)")
    with store.unit(JOB, f"answer {a[:10]} {b[:10]}") as unit:
        unit.execute(
            """
            INSERT INTO calibration_answers
            SELECT coalesce(max(id), 0) + 1, $model, $method, $language, $a, $b, $similarity, $mergeable, $duplicate,
                   $who, $at
            FROM calibration_answers
            """,
            {
                "model": model, "method": method, "language": language, "a": a, "b": b, "similarity": similarity,
                "mergeable": mergeable, "duplicate": duplicate, "who": who.strip(),
                "at": store.now().replace(tzinfo=None),
            },
        )  # fmt: skip
        unit.counts["answers"] = 1


def answers(store: Store, *, model: str, method: str, language: str) -> pl.DataFrame:
    """The newest answer to each pair: a, b, similarity, mergeable, duplicate; those taken back are left out."""
    return store.query(
        """
        SELECT a, b, similarity, mergeable, duplicate FROM calibration_answers
        WHERE model = ? AND method = ? AND language = ?
        QUALIFY row_number() OVER (PARTITION BY a, b ORDER BY id DESC) = 1
        ORDER BY a, b
        """,
        [model, method, language],
    ).drop_nulls("duplicate")


def adopt(
    store: Store, found: Fit, *, model: str, method: str, language: str, who: str, source: Mapping[str, Any]
) -> int:
    """Store fitted thresholds; they stand from now on for this model, method and language. Returns their id."""
    if found.merge is None:
        raise MotherlodeError("these answers do not show the wanted precision, so there is no threshold to store")
    if not who.strip():
        raise MotherlodeError("a calibration needs a name: say who made it (--who)")
    return _append(
        store, (model, method, language), found.merge, found.review, found.to_dict() | {"source": dict(source)}, who
    )


def standing(store: Store) -> list[dict[str, Any]]:
    """What stands: one row a model, method and language, with merge, review, evidence (a dict), who and fitted_at."""
    stacks: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in store.query("SELECT * FROM calibrations ORDER BY id").rows(named=True):
        stack = stacks.setdefault((row["model"], row["method"], row["language"]), [])
        if row["merge"] is not None:
            stack.append(row | {"evidence": orjson.loads(row["evidence"])})
        elif stack:
            stack.pop()
    return [stack[-1] for _, stack in sorted(stacks.items()) if stack]


def take_back(store: Store, *, who: str, number: int | None = None) -> dict[str, Any]:
    """Take the newest standing calibration back, or the one with this id; what stood before it stands again."""
    found = {row["id"]: row for row in standing(store)}
    if not found or (number is not None and number not in found):
        raise NotFoundError("no such calibration stands; `etl calibrate --show` lists what does")
    row = found[max(found) if number is None else number]
    _append(store, (row["model"], row["method"], row["language"]), None, None, {"withdrew": row["id"]}, who)
    return row


def _append(
    store: Store,
    about: tuple[str, str, str],
    merge: float | None,
    review: float | None,
    evidence: Mapping[str, Any],
    who: str,
) -> int:
    with store.unit(JOB, f"thresholds {about[1]} {about[2]}") as unit:
        number = int(unit.query("SELECT coalesce(max(id), 0) + 1 AS id FROM calibrations").item())
        at = store.now().replace(tzinfo=None)
        values = [number, *about, merge, review, orjson.dumps(dict(evidence)).decode("utf-8"), who.strip(), at]
        unit.execute("INSERT INTO calibrations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        unit.counts["calibrations"] = 1
    return number
