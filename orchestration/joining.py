"""A file of questions and a file of answers in; one delivery out, in the inbox, as a small text that names both."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import DeliveryError
from orchestration.runs import Result
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from etl.joins import Tie
    from etl.read import Reading

_SHOWN = 3


def join(
    workspace: Workspace,
    questions: Path,
    answers: Path,
    *,
    on: str | None = None,
    question: str | None = None,
    answer: str | None = None,
    sender: str | None = None,
    dry_run: bool = False,
) -> Result:
    """Put a join of two files into the inbox; the next run reads it. Files from elsewhere are copied there with it.

    The same two contents and fields make the same delivery, so joining again changes nothing. `dry_run` only says what
    it would give. Raises DeliveryError where nothing tells which fields belong together.
    """
    from etl.joins import join_of, tie
    from etl.read import Reader

    for path in (questions, answers):
        if not path.is_file():
            raise DeliveryError(f"{path} is no file; give a file of questions, then a file of answers")
    if os.path.realpath(questions) == os.path.realpath(answers):
        raise DeliveryError(f"{questions} cannot be joined with itself; give a file of questions, then one of answers")
    read = workspace.settings.read
    with Reader(timeout_s=read.timeout_s, memory_mb=read.memory_mb) as reader:
        found = tie(reader, questions, answers, on=on, question=question, answer=answer)
        reading = _tried(reader, found, questions, answers)
    data = _told(found, reading)
    if dry_run:
        return Result(data | {"file": None}, f"dry run, nothing was written\n{_said(found, reading)}")
    folder = _home(workspace, questions, answers, sender)
    places = [_placed(path, folder) for path in (questions, answers)]
    target = folder / f"{questions.stem}+{answers.stem}.join"
    _write(target, join_of(found, places[0], places[1], folder=folder).to_bytes())
    said = f"{_said(found, reading)}\nwritten to {target}; 'etl run' reads it"
    return Result(data | {"file": str(target)}, said)


def _tried(reader: Any, found: Tie, questions: Path, answers: Path) -> Reading:
    """The two files as one, read where they lie."""
    from etl.joins import digest
    from etl.read.joined import Join, Side, mapping_of, merged

    sides = [
        Side(questions.name, digest(questions), found.question_id, found.question),
        Side(answers.name, digest(answers), found.answer_id, found.answer),
    ]
    read = [
        reader.read(path, mapping=mapping_of(name, id=side.id, text=side.text))
        for name, path, side in zip(("questions", "answers"), (questions, answers), sides, strict=True)
    ]
    return merged(Join(*sides), *read)


def _home(workspace: Workspace, questions: Path, answers: Path, sender: str | None) -> Path:
    """The folder of both where that lies in the inbox, else the sender's folder there."""
    inbox = workspace.inbox.absolute()
    folder = questions.absolute().parent
    if sender is None and folder == answers.absolute().parent and folder.is_relative_to(inbox):
        return folder
    made = inbox / sender if sender else inbox
    made.mkdir(parents=True, exist_ok=True)
    return made


def _placed(path: Path, folder: Path) -> Path:
    """The file itself where it lies in the folder, else a copy there; another file of its name stays as it is."""
    from etl.joins import digest

    if path.absolute().parent == folder.absolute():
        return path
    content = digest(path)
    target = folder / path.name
    if target.exists() and digest(target) != content:
        target = folder / f"{path.stem}-{content[:8]}{path.suffix}"
    if not target.exists():
        half = target.with_name(f"{target.name}.part")  # no run takes it for a delivery before it is whole
        shutil.copyfile(path, half)
        half.replace(target)
    return target


def _write(target: Path, data: bytes) -> None:
    if target.exists() and target.read_bytes() == data:
        return
    half = target.with_name(f"{target.name}.part")
    half.write_bytes(data)
    half.replace(target)


def _told(found: Tie, reading: Reading) -> dict[str, Any]:
    rejects = reading.rejects.group_by("reason").len().sort("reason")
    columns = ["position", "question", "answer", "alternatives"]
    return {
        "tie": asdict(found),
        "pairs": reading.candidates.height,
        "rejects": dict(rejects.iter_rows()),
        "samples": reading.candidates.select(columns).head(_SHOWN).to_dicts(),
    }


def _said(found: Tie, reading: Reading) -> str:
    lost = reading.rejects.group_by("reason").len().sort("reason")
    rejected = ", ".join(f"{n:,} {reason}" for reason, n in lost.iter_rows())
    given = f"{found.questions:,} questions and {found.answers:,} answers with an id"
    lines = [
        f"{found.question!r} asks, {found.answer!r} answers, {found.question_id!r} = {found.answer_id!r} ties them",
        found.evidence,
        f"{given} give {reading.candidates.height:,} pairs" + (f"; rejected: {rejected}" if rejected else ""),
    ]
    for row in reading.candidates.head(_SHOWN).iter_rows(named=True):
        lines += [f"  {_cut(row['question'])}", f"    {_cut(row['answer'])}"]
    return "\n".join(lines)


def _cut(text: str, most: int = 76) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"
