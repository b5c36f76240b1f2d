"""A workspace and the environment in; what the session loop has of the outside out: redactor, log and notifier.

The one place that the command line hands the environment to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.control.standing import NOTICE
from orchestration.logs import SessionLog
from orchestration.notices import Notifier, addresses
from orchestration.secrets import Redactor
from orchestration.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Outside:
    """Where things are told, and what must not be."""

    redactor: Redactor
    log: SessionLog
    notifier: Notifier
    title: str
    say: Callable[[str], None]

    @classmethod
    def of(cls, workspace: Workspace, environment: Mapping[str, str], *, say: Callable[[str], None]) -> Outside:
        """As etl.toml has it."""
        settings = workspace.settings
        told = addresses(settings.notify, environment)
        redactor = Redactor.of(environment, names=settings.logs.secrets, addresses=told)
        log = SessionLog(
            workspace.root, redactor=redactor, keep=settings.logs.keep, max_mb=settings.logs.max_mb, say=say
        )
        notifier = Notifier.of(settings.notify, environment, redactor)
        return cls(redactor, log, notifier, f"Motherlode: {workspace.root.name}", say)

    def heard(self, event: Mapping[str, Any]) -> None:
        """An event of the control store: into the log, and what a person should see onto the terminal."""
        self.log.heard(event)
        if event["event"] == NOTICE and event.get("level") != "info":
            self.say(f"notice: {event['text']}")
        elif event["event"] == "notice_unsent":
            self.say(f"a notice could not be sent: {'; '.join(event['problems'])}")
