"""Rejects and corrected files in; what reading them again, or in the place of others, gave out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl.store import snapshot
from orchestration.pipeline import Pipeline, Watcher
from orchestration.runs import Result
from orchestration.workspace import Workspace


def retry(
    workspace: Workspace, *, delivery: str | None = None, reason: str | None = None, watcher: Watcher | None = None
) -> Result:
    """Read the deliveries of the rejects that are meant again, with the present code and settings."""
    from etl.ingest import retry as retries

    with workspace.store(write=True) as store:
        before = retries.mark(store, root=workspace.root, delivery=delivery, reason=reason)
        if before.files:
            pipeline = Pipeline(workspace, store, before.files)
            pipeline.drain(pipeline.stage("ingest"), watcher=watcher)
        data = retries.outcome(store, before)
        snapshot.create(store)
    return Result(data, _said(data))


def _said(data: Mapping[str, Any]) -> str:
    left = ", ".join(f"{n:,} {reason}" for reason, n in data["left"].items())
    lines = [
        f"{data['deliveries']:,} deliveries read again: of {data['rejects']:,} rejected records "
        f"{data['pairs']:,} turned into pairs, {sum(data['left'].values()):,} stay" + (f" ({left})" if left else "")
        + (f", {data['gone']:,} are no records of their own any more" if data["gone"] else "")
    ]  # fmt: skip
    if data["refused"]:
        lines.append(f"of {data['refused']:,} refused files {len(data['accepted']):,} could be read now")
    if data["lost"]:
        lines.append(f"{len(data['lost']):,} NOT read again, their files are gone: {', '.join(data['lost'][:5])}")
    return "\n".join([*lines, "'etl run' brings everything behind it up to date"])
