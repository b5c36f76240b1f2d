"""Notices in, as the history has them; messages through apprise out. What cannot be sent is said, never fatal.

A message holds the text of notices alone: names of tasks, reasons and figures, never the text of a pair or a secret.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orchestration.control import Control
from orchestration.control.standing import LEVELS, NOTICE
from orchestration.control.store import moment
from orchestration.secrets import BY_PATTERN, Redactor

if TYPE_CHECKING:
    from orchestration.settings import Notify

SENT, UNSENT = "notified", "notice_unsent"
TRIES = 3
LINES = 20
OLD = timedelta(days=1)  # what nobody sent for a day is no news


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one address: `service` as apprise names it, `problem` in words where it failed."""

    service: str
    ok: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Notifier:
    """The addresses of a workspace."""

    addresses: tuple[str, ...] = ()
    least: str = "success"
    redactor: Redactor = BY_PATTERN

    @classmethod
    def of(cls, settings: Notify, environment: Mapping[str, str], redactor: Redactor) -> Notifier:
        """Those of etl.toml, and those in the variables that it names."""
        return cls(addresses(settings, environment), settings.least, redactor)

    def send(self, title: str, body: str, *, level: str = "info") -> list[Sent]:
        """One message to every address; apprise waits a few seconds for each at most."""
        try:
            import apprise
        except ImportError:
            problem = "apprise is not installed: pip install 'motherlode[notify]'"
            return [Sent("all addresses", ok=False, problem=problem)] if self.addresses else []
        asset = apprise.AppriseAsset(app_id="Motherlode", app_desc="Motherlode", secure_logging=True)
        sent = []
        for number, address in enumerate(self.addresses, start=1):
            with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as log:  # type: ignore[no-untyped-call]  # apprise types it in part
                service = apprise.Apprise.instantiate(address, asset=asset)
                name = f"{number}: {getattr(service, 'service_name', None) or 'unknown service'}"
                ok = service is not None and bool(service.notify(body=body, title=title, notify_type=level))
                said = log.getvalue().strip().splitlines() if log else []
            sent.append(Sent(name, ok=ok, problem="" if ok else self._problem(service, said)))
        return sent

    def _problem(self, service: object, said: Sequence[str]) -> str:
        if not service:
            return "this is no address that apprise knows (schema://...)"
        return self.redactor.clean(said[-1])[:200] if said else "it was not accepted"


def addresses(settings: Notify, environment: Mapping[str, str]) -> tuple[str, ...]:
    """All addresses, each once."""
    given = [address for name in settings.variables for address in environment.get(name, "").split()]
    return tuple(dict.fromkeys([*settings.urls, *given]))


def deliver(control: Control, notifier: Notifier, *, title: str) -> list[Sent]:
    """Send what was noticed since the last message, in one. Taken from the history before it is sent, so that of
    several processes one sends it; failed at every address, it goes with the next, three times in all."""
    if not notifier.addresses:
        return []
    with control.transaction():
        after, tries = _position(control)
        waiting = control.events(event=NOTICE, after=after)
        if not waiting:
            return []
        book = {"after": after, "up_to": waiting[-1]["id"], "tries": tries + 1}
        control.event(SENT, detail=book)
    least = LEVELS.index(notifier.least)
    news = [
        event for event in waiting
        if LEVELS.index(_level(event)) >= least and control.now() - moment(event["at"]) < OLD
    ]  # fmt: skip
    if not news:
        return []
    lines = [event["detail"]["text"] for event in news[-LINES:]]
    earlier = (
        [f"({len(news) - LINES:,} earlier ones are in 'etl status --watch' and the logs)"] if len(news) > LINES else []
    )
    level = max((_level(event) for event in news), key=LEVELS.index)
    sent = notifier.send(title, notifier.redactor.clean("\n".join([*earlier, *lines])), level=level)
    failed = [f"{each.service}: {each.problem}" for each in sent if not each.ok]
    if failed:
        every = len(failed) == len(sent)
        control.event(UNSENT, detail=book | {"problems": failed, "again": every and tries + 1 < TRIES})
    return sent


def _level(event: Mapping[str, Any]) -> str:
    level: str = event["detail"].get("level", "warning")
    return level


def _position(control: Control) -> tuple[int, int]:
    """After which notice the next message begins, and how often it was tried."""
    found = control.rows(
        "SELECT event, detail FROM task_events WHERE event IN (?, ?) ORDER BY id DESC LIMIT 1", (SENT, UNSENT)
    )
    if not found:
        return 0, 0
    detail = json.loads(found[0]["detail"])
    if found[0]["event"] == UNSENT and detail["again"]:
        return detail["after"], detail["tries"]
    return detail["up_to"], 0
