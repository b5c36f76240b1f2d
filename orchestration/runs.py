"""Runs as a user asks for them: stages drained, a snapshot published, the outcome in figures and in words."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from etl.counts import counts
from etl.errors import DeliveryError, NotFoundError
from etl.progress import Pending
from etl.store import snapshot
from orchestration.pipeline import Pipeline, Watcher
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from etl.overrides import Outcome
    from etl.store import Store

ANNOUNCE_ENCODE_S = 20.0


class Options(TypedDict, total=False):
    """What a run may be told; the fields of a `Pipeline` by the same names."""

    limit: int | None
    model: str | None
    device: str | None
    batch_size: int | None
    sender: str | None
    sessions: str | None
    salvage: bool


@dataclass(frozen=True, slots=True)
class Result:
    """`data` for --json and Python, `text` for a person; `incomplete` when anything was not taken in."""

    data: Mapping[str, Any]
    text: str
    incomplete: bool = False


def run_path(
    workspace: Workspace,
    paths: Sequence[Path] = (),
    *,
    until: str | None = None,
    watcher: Watcher | None = None,
    say: Callable[[str], None] = print,
    clock: Callable[[], float] = time.monotonic,
    **options: Unpack[Options],
) -> Result:
    """The whole path. With no paths the workspace's inbox is read."""
    started = clock()
    wanted = chosen(workspace, paths)
    with workspace.store(write=True) as store:
        pipeline = Pipeline(workspace, store, wanted, **options)
        totals = {}
        for stage in pipeline.stages(until):
            if stage.name not in ("ingest", "snapshot") and not store.value("SELECT count(*) FROM pairs"):
                continue
            if stage.name == "embed":
                _announce(pipeline, stage.pending(), say)
            totals[stage.name] = pipeline.drain(stage, watcher=watcher)
        data = _figures(pipeline, new=totals["ingest"]["new"], duplicates=totals["ingest"]["duplicates"])
        data |= _left_alone(pipeline)
    worked = any(sum(c.values()) for name, c in totals.items() if name != "snapshot")
    data |= {"seconds": round(clock() - started, 2), "changed": worked}
    return Result(data, _summary(workspace, data, changed=worked), _incomplete(data))


def run_stage(
    workspace: Workspace,
    name: str,
    *,
    paths: Sequence[Path] = (),
    watcher: Watcher | None = None,
    say: Callable[[str], None] = print,
    **options: Unpack[Options],
) -> Result:
    """One stage by itself, then a snapshot so that readers see it."""
    wanted = chosen(workspace, paths) if name == "ingest" else ()
    with workspace.store(write=True) as store:
        pipeline = Pipeline(workspace, store, wanted, **options)
        stage = pipeline.stage(name)
        if name == "embed":
            _announce(pipeline, stage.pending(), say)
        done = pipeline.drain(stage, watcher=watcher)
        pipeline.drain(pipeline.stage("snapshot"))
        data = _figures(pipeline) | {"stage": name, **done} | _left_alone(pipeline)
    said = ", ".join(f"{value:,} {key.replace('_', ' ')}" for key, value in done.items() if value) or "nothing to do"
    return Result(data, "\n".join([f"{name}: {said}", *_other_sessions(data), *_not_read(data)]), _incomplete(data))


def estimate(workspace: Workspace, *, model: str | None, device: str | None, batch_size: int | None) -> Result:
    """How long the pending encode would take, from a timed sample."""
    from embeddings import embed

    with workspace.store(write=True) as store:
        pipeline = Pipeline(workspace, store, model=model, device=device, batch_size=batch_size)
        guess = embed.estimate(store, pipeline.encoder)
    text = f"{guess.texts:,} texts at {guess.per_second:.0f} a second: about {_duration(guess.seconds)}"
    if not guess.texts:
        text = "no text waits for a vector"
    return Result({"texts": guess.texts, "per_second": guess.per_second, "seconds": guess.seconds}, text)


def _announce(pipeline: Pipeline, pending: Pending, say: Callable[[str], None]) -> None:
    from embeddings import embed

    if pending.amount < 1_000:
        return
    guess = embed.estimate(pipeline.store, pipeline.encoder)
    if guess.seconds >= ANNOUNCE_ENCODE_S:
        say(f"embed: {guess.texts:,} texts at {guess.per_second:.0f} a second, about {_duration(guess.seconds)}; "
            "stop at any time, the same command goes on")  # fmt: skip


def propose(workspace: Workspace) -> Result:
    """What `resolve` would decide, written to outbox/ and not applied."""
    from etl import resolve

    with workspace.store(write=True) as store:
        pipeline = Pipeline(workspace, store)
        resolution = resolve.propose(store, **pipeline.rules)
        now = store.now()
    folder = workspace.root / "outbox"
    folder.mkdir(exist_ok=True)
    target = folder / f"recommendations-{now:%Y%m%dT%H%M%SZ}.json"
    rows = resolution.verdicts.to_dicts()
    target.write_text(json.dumps(rows, ensure_ascii=False, indent=1, default=str), encoding="utf-8")
    by_verdict = dict(resolution.verdicts.group_by("verdict").len().sort("verdict").iter_rows())
    said = ", ".join(f"{n:,} {verdict}" for verdict, n in by_verdict.items()) or "nothing alike"
    return Result({"file": str(target), "verdicts": by_verdict}, f"{said}; written to {target}, nothing was applied")


def chosen(workspace: Workspace, paths: Sequence[Path]) -> list[Path]:
    """The paths as given, else the inbox; raises `DeliveryError` where there is none."""
    if paths:
        return [Path(path) for path in paths]
    if not workspace.inbox.is_dir():
        raise DeliveryError(
            f"{workspace.root} has no inbox and no files were given. Give files or folders to read, "
            f"or make a workspace with 'etl init {workspace.root}'"
        )
    return [workspace.inbox]


def _figures(pipeline: Pipeline, **more: int) -> dict[str, Any]:
    store = pipeline.store
    data = counts(store) | more | {"goal": pipeline.workspace.settings.project.goal}
    data["not_read"] = store.query(
        "SELECT path, state, reason, evidence FROM deliveries WHERE state IN ('refused', 'unmapped') ORDER BY path"
    ).to_dicts()
    newest = store.query(
        "SELECT version, manifest FROM releases ORDER BY length(version) DESC, version DESC LIMIT 1"
    ).rows()
    data["salvaged"] = store.query(
        "SELECT path FROM deliveries WHERE json_exists(format, '$.details.salvaged') ORDER BY path"
    )["path"].to_list()
    data["release"] = str(pipeline.workspace.exports / newest[0][0]) if newest else None
    data["left_out"] = json.loads(newest[0][1])["counts"].get("left_out", {}) if newest else {}
    return data


def _waiting_decisions(store: Store) -> int:
    """How often people decided something since decisions were last brought up to date."""
    return int(
        store.value(
            """
            SELECT count(*) FROM ledger
            WHERE job = 'override' AND seq > (SELECT coalesce(max(seq), 0) FROM ledger WHERE job = 'resolve')
            """
        )
    )


def _left_alone(pipeline: Pipeline) -> dict[str, Any]:
    """The files that `--sessions` left out, and why."""
    return {} if pipeline.chosen is None else {"left_alone": dict(pipeline.chosen.left)}


def _other_sessions(data: Mapping[str, Any]) -> list[str]:
    said = Counter(data.get("left_alone", {}).values())
    if "left_alone" not in data:
        return []
    return ["left alone: " + (", ".join(f"{n:,} files {why}" for why, n in sorted(said.items())) or "no file")]


def _incomplete(data: Mapping[str, Any]) -> bool:
    return bool(data["not_read"] or data["rejected"])


def _summary(workspace: Workspace, data: Mapping[str, Any], *, changed: bool) -> str:
    lines = [] if changed else ["Nothing new: every file is known and every stage is up to date."]
    if not data["pairs"]:
        lines = ["No pairs of question and answer were found, so there is nothing to release."]
    lines.append(
        f"{data['deliveries']:,} deliveries, {data['occurrences']:,} pairs in them, {data['pairs']:,} distinct "
        f"({data['new']:,} new now, {data['duplicates']:,} exact duplicates now), {data['rejected']:,} records rejected"
    )
    lines.append(
        f"kept {data['kept']:,}   in review {data['review']:,}   merged {data['merged']:,}   "
        f"withheld {data['withheld']:,}   retracted {data['retracted']:,}   open conflicts {data['conflicts']:,}"
    )
    if data["undecided"]:
        lines.append(f"not decided yet {data['undecided']:,}; 'etl run' brings everything up to date")
    if waiting := data.get("waiting_decisions"):
        told = "1 decision by people waits" if waiting == 1 else f"{waiting:,} decisions by people wait"
        lines.append(f"{told} for 'etl run', which brings merges, splits and the release up to date")
    if any(data["splits"].values()):
        lines.append("   ".join(f"{name} {n:,}" for name, n in data["splits"].items()))
    if data["goal"]:
        standing = data["kept"] + data["review"]
        lines.append(f"{standing:,} of {data['goal']:,} wanted pairs ({standing / data['goal']:.1%})")
    left_out = {name: n for name, n in data["left_out"].items() if n}
    if data["release"]:
        gates = "; gates left out " + ", ".join(f"{n:,} {name}" for name, n in left_out.items()) if left_out else ""
        lines.append(f"release {workspace.given / 'exports' / Path(data['release']).name}{gates}")
    if (workspace.reports / "report.html").exists():
        lines.append(f"report  {workspace.given / 'reports' / 'report.html'}")
    wrong = [name for name, holds in data["adds_up"].items() if not holds]
    lines += [f"DOES NOT ADD UP: {name} ('etl doctor' looks closer)" for name in wrong]
    return "\n".join([*lines, *_other_sessions(data), *_not_read(data)])


def _not_read(data: Mapping[str, Any]) -> list[str]:
    files, salvaged = data["not_read"], data["salvaged"]
    lines = [f"salvaged, read up to a break only: {', '.join(salvaged)}"] if salvaged else []
    if not files:
        return lines
    shown = ", ".join(f"{'/'.join(Path(f['path']).parts[-2:])} ({f['reason']})" for f in files[:8])
    more = f" and {len(files) - 8} more; 'etl inbox' lists them" if len(files) > 8 else ""
    lines.append(f"{len(files)} file{'s' if len(files) > 1 else ''} NOT read: {shown}{more}")
    if any(f["reason"] == "unmapped" for f in files):
        lines.append("'etl mapping list' shows what is proposed for files that are unmapped")
    return lines


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


def change(workspace: Workspace, act: Callable[[Store], Outcome | Mapping[str, Any]]) -> Result:
    """A change made by hand, then a snapshot so that readers see it; `act` returns what it did, in words or figures."""
    with workspace.store(write=True) as store:
        outcome = act(store)
        snapshot.create(store)
    if isinstance(outcome, Mapping):
        words = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in outcome.items())
        return Result(outcome, words)
    return Result(outcome.data, outcome.text)


def status(workspace: Workspace) -> Result:
    """The store in figures, as of the newest snapshot."""
    with workspace.store() as store:
        pipeline = Pipeline(workspace, store)
        data = _figures(pipeline, new=0, duplicates=0)
        data["waiting_decisions"] = _waiting_decisions(store)
        seen = store.snapshot
        data["snapshot"] = seen.name if seen else None
        data["snapshot_age_s"] = round(seen.age_s(store.now()), 1) if seen else None
    as_of = f"as of snapshot {seen.name}, {_duration(seen.age_s(store.now()))} old" if seen else "live, no snapshot yet"
    return Result(data, f"{as_of}\n{_summary(workspace, data, changed=True)}", _incomplete(data))


def inbox(workspace: Workspace) -> list[dict[str, Any]]:
    """One row a file in the inbox; works before there is a store."""
    from etl import ingest

    if not workspace.inbox.is_dir():
        raise DeliveryError(f"{workspace.root} has no inbox; 'etl init {workspace.root}' makes one")
    try:
        with workspace.store() as store:
            return ingest.inbox(store, workspace.inbox, root=workspace.root).to_dicts()
    except NotFoundError:
        return ingest.inbox(None, workspace.inbox, root=workspace.root).to_dicts()


def search(workspace: Workspace, text: str, *, top: int, words: bool) -> list[dict[str, Any]]:
    """The kept pairs nearest to a text, by meaning where vectors are stored, else by words."""
    from embeddings import search as searching

    with workspace.store() as store:
        by_meaning = not words and store.value("SELECT count(*) FROM vectors") > 0
        encoder = Pipeline(workspace, store).encoder if by_meaning else None
        found: list[dict[str, Any]] = searching.search(store, text, encoder=encoder, top=top).to_dicts()
        return found
