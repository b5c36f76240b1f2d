"""Installed packages in, the shapes that they register by entry point out; asked before the shapes of ours.

A package names a `Shape` under `[project.entry-points."motherlode.shapes"]`. One that cannot be loaded stops the run:
reading on without it would give other rows, and nobody would see why.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from etl.errors import SettingsError
from etl.shapes.base import Shape

GROUP = "motherlode.shapes"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A registered shape and the package it comes from. Only the package's metadata was looked at."""

    name: str
    package: str
    version: str
    target: str

    def __str__(self) -> str:
        return f"{self.name} ({self.package} {self.version})"


def installed() -> tuple[Plugin, ...]:
    """What is registered, by name; nothing is imported."""
    return tuple(_plugin(point) for point in _points(tuple(sys.path)))


def versions() -> dict[str, str]:
    """Name -> package and version: what a recipe says of own shapes."""
    return {one.name: f"{one.package} {one.version}" for one in installed()}


def own_shapes() -> tuple[Shape, ...]:
    """The registered shapes, by name. Raises `SettingsError` naming the first that cannot be loaded."""
    return _load(tuple(sys.path))


@lru_cache(maxsize=4)
def _points(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:  # the path decides what is installed
    return tuple(sorted(entry_points(group=GROUP), key=lambda point: point.name))


@lru_cache(maxsize=4)
def _load(path: tuple[str, ...]) -> tuple[Shape, ...]:
    return tuple(_loaded(point) for point in _points(path))


def _loaded(point: EntryPoint) -> Shape:
    who = _plugin(point)
    try:
        found = point.load()
    except Exception as error:  # a stranger's module can raise anything; the user learns whose it is
        raise SettingsError(
            f"the shape plug-in {who} cannot be loaded from {who.target}: {type(error).__name__}: {error}; "
            "mend or uninstall it"
        ) from error
    if not isinstance(found, Shape) or found.name != point.name:
        what = (
            f"a Shape called {found.name!r}"
            if isinstance(found, Shape)
            else f"something of type {type(found).__name__}"
        )
        raise SettingsError(f"the shape plug-in {who} gives {what}, but a Shape called {point.name!r} is expected")
    return found


def _plugin(point: EntryPoint) -> Plugin:
    package = point.dist.name if point.dist else "unknown package"
    return Plugin(point.name, package, point.dist.version if point.dist else "?", point.value)
