"""`etl snapshot`: immutable verified copies of the store."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.cli.console import state, table

app = typer.Typer(no_args_is_help=True, help="Immutable verified copies of the store.")
Name = Annotated[str | None, typer.Argument(help="A name from `list`; unset: the newest.")]


@app.command()
def create(context: typer.Context) -> None:
    """Publish the store's present state for readers."""
    from etl.store import snapshot

    console = state(context)
    with console.workspace.store(write=True) as store:
        made = snapshot.create(store)
    console.emit({"snapshot": made.name, "bytes": made.bytes, "rows": made.rows}, f"{made.name}: {made.bytes:,} bytes")


@app.command("list")
def list_(context: typer.Context) -> None:
    """The snapshots, newest first."""
    from etl.progress import utc_now
    from etl.store import snapshot

    console = state(context)
    rows = [
        {"name": s.name, "age": _age(s.age_s(utc_now())), "pairs": s.rows["pairs"], "bytes": s.bytes}
        for s in snapshot.listed(console.workspace.root / "snapshots")
    ]
    text = table(rows, "name", "age", "pairs", "bytes") if rows else "no snapshots yet"
    console.emit({"snapshots": rows}, text)


@app.command()
def verify(context: typer.Context, name: Name = None) -> None:
    """Check a snapshot's bytes, rows and ledger."""
    from etl.store import snapshot

    console = state(context)
    found = snapshot.find(console.workspace.root / "snapshots", name)
    snapshot.verify(found)
    console.emit({"snapshot": found.name, "verified": True}, f"{found.name} is whole")


@app.command()
def restore(context: typer.Context, name: Name = None) -> None:
    """Put a snapshot in the store's place; the former file is kept beside it."""
    from etl.store import Store, snapshot
    from etl.store.store import FILE

    console = state(context)
    root = console.workspace.root
    found = snapshot.find(root / "snapshots", name)
    former = snapshot.restore(Store.damaged(root / FILE), found)
    with console.workspace.store(write=True) as store:
        snapshot.create(store)  # readers take the newest snapshot: it must be of the restored state
    console.emit(
        {"restored": found.name, "former": former and str(former)},
        f"restored {found.name}" + (f"; the former store is {former.name}" if former else ""),
    )


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
