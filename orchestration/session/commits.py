"""When a commit is due and what comes with it: milestones, tags, a push; each remembered in the history.

The figures compared are the store's own, so that work by any command counts, and a restore is seen as one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from etl.errors import MotherlodeError
from orchestration import git
from orchestration.control import Control, sessions
from orchestration.control.sessions import Session
from orchestration.control.standing import notice
from orchestration.control.store import stamp
from orchestration.control.task import fetch
from orchestration.session.journal import Work
from orchestration.settings import Git as Settings
from orchestration.tasks.completion import Query

if TYPE_CHECKING:
    from orchestration.workspace import Workspace

COMMITTED, MILESTONE = "git_commit", "milestone"
TAGS = "motherlode/"

Result = dict[str, Any]
Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the collection is: distinct pairs, the senders' sessions that were read, and the pairs that stay (None:
    not counted)."""

    pairs: int
    sessions: int
    kept: int | None = None

    @classmethod
    def of(cls, query: Query | None, *, kept: bool = False) -> Reached | None:
        """By queries on the store; None where there is nothing to ask. Counting those that stay takes longest, and only
        a goal needs it."""
        if query is None:
            return None
        read = "SELECT count(DISTINCT source_session) FROM deliveries WHERE state = 'accepted'"
        wanted = ["SELECT count(*) FROM pairs", read, *(["SELECT count(*) FROM kept_pairs"] if kept else ())]
        try:
            told = [query(sql) for sql in wanted]
        except MotherlodeError:  # no store yet, or a busy one: the next commit has the figures
            return None
        found = [n for n in told if isinstance(n, int)]
        return cls(*found) if len(found) == len(wanted) else None


def due(control: Control, settings: Settings, reached: Reached | None) -> str | None:
    """In words why a commit is due between two units; None while it is not."""
    if reached is None or not settings.enabled:
        return None
    last = _newest(control, COMMITTED)
    pairs, read = reached.pairs - last.get("pairs", 0), reached.sessions - last.get("sessions", 0)
    if settings.every_pairs and pairs >= settings.every_pairs:
        return f"{pairs:,} new pairs"
    if settings.every_sessions and read >= settings.every_sessions:
        return f"{read:,} source sessions read"
    return "a snapshot was restored" if pairs < 0 else None


def due_by_hand(control: Control, settings: Settings, session: Session) -> str | None:
    """The same for work by hand on the senders' sessions, whose items the agent records."""
    task = fetch(control, str(session.task))
    if not (settings.enabled and settings.every_sessions and "sessions" in task.parameters):
        return None
    before = [event["detail"].get("items", 0) for event in control.events(task.name, event=COMMITTED, newest=1)]
    done = len(Work.of(session).items) - (before[-1] if before else 0)
    return f"{done:,} source sessions done" if done >= settings.every_sessions else None


def make(
    control: Control, workspace: Workspace, message: str, *, mark: str, session: str, task: str | None,
    query: Query | None, sleep: Sleep,
) -> Result:  # fmt: skip
    """Commit our own files, once a `mark`; what came of it, in the history too."""
    settings, root = workspace.settings.git, workspace.root
    problem = git.make_own(root) if settings.repository == "own" else None
    paths = git.own_paths(root, deliveries=settings.deliveries)
    made = git.commit(root, paths, message, mark=mark, redactor=control.redactor, sleep=sleep)
    if made.left_out:
        problem = f"left out, they hold secrets: {', '.join(made.left_out)}"
        notice(control, f"{len(made.left_out)} files were left out of a commit because they hold secrets", task=task)
    if made.commit and made.why != "made before":
        remember(control, made.commit, session=session, task=task, reached=Reached.of(query))
    return {"commit": made.commit, "why": made.why, "problem": problem}


def remember(control: Control, commit: str | None, *, session: str, task: str | None, reached: Reached | None) -> None:
    """From here on the next commit is counted; with None where none could be made, so that it is not tried at once."""
    figures = {} if reached is None else {"pairs": reached.pairs, "sessions": reached.sessions}
    figures["items"] = len(Work.of(sessions.get(control, session)).items)
    control.event(COMMITTED, task, session=session, detail={"commit": commit, **figures})


def mark_milestones(control: Control, workspace: Workspace, reached: Reached | None, *, graded: str | None) -> None:
    """Tag and tell what was reached since the last time. `graded`: a task just graded A."""
    if graded is not None:
        day = f"{control.now():%Y%m%d}"
        _reached(control, workspace, f"task-{graded}-A-{day}", f"task {graded} is completed with an A", graded)
    if reached is None:
        return
    step, goal = workspace.settings.git.milestone_pairs, workspace.settings.project.goal
    pairs = reached.pairs // step * step if step else 0
    if pairs:
        _reached(control, workspace, f"pairs-{pairs}", f"{pairs:,} distinct pairs are in the store")
    if goal and reached.kept is not None and reached.kept >= goal:
        _reached(control, workspace, f"goal-{goal}", f"the goal of {goal:,} kept pairs is reached")


def tags_since(control: Control, since: datetime) -> list[str]:
    """The tags that were made since a time; pushing one twice does no harm, leaving one out does."""
    found = [event for event in control.events(event=MILESTONE, newest=100) if event["at"] >= stamp(since)]
    return [event["detail"]["tag"] for event in found if event["detail"].get("tag")]


def push(control: Control, workspace: Workspace, *, since: datetime, task: str | None, sleep: Sleep) -> str | None:
    """Push to the remote of etl.toml, where one is named, with the tags made since; in words what failed."""
    remote = workspace.settings.git.push
    if not remote:
        return None
    failed = git.push(workspace.root, remote, tags=tags_since(control, since), sleep=sleep)
    if failed is not None:
        failed = control.redactor.clean(failed)
        notice(control, f"the push to {remote} failed; the next wrap tries again", task=task, detail=failed)
    return failed


def _reached(control: Control, workspace: Workspace, name: str, text: str, task: str | None = None) -> None:
    known = "SELECT 1 FROM task_events WHERE event = 'milestone' AND json_extract(detail, '$.name') = ?"
    if control.value(known, (name,)):
        return
    tag = f"{TAGS}{name}"
    why_not = git.tag(workspace.root, tag, text) if workspace.settings.git.enabled else "[git] enabled is false"
    made = why_not in (None, git.TAGGED)  # the latter by one that was killed before it could say so
    detail = {"name": name, "tag": tag if made else None, "why_no_tag": None if made else why_not}
    with control.transaction():
        control.event(MILESTONE, task, detail=detail)
        notice(control, text, task=task, level="success")


def _newest(control: Control, event: str) -> Mapping[str, Any]:
    import json

    found = control.value("SELECT detail FROM task_events WHERE event = ? ORDER BY id DESC LIMIT 1", (event,))
    detail: Mapping[str, Any] = {} if found is None else json.loads(found)
    return detail
