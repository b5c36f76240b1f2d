"""`etl init`, `etl run` and one command a stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration.cli.console import INCOMPLETE, State, bars, state, table

Paths = Annotated[list[Path] | None, typer.Argument(help="Files or folders; none: the inbox.")]
Model = Annotated[str | None, typer.Option(help="Model name, or 'hash' for trials without a model.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda or mps; unset: torch chooses.")]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Texts a forward pass.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Stop after so many pairs (ingest) or texts (embed).")]
Sender = Annotated[str | None, typer.Option(help="Who delivered; unset: the folder below the inbox.")]
Sessions = Annotated[
    str | None, typer.Option(help="Only files of these sessions of the sender, by name or content: 101-140,150.")
]
Salvage = Annotated[
    bool, typer.Option("--salvage", help="Of broken JSON take what stands before the break; the rest is one reject.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 3 when anything was refused, unmapped or rejected.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(init)
    app.command()(run)
    stages: dict[str, Callable[..., None]] = {"ingest": ingest, "embed": embed, "resolve": resolve}
    for name in ("ingest", "assess", "embed", "link", "resolve", "audit", "split", "export", "report"):
        app.command(name, help=_PLAIN.get(name))(stages.get(name) or _plain(name))


def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The folder to make.")] = Path(),
    example: Annotated[bool, typer.Option("--example", help="Queue the classic eight tasks as well.")] = False,
) -> None:
    """Make a workspace: settings, inbox, outbox, exports, snapshots, reports."""
    from orchestration import workspace

    console = state(context)
    made = workspace.init(folder)
    text = f"{folder}: made {', '.join(made)}" if made else f"{folder} is a workspace already; nothing was changed"
    data = {"workspace": str(folder.absolute()), "made": made}
    if example:
        from orchestration.control import Control
        from orchestration.tasks import classic_eight

        with Control.open(folder) as control:
            data["tasks"] = classic_eight(control)
        text += f"\n{len(data['tasks'])} tasks queued; 'etl task list' shows them, each waits until its input is there"
    console.emit(data, text)


def run(
    context: typer.Context,
    paths: Paths = None,
    until: Annotated[str | None, typer.Option(help="The last stage to run.")] = None,
    limit: Limit = None,
    model: Model = None,
    device: Device = None,
    batch_size: BatchSize = None,
    sender: Sender = None,
    sessions: Sessions = None,
    salvage: Salvage = False,
    strict: Strict = False,
) -> None:
    """The whole path: from deliveries to a release, a report and a snapshot. Run it again to go on."""
    from orchestration.runs import run_path

    console = state(context)
    with bars(console) as watcher:
        result = run_path(
            console.workspace,
            paths or (),
            until=until,
            limit=limit,
            model=model,
            device=device,
            batch_size=batch_size,
            sender=sender,
            sessions=sessions,
            salvage=salvage,
            watcher=watcher,
            say=console.say,
        )
    console.emit(result.data, result.text)
    if strict and result.incomplete:
        raise typer.Exit(INCOMPLETE)


def ingest(
    context: typer.Context,
    paths: Paths = None,
    limit: Limit = None,
    sender: Sender = None,
    sessions: Sessions = None,
    salvage: Salvage = False,
    strict: Strict = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would bring; write nothing.")] = False,
    semantic: Annotated[
        bool, typer.Option("--semantic", help="With --dry-run: look for near duplicates and conflicts by meaning too.")
    ] = False,
    model: Model = None,
) -> None:
    """Read deliveries into the store."""
    options: dict[str, Any] = {"limit": limit, "sender": sender, "sessions": sessions, "salvage": salvage}
    if (semantic or model) and not dry_run:
        raise typer.BadParameter("--semantic and --model go with --dry-run")
    if dry_run:
        _foresee(state(context), paths or (), semantic=semantic, model=model, **options)
        return
    result = _one(state(context), "ingest", paths=paths or (), **options)
    if strict and result:
        raise typer.Exit(INCOMPLETE)


def _foresee(console: State, paths: Sequence[Path], **options: Any) -> None:
    from orchestration import dry, runs

    told = dry.foresee(console.workspace, runs.chosen(console.workspace, paths), **options)
    rows = [row for row in told["files"] if row["state"] != "known"]
    listed = table(rows, "path", "state", *dry.FIGURES, "reason") + "\n\n" if rows else ""
    console.emit(told, listed + dry.text(told, semantic=options["semantic"]))


def embed(
    context: typer.Context,
    model: Model = None,
    device: Device = None,
    batch_size: BatchSize = None,
    limit: Limit = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say how long it would take.")] = False,
) -> None:
    """Turn questions and answers into vectors."""
    from orchestration import runs

    console = state(context)
    if estimate:
        result = runs.estimate(console.workspace, model=model, device=device, batch_size=batch_size)
        console.emit(result.data, result.text)
        return
    _one(console, "embed", model=model, device=device, batch_size=batch_size, limit=limit)


def resolve(
    context: typer.Context,
    propose: Annotated[
        bool, typer.Option("--propose", help="Write recommendations to outbox/, apply nothing.")
    ] = False,
) -> None:
    """Decide which pairs stay, merge, conflict or wait for review."""
    from orchestration import runs

    console = state(context)
    if propose:
        result = runs.propose(console.workspace)
        console.emit(result.data, result.text)
        return
    _one(console, "resolve")


_PLAIN = {
    "assess": "Flag and grade each pair by itself.",
    "link": "Find pairs that are alike, by meaning and by words.",
    "audit": "Flag what only the whole corpus shows.",
    "split": "Divide the kept pairs into train, validation and test.",
    "export": "Make a release, where anything changed since the last.",
    "report": "Write reports/report.html and reports/quality_analysis_report.json.",
}


def _plain(name: str) -> Callable[[typer.Context], None]:
    def command(context: typer.Context) -> None:
        _one(state(context), name)

    return command


def _one(console: State, name: str, **options: object) -> bool:
    """Run one stage and publish a snapshot; says whether anything was refused, unmapped or rejected."""
    from orchestration.runs import run_stage

    with bars(console) as watcher:
        result = run_stage(console.workspace, name, watcher=watcher, say=console.say, **options)  # type: ignore[arg-type]  # options are checked by the stage
    console.emit(result.data, result.text)
    return result.incomplete
