"""A join in: a small text that names a file of questions, a file of answers and the fields that tie them. One `Reading`
out, as if somebody had put both into one file.

The two are read as any delivery is, the id in the place of what the other file holds. Every record of either side goes
into a pair or is a reject: `no_partner`, `duplicate_id` (a second question of an id), `no_id`, or what its own file
makes of it. Several answers of one id are one pair with alternatives.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from etl.detect.format import Format
from etl.detect.strict_json import canonical
from etl.read.limits import Limits
from etl.read.reading import CANDIDATES, REJECTS, Reading

MAGIC = b"# etl join 1\n"
MOST_BYTES = 16_384
SHAPE = "joined"
LACKING = ("joined_file_missing", "joined_file_changed")
ID_LACKS = {"questions": ("no_answer", "empty_answer"), "answers": ("no_question", "empty_question")}
_SIDES = {"questions": "question", "answers": "answer"}
_WHOLE = re.compile(r"(\d+)\.0")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two files: its name beside the join, its content, the field of the ids and that of the texts."""

    file: str
    sha256: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Join:
    """Which two files are read as one."""

    questions: Side
    answers: Side

    def to_bytes(self) -> bytes:
        """The same text for the same two contents, names and fields."""
        lines = ["# Two files that are read as one delivery. Where one of them changes, make the join anew."]
        for name, ours in _SIDES.items():
            side: Side = getattr(self, name)
            told = {"file": side.file, "sha256": side.sha256, "id": side.id, ours: side.text}
            lines += ["", f"[{name}]", *(f"{key} = {_quoted(value)}" for key, value in told.items())]
        return MAGIC + "\n".join([*lines, ""]).encode("utf-8")

    @classmethod
    def of(cls, data: bytes) -> Join:
        """The inverse of `to_bytes`. Raises ValueError for what is none."""
        told = tomllib.loads(data.decode("utf-8"))
        sides = []
        for name, ours in _SIDES.items():
            values = [told.get(name, {}).get(key) for key in ("file", "sha256", "id", ours)]
            if not all(isinstance(value, str) and value for value in values):
                raise ValueError(f"[{name}] names file, sha256, id and {ours}")
            sides.append(Side(*values))
        return cls(*sides)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def is_join(data: bytes) -> bool:
    """Whether a file says of itself that it is a join; its name does not matter."""
    return data.startswith(MAGIC) and len(data) <= MOST_BYTES


def read_join(path: Path, data: bytes, *, limits: Limits) -> Reading:
    """Read the two files that a join names. They lie in its folder or below, nowhere else."""
    known = Format("join", "utf-8", SHAPE, {}, 1.0)
    try:
        join = Join.of(data)
    except ValueError as error:
        return Reading.refused("broken_join", f"{error}; make it anew with 'etl join'", format=known)
    sides: dict[str, Reading] = {}
    for name in _SIDES:
        side: Side = getattr(join, name)
        found = _one(path.parent, name, side, limits)
        if found.refusal is not None:
            reason, evidence = found.refusal.reason, f"{side.file}: {found.refusal.evidence}"
            return Reading.refused(reason, evidence, format=known)
        sides[name] = found
    return merged(join, sides["questions"], sides["answers"])


def _one(folder: Path, name: str, side: Side, limits: Limits) -> Reading:
    from etl.read.file import read

    place = folder / side.file
    if not place.resolve().is_relative_to(folder.resolve()) or Path(side.file).is_absolute():
        return Reading.refused("unsafe_path", "a join names files in its own folder or below")
    if not place.is_file():
        return Reading.refused("joined_file_missing", "it is not there")
    with place.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            return Reading.refused("broken_join", "a join of joins")
        file.seek(0)
        if (found := hashlib.file_digest(file, "sha256").hexdigest()) != side.sha256:
            said = f"its content is not the one that was joined: {found[:12]} instead of {side.sha256[:12]}"
            return Reading.refused("joined_file_changed", said)
    return read(place, mapping=mapping_of(name, id=side.id, text=side.text), limits=limits)


def mapping_of(name: str, *, id: str, text: str) -> dict[str, str]:  # noqa: A002 - what the field is called
    """How the file of one side is read: the id stands where the text of the other side will."""
    return {"question": text, "answer": id} if name == "questions" else {"question": id, "answer": text}


def parts_of(reading: Reading) -> list[str]:
    """The sha256 of the two files that were read as one; nothing for any other reading."""
    joined = reading.format.details.get(SHAPE) if reading.format and reading.format.shape == SHAPE else None
    return [side["sha256"] for side in joined.values()] if joined and reading.refusal is None else []


def merged(join: Join, questions: Reading, answers: Reading) -> Reading:
    """Two readings, each with the id in the place of what it lacks, as one. Raises ValueError when a record is lost."""
    asked = _with_id(questions.candidates, "answer")
    replied = _with_id(answers.candidates, "question")
    first = asked.unique("id", keep="first", maintain_order=True)
    rejects = [
        _given(questions.rejects, "questions"),
        _given(answers.rejects, "answers"),
        _twice(asked, first),
        _alone(first.join(replied, on="id", how="anti"), "questions", "answer"),
        _alone(replied.join(first, on="id", how="anti"), "answers", "question"),
    ]
    rows = first.join(_gathered(replied), on="id", how="inner", maintain_order="left")
    candidates, lost = _pairs(rows), pl.concat(rejects)
    used = int(rows["answers"].list.len().sum())
    sides = {"questions": (questions, candidates.height), "answers": (answers, used)}
    for name, (reading, taken) in sides.items():
        rejected = lost.filter(pl.col("position").str.starts_with(f"{name}:")).height
        if reading.records != taken + rejected:
            raise ValueError(f"{reading.records} {name} were read, {taken} are in pairs, {rejected} rejected")
    return Reading(_format(join, sides), candidates.height + lost.height, candidates, lost)


def _with_id(candidates: pl.DataFrame, column: str) -> pl.DataFrame:
    return candidates.with_columns(id=pl.col(column).str.strip_chars().str.replace(f"^{_WHOLE.pattern}$", "$1"))


def _gathered(replied: pl.DataFrame) -> pl.DataFrame:
    """One row an id: its answers in their order, with what stands beside them."""
    others = ["answer", "alternatives", "position", "raw_digest", "metadata", "sources"]
    alone = ["context", "indicator", "category", "licence", "source_session"]
    return replied.group_by("id", maintain_order=True).agg(
        *(pl.col(name).alias(f"{name}s") for name in others),
        *(pl.col(name).drop_nulls().first().alias(f"{name}_there") for name in alone),
    )


def _pairs(rows: pl.DataFrame) -> pl.DataFrame:
    made = []
    for row in rows.iter_rows(named=True):
        texts = list(dict.fromkeys([*row["answers"], *(text for more in row["alternativess"] for text in more)]))
        digests = row["raw_digest"] + "".join(row["raw_digests"])
        made.append(
            {
                "position": f"questions:{row['position']}+answers:{','.join(row['positions'])}",
                "question": row["question"],
                "answer": texts[0],
                "alternatives": texts[1:],
                "sources": list(dict.fromkeys([*row["sources"], *(one for more in row["sourcess"] for one in more)])),
                "phrasings": row["phrasings"],
                "metadata": _metadata(row),
                "derived": [],
                "raw_digest": hashlib.sha256(digests.encode("ascii")).hexdigest()[:32],
            }
            | {
                name: row[name] if row[name] is not None else row[f"{name}_there"]
                for name in ("context", "indicator", "category", "licence", "source_session")
            }
        )
    return pl.DataFrame(made, schema=CANDIDATES)


def _metadata(row: dict[str, Any]) -> str:
    """What is beside the question, and beside the first answer under names that the question has not; the id."""
    own = json.loads(row["metadata"]) if row["metadata"] else {}
    there = json.loads(row["metadatas"][0]) if row["metadatas"][0] else {}
    more = {name if name not in own else f"answer_{name}": value for name, value in there.items()}
    return canonical(own | more | {"joined_by": row["id"]}).decode("utf-8")


def _given(rejects: pl.DataFrame, name: str) -> pl.DataFrame:
    no_id = pl.col("reason").is_in(ID_LACKS[name])
    reason = pl.when(no_id).then(pl.lit("no_id")).otherwise("reason")
    return rejects.with_columns(position=_at(name), reason=reason)


def _twice(asked: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    more = asked.join(first.select("position"), on="position", how="anti")
    more = more.join(first.select("id", stands=pl.col("position")), on="id", how="left", maintain_order="left")
    said = pl.format("the id {} stands at {} already", pl.col("id").str.head(60), "stands")
    return _rejects(more, "questions", "question", "duplicate_id", said)


def _alone(rows: pl.DataFrame, name: str, other: str) -> pl.DataFrame:
    said = pl.format(f"no {other} has the id {{}}", pl.col("id").str.head(60))
    return _rejects(rows, name, "question" if name == "questions" else "answer", "no_partner", said)


def _rejects(rows: pl.DataFrame, name: str, text: str, reason: str, said: pl.Expr) -> pl.DataFrame:
    return rows.select(
        position=_at(name), reason=pl.lit(reason), evidence=said, raw=pl.format("{}: {}", "id", pl.col(text))
    ).cast(REJECTS)


def _at(name: str) -> pl.Expr:
    return pl.format(f"{name}:{{}}", "position")


def _format(join: Join, sides: dict[str, tuple[Reading, int]]) -> Format:
    joined, mapping = {}, {}
    for name, (reading, taken) in sides.items():
        side: Side = getattr(join, name)
        made = reading.format
        told = {"file": side.file, "sha256": side.sha256, "id": side.id, "records": reading.records, "in_pairs": taken}
        told |= {"container": made.container, "encoding": made.encoding} if made else {}
        joined[name] = told
        mapping[_SIDES[name]] = f"{side.file}[{side.text}]"
    evidence = f"{join.questions.file}[{join.questions.id}] = {join.answers.file}[{join.answers.id}], a person said so"
    return replace(Format("join", "utf-8", SHAPE, mapping, 1.0, (evidence,)), details={"joined": joined})
