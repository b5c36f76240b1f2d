"""Whether a stage that looks at the whole store has to run again, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etl.recipe import Recipe

if TYPE_CHECKING:
    from etl.store.store import Store


def why_stale(store: Store, job: str, recipe: Recipe, *, after: Sequence[str]) -> str:
    """In words, why `job` would give other rows now than at its last unit; '' where it would not.

    `after` names the jobs whose units feed this one.
    """
    before = store.last_recipe(job)
    if before is None:
        return "never run"
    seq, version, parameters, digest = before
    if digest != recipe.digest:
        return f"changed: {recipe.changes_from(version, parameters)}"
    newer = [name for name in after if store.last_seq(name) > seq]
    return f"new rows from {', '.join(newer)}" if newer else ""
