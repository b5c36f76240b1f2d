"""A folder of the first version in; each of its files with one fate out: base, delivery, queue, kept, or left."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from etl.errors import DeliveryError

PLACE = "first_version"  # below inbox/ and session_handoffs/, for what had no such folder
_SKIPPED = frozenset({"__pycache__", "node_modules", "venv", "env", "site-packages"})
_COMPANION = re.compile(r"-(wal|shm|journal)$")
_BASE = re.compile(r"crypto_indicators_production\.(db|sqlite3?)([._-].+)?$", re.IGNORECASE)
_QUEUE = re.compile(r"(^|/)(task_stack|[\w-]+_tasks)\.json$|(^|/)task_queues/[^/]+\.json$", re.IGNORECASE)
_KEPT = re.compile(
    r"(^|/)(session_handoffs|session_logs|task_reports|performance_metrics)/|handoff[^/]*\.(md|json|txt)$"
    r"|(^|/)([\w-]+_)?state\.json$|(^|/)[\w-]+_config\.json$",
    re.IGNORECASE,
)
_DATA = re.compile(
    r"\.(json|jsonl|ndjson|csv|tsv|parquet|xlsx|xml|ya?ml|db|sqlite3?|duckdb|zip)(\.(gz|bz2|xz|zst))?$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Old:
    """The files of a first-version project, '/'-separated below `root`, each in one list; `left` says why."""

    root: Path
    bases: tuple[str, ...]  # the base and its backups, newest first
    deliveries: tuple[str, ...]
    queues: tuple[str, ...]
    kept: tuple[str, ...]  # handoffs, states, logs and reports, taken over as files
    left: dict[str, str]

    @property
    def files(self) -> int:
        return len(self.bases) + len(self.deliveries) + len(self.queues) + len(self.kept) + len(self.left)


def survey(root: Path) -> Old:
    """What lies in an old folder. Hidden files and the folders of tools are passed over. Raises `DeliveryError` for a
    folder that is none, or in which nothing of a first version is."""
    if not root.is_dir():
        raise DeliveryError(f"{root} is no folder; give that of the old project")
    bases, deliveries, queues, kept, left = [], [], [], [], {}
    for name in _listed(root):
        if os.path.islink(root / name):  # noqa: PTH114 - a name, not a path
            left[name] = "a link"
        elif _COMPANION.search(name):
            left[name] = "part of the base that it belongs to"
        elif _BASE.search(name.rpartition("/")[2]) and not name.startswith("inbox/"):
            bases.append(name)
        elif name.startswith("inbox/"):
            deliveries.append(name)
        elif name.startswith("outbox/"):
            left[name] = "what agents made of the old base; made anew here"
        elif _QUEUE.search(name):
            queues.append(name)
        elif _KEPT.search(name):
            kept.append(name)
        elif _DATA.search(name):
            deliveries.append(name)
        else:
            left[name] = "code or text, no data"
    if not bases and not deliveries and not queues:
        raise DeliveryError(
            f"{root} holds nothing of a first version: no crypto_indicators_production.db, inbox/, task_stack.json"
        )
    bases.sort(key=lambda name: _age(root, name), reverse=True)
    return Old(root, tuple(bases), tuple(deliveries), tuple(queues), tuple(kept), left)


def target(name: str) -> str:
    """Where a file of the old folder goes in a workspace, '/'-separated below it."""
    if name.startswith("inbox/"):
        return name
    if _KEPT.search(name) or _QUEUE.search(name):
        inside = name.partition("session_handoffs/")
        return f"session_handoffs/{inside[2]}" if inside[1] and not inside[0] else f"session_handoffs/{PLACE}/{name}"
    return f"inbox/{PLACE}/{name}"


def _listed(root: Path) -> list[str]:
    found = []
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith(".") and name.lower() not in _SKIPPED)
        place = Path(folder).relative_to(root)
        found += [(place / name).as_posix() for name in names if not name.startswith(".")]
        found += [(place / name).as_posix() for name in below if (Path(folder) / name).is_symlink()]
    return sorted(found)


def _age(root: Path, name: str) -> tuple[bool, str, float]:
    """The base itself is newer than any backup; backups go by the time in their names, else by that of the file."""
    found = _BASE.search(name.rpartition("/")[2])
    rest = (found[2] or "") if found else ""
    return not rest, "".join(re.findall(r"\d+", rest)), (root / name).stat().st_mtime
