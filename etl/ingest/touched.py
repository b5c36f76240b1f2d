"""The names of indicators and categories that a delivery gives, and what the settings say of names, in; out comes what
of it concerns the delivery, so that another synonym does not make it pending."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from etl.normalise.names import Names
from etl.normalise.repair import repair_text

if TYPE_CHECKING:
    from etl.read import Reading

_MOST = 300  # distinct names; a delivery with more is concerned by every change
_FIELDS = ("indicator", "category")


def names_of(reading: Reading) -> dict[str, list[str]] | None:
    """The names that the records give, and which of both fields some of them lack; None for too many names, and where
    nothing was read."""
    if reading.format is None or reading.refusal is not None:
        return None
    found: dict[str, list[str]] = {"lacking": []}
    for name in _FIELDS:
        column = reading.candidates[name]
        given = column.drop_nulls().unique().sort().head(_MOST + 1).to_list()
        if len(given) > _MOST:
            return None
        found[name] = list(dict.fromkeys(repair_text(text)[0] for text in given))
        found["lacking"] += [name] if column.null_count() or "" in found[name] else []
    return found


def concerning(
    names: Mapping[str, Any] | None, path: str, aliases: Mapping[str, str], *, accepted: bool
) -> dict[str, str | None]:
    """What becomes of a delivery's names by these aliases and would not without them; all aliases where its names are
    not known, nothing for a delivery without records."""
    if not aliases or not accepted:
        return {}
    if names is None:
        return dict(aliases)
    plain, own = _known(()), _known(tuple(aliases.items()))
    found: dict[str, tuple[str | None, str | None]] = {}
    found |= {f"indicator {name}": (plain.indicator(name), own.indicator(name)) for name in names["indicator"]}
    found |= {f"category {name}": (plain.category(name), own.category(name)) for name in names["category"]}
    before, after = plain.from_path(path), own.from_path(path)
    for field in names["lacking"]:
        found[f"{field} of its path"] = before.get(field, (None,))[0], after.get(field, (None,))[0]
    if "category" in names["lacking"]:
        told = [*names["indicator"], *([after["indicator"][0]] if "indicator" in after else [])]
        found |= {f"category of {name}": (_category(plain, name), _category(own, name)) for name in told}
    return {what: new for what, (old, new) in found.items() if old != new}


def _category(known: Names, indicator: str) -> str | None:
    return known.category_of(known.indicator(indicator))


@lru_cache(maxsize=8)
def _known(aliases: tuple[tuple[str, str], ...]) -> Names:
    return Names.known(dict(aliases))
