"""Store, queue, quotas and sessions in; one calm page of plain text for a terminal of any width out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from etl.errors import NotFoundError
from orchestration.control import Control, sessions
from orchestration.control.claims import lease_of
from orchestration.control.standing import LEVELS, NOTICE, flagged, refresh
from orchestration.control.store import moment
from orchestration.control.task import STATUSES, Task, listed
from orchestration.quota import Quota, Standing
from orchestration.quota.display import bar, spoken
from orchestration.workspace import Workspace

NEXT = 6  # tasks and sessions shown
NOTICES = 3
FIGURES = ("pairs", "kept", "review", "merged", "withheld", "conflicts", "rejected")


@dataclass
class Watch:
    """Looks at one workspace again and again; the figures of a snapshot are counted once."""

    workspace: Workspace
    control: Control
    agent: str | None = None
    _counted: dict[str, dict[str, Any]] = field(default_factory=dict)

    def page(self, *, width: int = 80, height: int | None = None) -> str:
        """What stands now, in lines of at most `width` and at most `height` lines."""
        refresh(self.control)
        now = self.control.now()
        head = _ends(f"Motherlode  {self.workspace.root}", f"{now:%Y-%m-%d %H:%M:%S} UTC", width)
        parts = [self._store(now, width), self._queue(now, width), self._quotas(width), self._sessions(now, width)]
        lines = [head]
        for part in [*parts, self._notices(now, width)]:
            lines += ["", *part] if part else []
        lines = [line[: width - 3] + "..." if len(line) > width else line for line in lines]
        if height is not None and len(lines) > height:
            lines = [*lines[: height - 1], "... (a higher window shows the rest)"[:width]]
        return "\n".join(lines)

    def _store(self, now: datetime, width: int) -> list[str]:
        try:
            with self.workspace.store() as store:
                seen = store.snapshot
                name = seen.name if seen else "live"
                if seen is None or name not in self._counted:
                    from etl.counts import counts

                    self._counted = {name: dict(counts(store))}
                age = f"as of a snapshot {_span(max(0.0, seen.age_s(now)))} old" if seen else "no snapshot yet"
        except NotFoundError:
            return [_ends("STORE", "none yet", width)]
        data, goal = self._counted[name], self.workspace.settings.project.goal
        lines = [_ends("STORE", age, width), *_flow([f"{key} {data[key]:,}" for key in FIGURES], width)]
        if goal:
            standing = data["kept"] + data["review"]
            filled = min(30, round(30 * standing / goal))
            lines.append(f"  [{'#' * filled}{'-' * (30 - filled)}] {standing / goal:.1%} of {goal:,} wanted pairs")
        return lines

    def _queue(self, now: datetime, width: int) -> list[str]:
        found = listed(self.control)
        by_status = {status: sum(task.status == status for task in found) for status in STATUSES}
        said = ", ".join(f"{number} {status}" for status, number in by_status.items() if number)
        lines = [_ends("QUEUE", said or "empty", width)]
        shown = [task for task in found if task.status == "running"]
        for status in ("ready", "parked", "failed", "blocked", "waiting"):
            shown += [task for task in found if task.status == status]
        rows = [self._task(task, now) for task in shown[:NEXT]]
        lines += _columns(rows, width)
        return lines + ([f"  and {len(shown) - NEXT} more"] if len(shown) > NEXT else [])

    def _task(self, task: Task, now: datetime) -> list[str]:
        done = f"{task.done:,}/{task.total:,}" if task.total else (f"{task.done:,}" if task.done else "-")
        why = task.detail or task.reason or ""
        lease = lease_of(self.control, task.name) if task.status == "running" else None
        if lease is not None:
            why = f"last sign {_span(abs((now - moment(lease.heartbeat)).total_seconds()))} ago, {lease.holder}"
        if (review := flagged(self.control, task.name)) is not None:
            why = f"needs review: {review}"
        return [task.name, task.status, done, why]

    def _quotas(self, width: int) -> list[str]:
        current = sessions.current(self.control, agent=self.agent)
        quota = Quota.from_settings(self.control, self.workspace.settings)
        found = quota.standings(session=current.name if current else None, agent=self.agent)
        name = max((len(standing.limit.name) for standing in found), default=0)
        wide = 40 if width >= 110 else 20
        return [
            _ends("QUOTAS", f"of {self.agent or 'nobody in particular'}", width),
            *(self._quota(standing, name, wide, width) for standing in found),
        ]

    def _quota(self, standing: Standing, name: int, wide: int, width: int) -> str:
        limit = standing.limit
        figures = f"{_number(standing.used)} of {_number(limit.amount)}"
        line = f"  {limit.name:<{name}} {bar(limit, standing.used, width=wide)} {standing.share:6.1%}  {figures:<19}"
        resets = "" if standing.resets is None or not standing.used else f", resets {standing.resets:%d %H:%M}"
        full = f"{line} {spoken(standing.band)}{resets}"
        return full if len(full) <= width else f"{line} {spoken(standing.band)}"

    def _sessions(self, now: datetime, width: int) -> list[str]:
        found = self.control.rows("SELECT session FROM sessions ORDER BY started DESC, session DESC LIMIT ?", (NEXT,))
        if not found:
            return [_ends("SESSIONS", "none yet", width)]
        total = self.control.value("SELECT count(*) FROM sessions")
        rows = []
        for row in found:
            session = sessions.get(self.control, row["session"])
            took = _span(max(0.0, ((session.ended or now) - session.started).total_seconds()))
            ending = str(session.journal.get("ending", {}).get("why", ""))
            rows.append([session.name.removeprefix("session_"), session.state, session.task or "-", took, ending])
        return [_ends("SESSIONS", f"{total:,} so far", width), *_columns(rows, width)]

    def _notices(self, now: datetime, width: int) -> list[str]:
        found = self.control.rows(
            """
            SELECT at, json_extract(detail, '$.text') AS text FROM task_events
            WHERE event = ? AND coalesce(json_extract(detail, '$.level'), '') <> ? ORDER BY id DESC LIMIT ?
            """,
            (NOTICE, LEVELS[0], NOTICES),
        )
        rows = [[_span(max(0.0, (now - moment(row["at"])).total_seconds())), row["text"]] for row in found]
        return ["NOTICES", *_columns(rows, width)] if rows else []


def _ends(left: str, right: str, width: int) -> str:
    room = width - len(right) - 1
    left = left if len(left) <= room else f"{left[: max(0, room - 3)]}..."
    return f"{left:<{max(room, 0)}} {right}"


def _flow(words: Sequence[str], width: int) -> list[str]:
    """Words side by side, as many in a line as fit."""
    lines = [" "]
    for word in words:
        if len(lines[-1]) + 2 + len(word) > width:
            lines.append(" ")
        lines[-1] += f" {word}  "
    return [line.rstrip() for line in lines]


def _columns(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Rows in columns; the last one takes what room is left, the others at most a third of the width."""
    if not rows:
        return []
    widths = [min(width // 3, max(len(row[i]) for row in rows)) for i in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        cells = [_cut(cell, wide).ljust(wide) for cell, wide in zip(row, widths, strict=False)]
        room = width - sum(widths) - 2 * len(widths) - 2
        lines.append(("  " + "  ".join([*cells, _cut(" ".join(row[-1].split()), max(3, room))])).rstrip())
    return lines


def _cut(text: str, wide: int) -> str:
    return text if len(text) <= wide else f"{text[: max(0, wide - 3)]}..."


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 1e4 else f"{value:,.4g}"


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
