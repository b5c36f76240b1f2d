"""A folder of the first version in; its pairs, tasks and handoffs in a workspace, and a balance sheet out.

Every step can be repeated: files are copied under a temporary name and then renamed, deliveries are known by their
content, tasks by their names. So after a kill the same command goes on, and nothing doubles.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etl import migrate as old_project
from etl.errors import MotherlodeError, SettingsError
from etl.migrate.folder import PLACE, Old, target
from etl.store import snapshot
from orchestration import dry, tasks
from orchestration.control import Control
from orchestration.pipeline import Pipeline, Watcher
from orchestration.runs import Result
from orchestration.workspace import Workspace, init

SHEET = "migration.json"
MOST_SHOWN = 40


def migrate(workspace: Workspace, folder: Path, *, dry_run: bool = False, watcher: Watcher | None = None) -> Result:
    """Take an old project over. The sheet is kept in `reports/migration.json`."""
    _apart(workspace.root, folder.absolute())
    old = old_project.survey(folder.absolute())
    with tempfile.TemporaryDirectory(prefix="etl-migrate-") as temporary:
        base, passed = old_project.newest(old, Path(temporary))
        data = _inventory(old, base, passed)
        if dry_run:
            return _foretold(workspace, old, base, data)
        init(workspace.root)
        copied = _take_over(workspace, old, base)
        data |= _read(workspace, old, base, copied, watcher) | {"tasks": _tasks(workspace, old)}
    (workspace.reports / SHEET).write_text(
        json.dumps(data, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8"
    )
    return Result(data, _text(data), incomplete=bool(data["totals"]["not_read"] or data["totals"]["rejects"]))


def _apart(root: Path, folder: Path) -> None:
    here, there = root.resolve(), folder.resolve()
    if here == there or here.is_relative_to(there):
        raise SettingsError(
            f"the workspace {root} lies in the old folder, which is never written to; give another with --workspace"
        )


def _inventory(old: Old, base: old_project.Base | None, passed: Mapping[str, str]) -> dict[str, Any]:
    return {
        "old": str(old.root),
        "files": old.files,
        "base": None if base is None else {"name": base.name, "rows": base.rows, "older": list(base.older)},
        "passed_over": dict(passed),
        "deliveries": len(old.deliveries),
        "queues": list(old.queues),
        "kept": list(old.kept),
        "left": dict(old.left),
    }


def _foretold(workspace: Workspace, old: Old, base: old_project.Base | None, data: dict[str, Any]) -> Result:
    paths = [*([base.file] if base else []), *(old.root / name for name in old.deliveries)]
    told = dry.foresee(workspace, paths) if paths else {}
    text = "\n".join([*_head(data), *([dry.text(told, semantic=False)] if told else [])])
    return Result(data | {"dry_run": told}, text)


def _take_over(workspace: Workspace, old: Old, base: old_project.Base | None) -> dict[str, str]:
    """Copy what is taken over; returns where each file went, by its old name."""
    went = {}
    if base is not None:
        went[base.name] = _copied(base.file, workspace.root, f"inbox/{PLACE}/{Path(base.name).name}")
    for name in (*old.deliveries, *old.queues, *old.kept):
        went[name] = _copied(old.root / name, workspace.root, target(name))
    return went


def _copied(source: Path, root: Path, wanted: str) -> str:
    """Copy as a whole under this name, or beside another file that has it; nothing where the same content is there."""
    for number in range(1_000):
        stem, dot, suffix = wanted.rpartition(".")
        name = wanted if not number else f"{stem}~{number}{dot}{suffix}"
        place = root / name
        if place.is_file() and _sha256(place) == _sha256(source):
            return name
        if place.exists():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(place.name + ".part")
        shutil.copy2(source, part)
        part.replace(place)
        return name
    raise SettingsError(f"{root / wanted}: a thousand other files have that name")


def _read(
    workspace: Workspace, old: Old, base: old_project.Base | None, went: Mapping[str, str], watcher: Watcher | None
) -> dict[str, Any]:
    """Read the base first, so that what files repeat of it counts as theirs; then balance from the store."""
    names = [went[name] for name in old.deliveries]
    first = None if base is None else went[base.name]
    with workspace.store(write=True) as store:
        for part in ([first] if first else [], names):
            if part:
                pipeline = Pipeline(workspace, store, [workspace.root / name for name in part])
                pipeline.drain(pipeline.stage("ingest"), watcher=watcher)
        sheet = old_project.balance(
            store, [*([first] if first else []), *names], base=first, rows=base.rows if base else None
        )
        claims = old_project.compared(store, old_project.claims(old), sheet)
        sheet["pairs_here"] = store.value("SELECT count(*) FROM pairs")
        snapshot.create(store)
    return sheet | {"claims": claims}


def _tasks(workspace: Workspace, old: Old) -> dict[str, Any]:
    added: list[str] = []
    known: list[str] = []
    notes: list[str] = []
    with Control.open(workspace.root) as control:
        # tasks of the agents' queues need tasks of the stack, so it comes first
        for name in sorted(old.queues, key=lambda name: ("/" in name, not name.startswith("task_stack"), name)):
            try:
                imported = tasks.import_file(control, old.root / name, actor="etl migrate")
            except MotherlodeError as error:
                notes.append(f"{name}: {error}")
                continue
            added += imported.added
            known += imported.known
            notes += imported.notes
    return {"added": added, "known": sorted(set(known) - set(added)), "notes": notes}


def _head(data: Mapping[str, Any]) -> list[str]:
    base = data["base"]
    lines = [f"{data['old']}: {data['files']:,} files, each accounted for"]
    lines += [f"base {name} passed over: {why}" for name, why in data["passed_over"].items()]
    if base:
        rows = ", ".join(f"{table} {n:,}" for table, n in base["rows"].items())
        lines.append(f"base {base['name']}: {rows}; {len(base['older'])} older backups not needed")
    else:
        lines.append("no base that opens")
    lines.append(
        f"{data['deliveries']:,} delivered files, {len(data['queues'])} queues, {len(data['kept'])} handoffs and other "
        f"records kept as files, {len(data['left'])} files left where they are"
    )
    return lines


def _text(data: Mapping[str, Any]) -> str:
    totals, tasks_ = data["totals"], data["tasks"]
    lines = _head(data)
    lines.append(
        f"read {totals['records']:,} records: {totals['new']:,} new pairs, {totals['duplicates']:,} exact duplicates, "
        f"{totals['rejects']:,} rejected; {totals['not_read']:,} files not read; {data['pairs_here']:,} pairs here now"
    )
    for row in data["tables"]:
        taken = f"{row['taken']:,} taken, {row['rejected']:,} rejected, {row['missing']:,} missing"
        lines.append(f"  table {row['table']}: {row['there']:,} there, {row['why'] or taken}")
    different = [f"  {line}" for row in data["sources"] if (line := _difference(row))]
    lines += different[:MOST_SHOWN]
    if len(different) > MOST_SHOWN:
        lines.append(f"  {len(different) - MOST_SHOWN:,} more files with differences in reports/{SHEET}")
    lines.append(f"tasks: {len(tasks_['added'])} taken over, {len(tasks_['known'])} known already")
    lines += [f"  {note}" for note in tasks_["notes"]]
    false = [claim for claim in data["claims"] if not claim["true"]]
    if data["claims"]:
        lines.append(f"the old books make {len(data['claims'])} claims that can be checked, {len(false)} are not true:")
    lines += [
        f'  {claim["where"]}: "{claim["said"]}" claims {claim["claimed"]:,}, found {claim["found"]:,}'
        + (f" ({claim['note']})" if claim["note"] else "")
        for claim in false
    ]
    lines += [f"DOES NOT ADD UP: {name}" for name, holds in data["adds_up"].items() if not holds]
    return "\n".join([*lines, "'etl run' makes the dataset of it; 'etl task list' shows the queue"])


def _difference(row: Mapping[str, Any]) -> str:
    """What makes a file give fewer new pairs than it has records; nothing where it gives all."""
    if row["state"] != "accepted":
        return f"{row['path']}: NOT read, {row['reason'] or row['state'] or 'not looked at'}"
    said = []
    if row["duplicates"]:
        others = ", ".join(f"{n:,} in {path}" for path, n in row["duplicates_of"].items())
        twice = f"{row['twice']:,} twice in itself" if row["twice"] else ""
        said.append(f"{row['duplicates']:,} exact duplicates ({'; '.join(filter(None, (others, twice)))})")
    if row["rejects"]:
        reasons = ", ".join(f"{n:,} {why}" for why, n in row["why"].items())
        said.append(f"{row['rejects']:,} rejected ({reasons})")
    return f"{row['path']}: {row['records']:,} records, {row['new']:,} new, " + ", ".join(said) if said else ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
