"""What a task is to do, checked before it is stored: its name, its kind, and the options that the kind knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from etl.errors import SettingsError
from orchestration.control.inputs import session_numbers
from orchestration.control.task import COMMAND, MANUAL

STAGES = ("ingest", "assess", "embed", "link", "resolve", "audit", "split", "export", "report", "snapshot")
OPTIONS: Mapping[str, frozenset[str]] = {
    "ingest": frozenset({"input", "sessions", "limit", "sender"}),
    "embed": frozenset({"limit", "model", "device", "batch_size"}),
    COMMAND: frozenset({"command", "input"}),
    MANUAL: frozenset({"input", "sessions"}),
}
_WHOLE = frozenset({"limit", "batch_size"})
_NAME = re.compile(r"[^\W_][\w.#-]{0,99}$")


def check_name(name: str) -> str:
    """A task's name also names its report, so it holds letters, digits, `_ . # -`; raises `SettingsError`."""
    if not _NAME.match(name) or name.endswith("."):
        raise SettingsError(f"{name!r} cannot name a task: use letters, digits and _ . # -, up to 100")
    return name


def check_kind(kind: str, parameters: Mapping[str, Any]) -> None:
    """A kind is `manual`, `command`, or stages joined by `+`; raises `SettingsError` naming what is known."""
    parts = (kind,) if kind in (MANUAL, COMMAND) else tuple(kind.split("+"))
    unknown = [part for part in parts if part not in (*STAGES, MANUAL, COMMAND)]
    if unknown or (len(parts) > 1 and {MANUAL, COMMAND} & set(parts)):
        raise SettingsError(
            f"{kind!r} is no kind of task; it is {MANUAL}, {COMMAND}, or stages joined by '+': {', '.join(STAGES)}"
        )
    known = frozenset[str]().union(*(OPTIONS.get(part, frozenset()) for part in parts))
    strange = sorted(set(parameters) - known)
    if strange:
        listed = ", ".join(sorted(known)) or "none"
        raise SettingsError(f"{kind} has no option {', '.join(strange)}; its options are: {listed}")
    if kind == COMMAND and not str(parameters.get("command") or "").strip():
        raise SettingsError("a task of kind command needs the command to run")
    _check_values(parameters)


def _check_values(parameters: Mapping[str, Any]) -> None:
    if "sessions" in parameters:
        session_numbers(parameters["sessions"])
    for name in sorted(_WHOLE & set(parameters)):
        if not isinstance(parameters[name], int) or parameters[name] < 1:
            raise SettingsError(f"{name} must be a whole number from 1, not {parameters[name]!r}")
