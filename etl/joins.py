"""Two files in, one of questions and one of answers; how they belong together out: the fields that tie them, with
evidence, and the text of the join (`etl.read.joined`) that makes one delivery of them.

Ids that match prove little: numbers from 1 fit any two files. So nothing is joined by itself; `detect` proposes, a
person says `etl join`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from etl.detect.names import known, plain
from etl.errors import DeliveryError
from etl.read.joined import Join, Side, mapping_of

if TYPE_CHECKING:
    from etl.read import Reader

Row = dict[str, Any]
HALVES = ("half_of_a_pair_of_files", "questions_only", "answers_only", "predictions")
STRONG = 0.8  # confidence from which a join is proposed without being asked for
_COUNTED = 0.5  # of the confidence is left where ids only count from 0 or 1
_FEW = 5  # ids; fewer prove nothing


@dataclass(frozen=True, slots=True)
class Tie:
    """How two files belong together. `confidence` is the share of ids with a partner on the side that has fewer such,
    half of it where the ids only count."""

    question: str
    answer: str
    question_id: str
    answer_id: str
    questions: int
    answers: int
    shared: int  # distinct ids that stand on both sides
    confidence: float
    evidence: str


def tie(
    reader: Reader,
    questions: Path,
    answers: Path,
    *,
    on: str | None = None,
    question: str | None = None,
    answer: str | None = None,
) -> Tie:
    """Find the fields that tie two files; those given are taken as they are. `on` is one name, or two: `FIELD=FIELD`,
    that of the questions first.

    Raises DeliveryError where a field is not there, or nothing tells which it is.
    """
    asked, replied = (_columns(reader, path) for path in (questions, answers))
    question = _text(questions, asked, "question", question)
    answer = _text(answers, replied, "answer", answer)
    pairs = _given(on) if on else _ids(asked, replied, question, answer)
    for path, columns, names in ((questions, asked, {q for q, _ in pairs}), (answers, replied, {a for _, a in pairs})):
        for name in names:
            _there(path, columns, name)
    if not pairs:
        raise DeliveryError(
            f"nothing tells which fields of {questions.name} and {answers.name} hold the same ids; say --on FIELD or "
            f"--on FIELD=FIELD. {questions.name} has {_listed(asked)}; {answers.name} has {_listed(replied)}"
        )
    found = [_measured(reader, questions, answers, question, answer, *names) for names in pairs]
    best = max(found, key=lambda one: one.confidence)
    if not on and not best.shared:
        fields = f"{questions.name}[{best.question_id}] stands in {answers.name}[{best.answer_id}]"
        raise DeliveryError(f"no id of {fields}; say --on FIELD=FIELD")
    return best


def join_of(found: Tie, questions: Path, answers: Path, *, folder: Path) -> Join:
    """The join of two files that lie in this folder or below."""
    places = [path.absolute().relative_to(folder.absolute()).as_posix() for path in (questions, answers)]
    return Join(
        Side(places[0], digest(questions), found.question_id, found.question),
        Side(places[1], digest(answers), found.answer_id, found.answer),
    )


def digest(path: Path) -> str:
    """The sha256 of a file. Raises DeliveryError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DeliveryError(f"{path} cannot be read: {error.strerror or error}") from error


def _columns(reader: Reader, path: Path) -> list[Row]:
    said = reader.examine(path)
    if not said["columns"]:
        why = said["evidence"] or said["shape"]["evidence"]
        raise DeliveryError(f"{path} has no fields that could be joined: {said['reason'] or said['state']}, {why}")
    found: list[Row] = said["columns"]
    return found


def _text(path: Path, columns: Sequence[Row], ours: str, told: str | None) -> str:
    """The field of the texts: told, known by its name, or the one that asks most or is longest."""
    if told is not None:
        return _there(path, columns, told)
    names = [name for worth, name in known(ours, [row["name"] for row in columns]) if worth >= 0.5]
    texts = [row for row in columns if row["kind"] == "text"]
    if not names and texts:
        best = max(texts, key=lambda row: (row["asking"] if ours == "question" else 0.0, row["mean_length"]))
        names = [best["name"]]
    if not names:
        raise DeliveryError(f"nothing in {path} looks like {ours}s; say --{ours} FIELD. It has {_listed(columns)}")
    return str(names[0])


def _there(path: Path, columns: Sequence[Row], name: str) -> str:
    if all(row["name"] != name for row in columns):
        raise DeliveryError(f"{path} has no field {name!r}; it has {_listed(columns)}")
    return name


def _given(on: str) -> list[tuple[str, str]]:
    ours, sign, theirs = on.partition("=")
    return [(ours.strip(), theirs.strip() if sign else ours.strip())]


def _ids(asked: Sequence[Row], replied: Sequence[Row], question: str, answer: str) -> list[tuple[str, str]]:
    """Fields that may hold the same ids: those of one name, or where one says `id` and the other `question_id`."""
    ours = [row["name"] for row in asked if row["name"] != question and _may_be_id(row)]
    theirs = [row["name"] for row in replied if row["name"] != answer and _may_be_id(row)]
    same = [(one, other) for one, other in product(ours, theirs) if plain(one) == plain(other)]
    own = ("id", "qid", "questionid", "questionno", "questionnumber", "uid", "key")
    linked = [(one, other) for one, other in product(ours, theirs) if plain(one) in own and plain(other) in own]
    return list(dict.fromkeys([*same, *linked]))


def _may_be_id(row: Row) -> bool:
    return row["kind"] in ("id", "number") or (row["variety"] >= 0.3 and row["mean_length"] <= 40)


def _listed(columns: Sequence[Row]) -> str:
    return ", ".join(repr(row["name"]) for row in columns[:12]) + (" ..." if len(columns) > 12 else "")


def _measured(
    reader: Reader, questions: Path, answers: Path, question: str, answer: str, question_id: str, answer_id: str
) -> Tie:
    told = [("questions", questions, question_id, question), ("answers", answers, answer_id, answer)]
    ids = []
    for name, path, id_, text in told:
        reading = reader.read(path, mapping=mapping_of(name, id=id_, text=text))
        if reading.refusal is not None:
            raise DeliveryError(f"{path}: {reading.refusal.reason}, {reading.refusal.evidence}")
        ids.append(reading.candidates["answer" if name == "questions" else "question"].str.strip_chars())
    ours, theirs = (found.unique() for found in ids)
    shared = ours.filter(ours.is_in(theirs.implode()))
    share = min(len(shared) / max(len(ours), 1), len(shared) / max(len(theirs), 1))
    counts = _only_count(shared)
    sure = round(share * (_COUNTED if counts else 1.0) * (len(shared) >= _FEW), 4)
    said = f"{len(shared):,} ids stand on both sides, of {len(ours):,} under {question_id!r} and {len(theirs):,} under "
    said += repr(answer_id) + ("; they only count, and numbers from 1 fit any two files" if counts else "")
    return Tie(question, answer, question_id, answer_id, len(ids[0]), len(ids[1]), len(shared), sure, said)


def _only_count(ids: pl.Series) -> bool:
    """Small whole numbers without large gaps: they say nothing about whose numbers they are."""
    numbers = ids.cast(pl.Int64, strict=False)
    largest = numbers.max()
    return numbers.null_count() == 0 and isinstance(largest, int) and largest <= 2 * len(ids) + 1
