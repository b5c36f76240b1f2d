"""What `etl detect` needs beside the files: mappings as typed, a similarity out of a model, the sums of a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.detect import Report
from etl.detect.names import NAMES
from etl.errors import SettingsError

if TYPE_CHECKING:
    from etl.store import Store


def pairs_of(given: Sequence[str]) -> dict[str, str]:
    """`question=FIELD` and the like, as typed. Raises `SettingsError` for what is none."""
    mapping = {}
    for text in given:
        ours, sign, theirs = text.partition("=")
        if not sign or ours.strip() not in NAMES:
            raise SettingsError(f"{text!r} is no mapping; write one of {', '.join(NAMES)}, then = and the file's field")
        mapping[ours.strip()] = theirs
    return mapping


def fields_of(given: Sequence[str]) -> dict[str, str] | None:
    """A whole mapping as typed; None where nothing is given. Raises `SettingsError`."""
    mapping = pairs_of(given)
    if mapping and not {"question", "answer"} <= mapping.keys():
        raise SettingsError("a mapping names at least question and answer")
    return mapping or None


def not_settled(store: Store, which: str, mappings: Mapping[str, Mapping[str, str]]) -> None:
    """Raise `SettingsError` where etl.toml names a mapping for this delivery: that one wins."""
    from etl.ingest.plan import Memory
    from etl.ingest.views import find

    found = find(store, which)
    if Memory({}, {}, {}, mappings, salvage=False).told(found["path"], found["delivery"]) is not None:
        raise SettingsError(
            f"[read.mappings] in etl.toml says how {found['path']} is read, and it wins; change it there"
        )


def similarity_of(root: Path, model: str | None) -> Callable[[Sequence[str], Sequence[str]], list[float]] | None:
    """The cosine of texts side by side, by a model that is loaded when it is first asked; None without one."""
    if model is None:
        return None
    from orchestration.workspace import Workspace

    path = Workspace.at(root).settings.embed.path
    loaded: list[Any] = []

    def similarity(ours: Sequence[str], theirs: Sequence[str]) -> list[float]:
        from embeddings.encoder import open_encoder

        if not loaded:
            loaded.append(open_encoder(model, path=Path(path) if path else None, device=None))
        first, second = (loaded[0].encode(list(texts)) for texts in (ours, theirs))
        return [float(value) for value in (first * second).sum(axis=1)]

    return similarity


def summed(found: Sequence[Report]) -> dict[str, Any]:
    """How many files are in which state and what they would give, in figures and in words."""
    everything = [*found]
    for one in everything:
        everything += one.members
    states = Counter(one.state for one in everything)
    figures = {state: states[state] for state in ("accepted", "refused", "unmapped", "archive", "rejected")}
    figures["records"] = sum(one.records for one in everything)
    figures["pairs"] = sum(one.pairs for one in everything)
    said = ", ".join(f"{count} {state}" for state, count in figures.items() if count and state in states) or "no files"
    more = " (of the beginnings of large files)" if any(one.sampled for one in everything) else ""
    return {"figures": figures, "text": f"{said}; {figures['pairs']:,} pairs{more}"}
