"""What a session remembers of its work, in and out of its journal: items done, context, files, problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from orchestration.control import Control, sessions
from orchestration.control.sessions import Session
from orchestration.control.store import stamp
from orchestration.control.task import Task


@dataclass(frozen=True, slots=True)
class Work:
    """What an agent recorded of its work on a task, so that the next one can go on."""

    items: Sequence[str] = ()
    next: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[str] = ()
    problems: Sequence[str] = ()

    @classmethod
    def of(cls, session: Session) -> Work:
        """As the session's journal holds it."""
        return cls(**session.journal.get("work", {}))

    @classmethod
    def before(cls, control: Control, task: Task, *, session: str) -> Work:
        """As the newest earlier session of the task's present round left it; empty where there was none."""
        found = control.rows(
            """
            SELECT session FROM sessions WHERE task = ? AND session <> ? AND (ended IS NULL OR ended >= ?)
            ORDER BY started DESC, session DESC LIMIT 1
            """,
            (task.name, session, "" if task.started is None else stamp(task.started)),
        )
        return cls.of(sessions.get(control, found[0]["session"])) if found else cls()

    def with_(
        self,
        *,
        items: Sequence[str] = (),
        next_action: str | None = None,
        context: Mapping[str, str] | None = None,
        files: Sequence[str] = (),
        problems: Sequence[str] = (),
    ) -> Work:
        """The same with more recorded."""
        return Work(
            list(dict.fromkeys([*self.items, *items])),
            self.next if next_action is None else next_action,
            {**self.context, **(context or {})},
            list(dict.fromkeys([*self.files, *files])),
            list(dict.fromkeys([*self.problems, *problems])),
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)
