"""`etl review`: what waits for a person, in the terminal or on a local page; each decision can be taken back."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.console import state, table

if TYPE_CHECKING:
    from orchestration.cli.console import State

app = typer.Typer(invoke_without_command=True, help="Borderline pairs, the most informative first.")

Who = Annotated[str, typer.Option(help="Who decides; kept with each decision.")]
Kinds = Annotated[
    str, typer.Option("--kind", help="review (nobody decided), conflict (open ones), merge (made by the rules), all.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="At most this many questions.")]


@app.callback()
def review(
    context: typer.Context,
    web: Annotated[bool, typer.Option("--web", help="On a local page in the browser.")] = False,
    opened: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")] = 0,
    kind: Kinds = "review",
    limit: Limit = None,
    who: Who = "user",
) -> None:
    """Decide about borderline pairs, one key each: merge, keep both, conflict, swap, skip, undo, quit."""
    if context.invoked_subcommand is not None:
        return
    from orchestration import reviewing

    console = state(context)
    with reviewing.open_session(console.workspace, who=who, kinds=_kinds(kind), limit=limit) as session:
        if web:
            _serve(console, session, port=port, opened=opened)
        else:
            colour = sys.stderr.isatty() and sys.stdin.isatty()
            say = lambda text: typer.echo(text, err=True)  # noqa: E731  # stdout is for the outcome
            reviewing.review(session, reviewing.keys_of(sys.stdin), say, colour=colour)
        console.emit(*reviewing.told(session))


def _serve(console: State, session: object, *, port: int, opened: bool) -> None:
    from orchestration.review_web import serve

    def ready(url: str) -> None:
        typer.echo(f"review: {url}\nCtrl-C ends it", err=True)
        if opened:
            typer.launch(url)

    serve(session, port=port, ready=ready)  # type: ignore[arg-type]  # a Session, not imported for the type alone


@app.command("list")
def list_(context: typer.Context, kind: Kinds = "review", limit: Limit = 30) -> None:
    """The queue with what makes each question informative."""
    from orchestration import reviewing

    console = state(context)
    found = reviewing.open_queue(console.workspace, kinds=_kinds(kind), limit=limit)
    rows = [asdict(item) for item in found.items]
    shown = [row | {"stays": row["stays"][:10], "other": row["other"][:10]} for row in rows]
    columns = ("kind", "stays", "other", "reason", "informativeness", "doubt", "nearness", "reach", "worth")
    more = f"\n{found.total - len(rows):,} more; --limit shows them" if found.total > len(rows) else ""
    console.emit(
        {"queue": rows, "open": found.counts, "total": found.total},
        table(shown, *columns) + more if rows else "nothing waits for a decision",
    )


@app.command()
def undo(
    context: typer.Context,
    number: Annotated[int | None, typer.Argument(help="The decision's id; the newest of --who otherwise.")] = None,
    who: Who = "user",
) -> None:
    """Take a decision back; what stood before stands again."""
    from orchestration import reviewing

    console = state(context)
    taken = reviewing.undo(console.workspace, number, who=who)
    console.emit(asdict(taken), f"{taken.text}\n'etl run' applies it")


def _kinds(kind: str) -> tuple[str, ...]:
    return ("review", "conflict", "merge") if kind == "all" else (kind,)
