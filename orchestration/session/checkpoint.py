"""What an agent reports in, the books brought up to date out; and back to an earlier checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl.errors import NotFoundError, SettingsError
from orchestration.control import Control, books, holding, sessions
from orchestration.control.books import For
from orchestration.control.sessions import OPEN, Session
from orchestration.control.task import Task, fetch
from orchestration.session.journal import Work
from orchestration.session.start import claim_of

TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One remembered point; `id` is what a rollback names."""

    id: int
    task: Task
    work: Work


def checkpoint(
    control: Control,
    session: Session,
    *,
    description: str,
    progress: tuple[int, int | None] | None = None,
    tokens: float | None = None,
    done: Sequence[str] = (),
    next_action: str | None = None,
    context: Mapping[str, str] | None = None,
    files: Sequence[str] = (),
    problems: Sequence[str] = (),
) -> Checkpoint:
    """Remember a point of the work, all or nothing. `tokens` is the session's total so far, `progress` the task's.

    Raises `SettingsError` for figures that fall or exceed their total, `FencedOffError` when the task was taken over.
    """
    if session.state != OPEN:
        raise SettingsError(f"{session.name} is {session.state}; only an open session takes checkpoints")
    work = Work.of(session).with_(items=done, next_action=next_action, context=context, files=files, problems=problems)
    claim = claim_of(control, session)
    with control.transaction():
        book_tokens(control, session, tokens)
        task = fetch(control, claim.task)
        if progress is not None:
            holding.progress(control, claim, **_progress(task, progress))
            task = fetch(control, claim.task)
        sessions.update(control, session.name, journal={"work": work.to_dict()})
        figures: dict[str, Any] = {"progress": {"done": task.done, "total": task.total}, "work": work.to_dict()}
        if tokens is not None:
            figures[TOKENS] = tokens
        number = holding.checkpoint(control, claim, description, figures)
    return Checkpoint(number, task, work)


def book_tokens(control: Control, session: Session, total: float | None) -> None:
    """Book a session's tokens so far as its agent reports them; a lower figure than before is refused."""
    if total is not None:
        about = For(session.name, session.task, session.agent)
        books.observe_total(control, TOKENS, total, session=session.name, about=about)


def rollback(control: Control, session: Session, to: int) -> Checkpoint:
    """Take progress and recorded work back to a checkpoint of the same task. What was spent stays spent, and the store
    is left as it is: its units were committed whole."""
    if session.state != OPEN:
        raise SettingsError(f"{session.name} is {session.state}; only an open session can be rolled back")
    claim = claim_of(control, session)
    points = {event["id"]: event["detail"] for event in control.events(claim.task, event="checkpoint")}
    if to not in points or "work" not in points[to]:
        known = ", ".join(str(number) for number, point in points.items() if "work" in point) or "none"
        raise NotFoundError(f"task {claim.task} has no checkpoint {to} to go back to; there are: {known}")
    work, progress = Work(**points[to]["work"]), points[to]["progress"]
    with control.transaction():
        holding.progress(control, claim, done=progress["done"], total=progress["total"], units=0)
        sessions.update(control, session.name, journal={"work": work.to_dict()})
        control.event("rolled_back", claim.task, actor=claim.holder, session=session.name, detail={"to": to})
    return Checkpoint(to, fetch(control, claim.task), work)


def _progress(task: Task, given: tuple[int, int | None]) -> dict[str, Any]:
    done, total = given[0], given[1] if given[1] is not None else task.total
    if total is not None and done > total:
        raise SettingsError(f"progress {done} of {total} is more than there is")
    if task.total is not None and total is not None and total < task.total:
        raise SettingsError(
            f"a total of {total} is less than the task's {task.total}; 'etl task edit {task.name} --progress "
            f"{done}/{total}' changes what the whole is"
        )
    if done < task.done:
        raise SettingsError(
            f"progress {done} is less than the {task.done} already recorded; 'etl session rollback' takes it back"
        )
    return {"done": done, "total": total}
