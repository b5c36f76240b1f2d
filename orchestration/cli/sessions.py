"""`etl session`: a person or an agent in its own shell begins, records and wraps a stretch of work."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.console import MENDABLE, State, state, table
from orchestration.cli.tasks import opened

if TYPE_CHECKING:
    from orchestration.control import Control
    from orchestration.control.sessions import Session
    from orchestration.session import Wrapping

app = typer.Typer(no_args_is_help=True, help="Sessions by hand: start, checkpoint, status, wrap, rollback ...")


def register(app: typer.Typer) -> None:
    """Add `etl mine` to the command line."""
    app.command()(mine)


Agent = Annotated[str | None, typer.Option(envvar="ETL_AGENT", help="Who works, whose limits count.")]
Named = Annotated[str | None, typer.Option("--session", help="Which; unset: the agent's open one.")]


@app.command()
def start(
    context: typer.Context,
    task: Annotated[str | None, typer.Option(help="On this task; unset: the next ready one.")] = None,
    agent: Agent = None,
    stale_after: Annotated[
        str | None, typer.Option("--stale-after", help="First abandon sessions silent for so long: 12h.")
    ] = None,
) -> None:
    """Begin a session on the next ready task, or go on with the open one."""
    from orchestration import session
    from orchestration.quota import Quota
    from orchestration.tasks.amounts import span

    console = state(context)
    with opened(console) as control:
        found = session.open_by_hand(control, agent)
        if found is not None and found.state == "wrapping":
            _finish_wrap(console, control, found)
        begun = session.start(
            control, Quota.from_settings(control, console.workspace.settings), agent=agent, task=task,
            stale_after=None if stale_after is None else span(stale_after),
        )  # fmt: skip
        data, text = _handoff(control, begun.session)
    word = "resumed" if begun.resumed else "begun"
    console.emit(data | {"resumed": begun.resumed}, f"{begun.session.name} {word} on {begun.task.name}\n\n{text}")


@app.command()
def checkpoint(
    context: typer.Context,
    description: Annotated[str, typer.Option(help="What was reached.")],
    progress: Annotated[str | None, typer.Option(help="How far the task is: 10/40.")] = None,
    tokens: Annotated[float | None, typer.Option(min=0, help="The session's total of tokens so far.")] = None,
    done: Annotated[list[str] | None, typer.Option(help="An item that is done; may be repeated.")] = None,
    next_: Annotated[str | None, typer.Option("--next", help="What comes next.")] = None,
    context_: Annotated[list[str] | None, typer.Option("--context", help="key=value a successor needs.")] = None,
    files: Annotated[list[str] | None, typer.Option(help="A file that matters; may be repeated.")] = None,
    problem: Annotated[list[str] | None, typer.Option(help="An open problem; may be repeated.")] = None,
    agent: Agent = None,
    named: Named = None,
) -> None:
    """Record a point of the work: progress, tokens, items done, what comes next."""
    from orchestration import session
    from orchestration.tasks.amounts import fraction

    console = state(context)
    with opened(console) as control:
        found = session.find(control, agent=agent, name=named)
        made = session.checkpoint(
            control, found, description=description, progress=None if progress is None else fraction(progress),
            tokens=tokens, done=done or (), next_action=next_, context=_pairs(context_), files=files or (),
            problems=problem or (),
        )  # fmt: skip
        committed = session.commit_by_hand(_wrapping(console, control, found))
        data, text = _standing(console, control, found)
    said = f"\ncommitted {committed[:12]}" if committed else ""
    console.emit(data | {"checkpoint": made.id, "commit": committed}, f"checkpoint {made.id}{said}\n{text}")


@app.command()
def status(context: typer.Context, agent: Agent = None, named: Named = None) -> None:
    """The open session: task, progress, limits and what to do."""
    from orchestration import session

    console = state(context)
    with opened(console, look=True) as control:
        data, text = _standing(console, control, session.find(control, agent=agent, name=named))
    console.emit(data, text)


@app.command()
def wrap(
    context: typer.Context,
    final_tokens: Annotated[float | None, typer.Option("--final-tokens", min=0, help="The session's total.")] = None,
    agent: Agent = None,
    named: Named = None,
) -> None:
    """End the session: state, snapshot, git commit, handoff, queue. Cut short, the same command goes on."""
    from orchestration import session
    from orchestration.session.checkpoint import book_tokens

    console = state(context)
    with opened(console) as control:
        found = session.find(control, agent=agent, name=named)
        if found.state == "open":
            book_tokens(control, found, final_tokens)
        ended = _finish_wrap(console, control, found)
        data, _ = _handoff(control, ended)
    steps = ended.journal["wrap"]
    data |= {"wrap": steps}
    console.emit(data, "\n".join([f"{ended.name} is wrapped", *_told(steps)]))


@app.command("list")
def list_(context: typer.Context, agent: Agent = None) -> None:
    """All sessions, newest first."""
    from orchestration.control import sessions

    with opened(state(context), look=True) as control:
        found = control.rows(
            "SELECT session FROM sessions WHERE ? IS NULL OR agent = ? ORDER BY started DESC, session DESC",
            (agent, agent),
        )
        rows = [_row(sessions.get(control, each["session"])) for each in found]
    text = table(rows, "session", "state", "mode", "agent", "task", "started", "ending")
    state(context).emit({"sessions": rows}, text if rows else "no sessions yet; 'etl session start' begins one")


@app.command()
def show(context: typer.Context, name: Annotated[str, typer.Argument(help="The session's name.")]) -> None:
    """The handoff of any session, derived from the books this moment."""
    from orchestration.control import sessions

    with opened(state(context), look=True) as control:
        data, text = _handoff(control, sessions.get(control, name))
    state(context).emit(data, text)


@app.command()
def abandon(
    context: typer.Context,
    why: Annotated[str, typer.Option(help="The reason.")] = "abandoned by hand",
    agent: Agent = None,
    named: Named = None,
) -> None:
    """End a session without a wrap; its task is ready again, what was recorded stays."""
    from orchestration import session

    with opened(state(context)) as control:
        ended = session.abandon(control, session.find(control, agent=agent, name=named), why)
    state(context).emit(_row(ended), f"{ended.name} is abandoned; task {ended.task} goes back to the queue")


@app.command()
def rollback(
    context: typer.Context,
    to: Annotated[int, typer.Option(help="The number of a checkpoint, as `etl session show` lists them.")],
    agent: Agent = None,
    named: Named = None,
) -> None:
    """Take progress and recorded work back to a checkpoint; spent tokens stay spent, the store stays as it is."""
    from orchestration import session

    console = state(context)
    with opened(console) as control:
        found = session.find(control, agent=agent, name=named)
        session.rollback(control, found, to)
        data, text = _standing(console, control, found)
    console.emit(data | {"checkpoint": to}, f"back at checkpoint {to}\n{text}")


@app.command()
def prompt(context: typer.Context, agent: Agent = None, named: Named = None) -> None:
    """A text to paste or pipe to the next agent: task, state, next action, rules."""
    from orchestration import session
    from orchestration.quota import Quota
    from orchestration.session.prompt import prompt as written

    console = state(context)
    with opened(console, look=True) as control:
        found = session.find(control, agent=agent, name=named)
        data, text = _handoff(control, found)
        quota = Quota.from_settings(control, console.workspace.settings)
        said = written(data, text, quota.standings(session=found.name, agent=found.agent))
    console.emit({"session": found.name, "prompt": said}, said)


def mine(
    context: typer.Context,
    sessions: Annotated[int | None, typer.Option(min=1, help="So many sessions, then stop.")] = None,
    until_empty: Annotated[bool, typer.Option("--until-empty", help="Until no task is ready; the default.")] = False,
    forever: Annotated[bool, typer.Option("--forever", help="Wait for new tasks and files; Ctrl-C ends it.")] = False,
    agent: Agent = None,
) -> None:
    """Drive the queue: claim, work unit by unit under quotas, wrap, next session. Run it again to go on."""
    from etl.errors import SettingsError
    from orchestration.notices import deliver
    from orchestration.outside import Outside
    from orchestration.quota import Quota
    from orchestration.session.mine import Miner
    from orchestration.session.works import PipelineWorks

    if until_empty and forever:
        raise SettingsError("--until-empty and --forever exclude each other")
    console = state(context)
    with opened(console) as control:
        quota = Quota.from_settings(control, console.workspace.settings)
        works, outside = PipelineWorks(console.workspace), Outside.of(console.workspace, os.environ, say=console.say)
        miner = Miner(
            control, console.workspace, works, quota, agent=agent, say=console.say, log=outside.log,
            tell=lambda: deliver(control, outside.notifier, title=outside.title), monotonic=time.monotonic,
        )  # fmt: skip
        with _stopped_by_sigterm():
            ended = miner.mine(limit=sessions, forever=forever)
        works.close()
        rows = [_row(each) | {"result": each.journal["wrap"]["queue"]["task"]} for each in ended]
    text = table(rows, "session", "task", "ending", "result") if rows else "nothing to do"
    console.emit({"sessions": rows, "stopped": miner.trouble}, text)
    if miner.trouble:
        console.say(f"etl: mining stopped: {miner.trouble}. What was done is saved; 'etl mine' goes on from there")
        raise typer.Exit(MENDABLE)


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """A service manager asks with SIGTERM: that is Ctrl-C for us, so the open unit is rolled back and the wrap done."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _finish_wrap(console: State, control: Control, found: Session) -> Session:
    from orchestration import session

    return session.wrap(_wrapping(console, control, found))


def _wrapping(console: State, control: Control, found: Session) -> Wrapping:
    from orchestration import session
    from orchestration.control.task import fetch
    from orchestration.outside import Outside
    from orchestration.quota import Quota

    def query(sql: str) -> object:
        with console.workspace.store() as store:
            rows = store.query(sql).rows()
        return rows[0][0] if rows else None

    task = fetch(control, str(found.task))
    meter = Quota.from_settings(control, console.workspace.settings).meter(
        session=found.name, task=task.name, agent=found.agent, kind=task.kind, declared=task.unit_estimate
    )
    log = Outside.of(console.workspace, os.environ, say=console.say).log
    return session.Wrapping(control, console.workspace, found.name, query=query, meter=meter, log=log)


def _handoff(control: Control, found: Session) -> tuple[dict[str, Any], str]:
    from orchestration.session.handoff import handoff, text

    data = handoff(control, found)
    return data, text(data)


def _standing(console: State, control: Control, found: Session) -> tuple[dict[str, Any], str]:
    from orchestration.quota import ADVICE, Quota, worst
    from orchestration.quota.display import spoken, standings

    data, _ = _handoff(control, found)
    quotas = Quota.from_settings(control, console.workspace.settings).standings(session=found.name, agent=found.agent)
    band = worst([standing.band for standing in quotas])
    done, total = data["progress"]["done"], data["progress"]["total"]
    lines = [
        f"{found.name} ({found.state}) on {found.task}: {done:,}" + ("" if total is None else f" of {total:,}"),
        standings([standing for standing in quotas if standing.used]),
        f"{spoken(band)}: {ADVICE[band]}",
    ]
    shown = {name: data[name] for name in ("session", "agent", "state", "task", "progress", "usage", "next")}
    return shown | {"band": band, "advice": ADVICE[band]}, "\n".join(filter(None, lines))


def _told(steps: dict[str, Any]) -> list[str]:
    saved, made, queued = steps["snapshot"], steps["commit"], steps["queue"]
    lines = [
        f"snapshot  {saved['snapshot'] or saved.get('why') or saved.get('problem')}",
        f"commit    {made['commit'][:12] if made['commit'] else made['why']}",
        f"handoff   {steps['handoff']['file']}",
        f"task      {queued['task']}" + (f", grade {queued['grade']}" if queued.get("grade") else ""),
    ]
    return lines + [f"problem   {step['problem']}" for step in steps.values() if step.get("problem")]


def _row(found: Session) -> dict[str, Any]:
    ending = found.journal.get("ending", {})
    return {
        "session": found.name, "state": found.state, "mode": found.mode, "agent": found.agent, "task": found.task,
        "started": f"{found.started:%Y-%m-%d %H:%M:%S}",
        "ended": None if found.ended is None else f"{found.ended:%Y-%m-%d %H:%M:%S}",
        "ending": ("INCOMPLETE, " if ending.get("incomplete") else "") + ending["why"] if ending else None,
    }  # fmt: skip


def _pairs(texts: list[str] | None) -> dict[str, str]:
    from etl.errors import SettingsError

    pairs = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise SettingsError(f"{text!r} is no context; write key=value")
        pairs[key.strip()] = value.strip()
    return pairs
