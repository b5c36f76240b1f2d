"""Which task needs which; circles are found and named."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from etl.errors import SettingsError
from orchestration.control.store import Control


def circle(needs: Mapping[str, Collection[str]]) -> list[str]:
    """One circle as a path that ends where it began, the same whatever the order of the mapping; empty without one.

    Iterative, so that a chain of thousands is no problem.
    """
    settled: set[str] = set()
    for start in sorted(needs):
        path: list[str] = []
        on_path: set[str] = set()
        waiting: list[tuple[str, bool]] = [(start, False)]
        while waiting:
            name, leaving = waiting.pop()
            if leaving:
                settled.add(name)
                on_path.discard(path.pop())
            elif name in on_path:
                return [*path[path.index(name) :], name]
            elif name not in settled:
                path.append(name)
                on_path.add(name)
                waiting.append((name, True))
                waiting += [(other, False) for other in sorted(needs.get(name, ()), reverse=True)]
    return []


def check(control: Control) -> None:
    """Raise `SettingsError` naming the circle when the stored dependencies have one."""
    needs: dict[str, list[str]] = {}
    for row in control.rows("SELECT task, needs FROM task_dependencies"):
        needs.setdefault(row["task"], []).append(row["needs"])
    found = circle(needs)
    if found:
        raise SettingsError(f"dependencies would go in a circle: {' -> '.join(found)}")
