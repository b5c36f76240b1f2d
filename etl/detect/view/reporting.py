"""Paths in, what was decided about each file out. Nothing is kept and no workspace is touched.

Files are read in a spawned child, as ingest reads them; archives are unpacked into a temporary folder.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.detect.format import MAPPING_CONFIDENCE
from etl.detect.mapping import Similarity, by_content, by_names
from etl.detect.names import known
from etl.detect.outline import Outline
from etl.errors import DeliveryError

if TYPE_CHECKING:
    from etl.read import Reader

INSIDE = "!/"
_ARCHIVE = "archive"
_TRIED = 12  # pairs of files, for a join
_JOINED_BYTES = 64 * 1024**2
_MOST_BYTES = 4 * 1024**3
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """What was decided about one file, and what reading it would give.

    `state`: accepted | refused | unmapped | archive | rejected (a member that may not be unpacked). `container`,
    `encoding` and `shape` have value, confidence and evidence; `fields` the same for each field of ours; `columns` the
    figures of each column; `looked_at` how many of the `bytes` the report rests on (`sampled`: not all).
    """

    path: str
    state: str
    bytes: int = 0
    looked_at: int = 0
    sampled: bool = False
    reason: str | None = None
    evidence: str | None = None
    proposal: dict[str, str] = field(default_factory=dict)
    container: Row = field(default_factory=dict)
    encoding: Row = field(default_factory=dict)
    shape: Row = field(default_factory=dict)
    fields: list[Row] = field(default_factory=list)
    columns: list[Row] = field(default_factory=list)
    records: int = 0
    pairs: int = 0
    rejects: list[Row] = field(default_factory=list)
    samples: list[Row] = field(default_factory=list)
    unused: list[Row] = field(default_factory=list)
    salvaged: Row | None = None
    notes: list[str] = field(default_factory=list)
    texts: dict[str, list[str | None]] = field(default_factory=dict)  # of an unmapped file, for a similarity
    members: list[Report] = field(default_factory=list)
    join: Row | None = None  # with which other file it seems to make one: with, command, confidence, evidence

    @property
    def rejected(self) -> int:
        """Records that would be rejected, those of members included."""
        return sum(int(row["count"]) for row in self.rejects) + sum(member.rejected for member in self.members)

    @property
    def taken(self) -> bool:
        """Everything in it would be taken in."""
        fine = self.state in ("accepted", _ARCHIVE) and not self.rejected
        return fine and all(member.taken for member in self.members)

    def to_dict(self) -> Row:
        """Plain values for JSON."""
        plain = asdict(self)
        del plain["texts"]
        return plain | {"members": [member.to_dict() for member in self.members], "rejected": self.rejected}


def report(path: Path | str, **options: Any) -> Report:
    """What `reports` says of one file. Raises DeliveryError for a folder and for a path that does not exist."""
    if Path(path).is_dir():
        raise DeliveryError(f"{path} is a folder; etl.detect.reports takes folders")
    return next(reports([path], **options))


def reports(
    paths: Sequence[Path | str],
    *,
    reader: Reader | None = None,
    mapping: Mapping[str, str] | None = None,
    salvage: bool = False,
    whole: bool = False,
    similarity: Similarity | None = None,
) -> Iterator[Report]:
    """One report a file below the paths, in order of their names; `archive.zip!/member` means a file in an archive.

    `mapping` shows what reading with it would give; `whole` looks at all of a large text; `similarity` (texts, texts
    -> cosine of each two) helps where names say nothing. Raises DeliveryError for a path that does not exist.
    """
    from etl.ingest.walk import walk
    from etl.read import Reader

    asked = [str(path) for path in paths]
    plain = [path for path in asked if Path(path).exists() or INSIDE not in path]
    found = walk(plain, root=Path.cwd())
    with ExitStack() as stack:
        child = reader or stack.enter_context(Reader())
        desk = _Desk(child, stack, mapping, similarity, {"salvage": salvage, "whole": whole})
        made = {file.path: desk.look(file.path, file.name) for file in found.files}
        yield from with_joins(made, child).values()
        for file in found.arriving:
            yield Report(file.name, "refused", file.bytes, reason="unfinished_name", evidence="still being written")
        for name, reason in found.barred.items():
            yield Report(name, "refused", reason=str(getattr(reason, "reason", reason)))
        for path in asked:
            if path not in plain:
                yield desk.member(path)


@dataclass(slots=True)
class _Desk:
    reader: Reader
    stack: ExitStack
    mapping: Mapping[str, str] | None
    similarity: Similarity | None
    options: dict[str, bool]

    def look(self, path: Path, name: str, *, depth: int = 0) -> Report:
        try:
            said = self.reader.examine(path, mapping=self.mapping, **self.options)
        except DeliveryError as error:
            reason = getattr(error, "reason", "unreadable")
            return Report(name, "refused", _size(path), reason=reason, evidence=getattr(error, "evidence", str(error)))
        made = Report(path=name, **said)
        if made.reason == _ARCHIVE and depth < 2:
            return self._archive(path, made, depth)
        return self._compare(path, made) if self.similarity is not None and made.state == "unmapped" else made

    def member(self, path: str) -> Report:
        """A file inside an archive, by its name there."""
        outer, _, inner = path.partition(INSIDE)
        whole = self.look(Path(outer), outer)
        found = next((one for one in _all(whole.members) if one.path == path), None)
        if found is None:
            names = ", ".join(one.path.removeprefix(outer + INSIDE) for one in whole.members[:5]) or "none"
            raise DeliveryError(f"{outer} has no file {inner}; in it: {names}")
        return found

    def _archive(self, path: Path, made: Report, depth: int) -> Report:
        into = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="etl-detect-")))
        try:
            reading, members = self.reader.unpack(path, into, at_most=_MOST_BYTES)
        except DeliveryError as error:
            return replace(made, reason=getattr(error, "reason", "unreadable"), evidence=str(error))
        if reading.refusal is not None:
            return replace(made, reason=reading.refusal.reason, evidence=reading.refusal.evidence)
        inside = [self.look(Path(where), f"{made.path}{INSIDE}{name}", depth=depth + 1) for name, where, _ in members]
        for name, reason, evidence, _ in reading.rejects.iter_rows():
            inside.append(Report(f"{made.path}{INSIDE}{name}", "rejected", reason=reason, evidence=evidence))
        return replace(made, state=_ARCHIVE, reason=None, evidence=None, members=inside)

    def _compare(self, path: Path, made: Report) -> Report:
        """Ask the model which columns belong together; sure enough, the file is read with what it says."""
        rows = [dict(zip(made.texts, row, strict=True)) for row in zip(*made.texts.values(), strict=False)]
        outline = Outline.of(rows)
        found = by_content(outline, by_names(outline), similarity=self.similarity)
        if not {"question", "answer"} <= found.fields.keys():
            return made
        if found.confidence < MAPPING_CONFIDENCE:
            said = f"with the model, confidence {found.confidence:.2f}; " + "; ".join(found.evidence)
            return replace(made, proposal=found.fields, evidence=said)
        said_now = self.reader.examine(path, mapping=found.fields, **self.options)
        sure = [
            row | {"confidence": found.confidence, "evidence": "; ".join(found.evidence)}
            if row["field"] in ("question", "answer")
            else row
            for row in said_now["fields"]
        ]
        return Report(path=made.path, **(said_now | {"fields": sure}))


def with_joins(made: dict[Path, Report], reader: Reader) -> dict[Path, Report]:
    """The same reports; a file of questions and one of answers beside it, whose ids match strongly, name each other."""
    from etl import joins

    halves = [path for path, one in made.items() if one.reason in joins.HALVES and one.bytes <= _JOINED_BYTES]
    tried = [
        pair for pair in permutations(halves, 2) if pair[0].parent == pair[1].parent and _ask_and_answer(made, *pair)
    ]
    for questions, answers in tried[:_TRIED]:
        try:
            tie = joins.tie(reader, questions, answers)
        except DeliveryError:
            continue
        if tie.confidence < joins.STRONG:
            continue
        on = tie.question_id if tie.question_id == tie.answer_id else f"{tie.question_id}={tie.answer_id}"
        names = [made[path].path for path in (questions, answers)]
        said = {"command": shlex.join(["etl", "join", *names, "--on", on]), "confidence": tie.confidence}
        said["evidence"] = tie.evidence
        made[questions] = replace(made[questions], join={"with": names[1]} | said)
        made[answers] = replace(made[answers], join={"with": names[0]} | said)
    return made


def _ask_and_answer(made: Mapping[Path, Report], questions: Path, answers: Path) -> bool:
    asked, replied = ([row["name"] for row in made[path].columns] for path in (questions, answers))
    return bool(known("question", asked)) and bool(known("answer", replied)) and not known("question", replied)


def _all(members: Sequence[Report]) -> Iterator[Report]:
    for one in members:
        yield one
        yield from _all(one.members)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
