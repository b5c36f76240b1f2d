"""What a command prints: text or exactly one JSON object on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from etl.progress import Pending, Progress

CELL = 60
DONE, MENDABLE, USAGE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130


@dataclass(slots=True)
class State:
    """The global options of one call."""

    root: Path
    as_json: bool = False
    quiet: bool = False

    @property
    def workspace(self) -> Workspace:
        return Workspace.at(self.root)

    def emit(self, data: Mapping[str, Any], text: str = "") -> None:
        """The result: `data` as one JSON object with --json, else `text`."""
        if self.as_json:
            sys.stdout.write(json.dumps(data, ensure_ascii=not _speaks_utf8(), default=_plain) + "\n")
        elif text:
            typer.echo(text)

    def say(self, text: str) -> None:
        """A remark on the way, on stderr; silent with --quiet."""
        if not self.quiet:
            typer.echo(text, err=True)


def state(context: typer.Context) -> State:
    """The global options as a command sees them."""
    found: State = context.ensure_object(State) if context.obj is None else context.obj
    return found


@dataclass(slots=True)
class Bars:
    """Watches the stages of a run: a bar each on a terminal, else a line each on stderr."""

    console: State
    _display: Any = None
    _bars: dict[str, Any] = field(default_factory=dict)

    def begin(self, pending: Pending) -> None:
        """A stage starts; say what it will do, and why where it is done again."""
        why = f" ({pending.why})" if pending.why else ""
        if self._display is not None:
            self._bars[pending.job] = self._display.add_task(
                f"{pending.job:<8}", total=pending.amount or None, note=why
            )
        elif pending.amount:
            self.console.say(f"{pending.job}: {pending.amount:,} {pending.noun}{why}")

    def step(self, progress: Progress) -> None:
        """One unit was committed."""
        if self._display is not None and progress.job in self._bars:
            self._display.update(self._bars[progress.job], completed=progress.done, total=progress.total)

    def end(self, job: str) -> None:
        """A stage is through."""
        if self._display is not None and job in self._bars:
            task = self._display.tasks[self._bars[job]]
            self._display.update(self._bars[job], total=task.total or 1, completed=task.total or 1)


@contextmanager
def bars(console: State) -> Iterator[Bars]:
    """Progress bars with rate and time left on a terminal; plain lines elsewhere; nothing with --quiet."""
    if console.quiet or console.as_json or not sys.stderr.isatty():
        yield Bars(console)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Items a second."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f}/s" if speed else "", justify="right")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as display:
        yield Bars(console, display)


def table(rows: Sequence[Mapping[str, Any]], *columns: str) -> str:
    """Rows as aligned plain text, one line each, with a heading."""
    cells = [[_cell(row.get(name), tail=name == "path") for name in columns] for row in rows]
    widths = [max([len(name), *(len(line[i]) for line in cells)]) for i, name in enumerate(columns)]
    lines = [[*columns], *cells]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def fields(data: Mapping[str, Any]) -> str:
    """One thing as aligned plain text, a line a field; what is nested as JSON, what is not there as a dash."""
    width = max(map(len, data), default=0)
    return "\n".join(f"{name:<{width}}  {_field(value)}" for name, value in data.items())


def _field(value: Any) -> str:
    if value is None or value in ([], {}):
        return "-"
    if isinstance(value, Mapping | Sequence) and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, default=str)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _cell(value: Any, *, tail: bool = False) -> str:
    if value is None:
        return "-"
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    text = " ".join(text.split())
    if len(text) <= CELL:
        return text
    return "..." + text[3 - CELL :] if tail else text[: CELL - 3] + "..."


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _speaks_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") in {"utf8", "utf8sig"}
