"""Rejects and corrected files in; what reading them again, or in the place of others, gave out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etl.errors import DeliveryError, NotFoundError
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


def replace(workspace: Workspace, former: str, corrected: Path, *, watcher: Watcher | None = None) -> Result:
    """Read a corrected file, then retract the delivery that it stands for; `former` may be the same path.

    The former one stays where the corrected one is not taken in. Cut short in between both count, and the same command
    with the start of the former's sha256 goes on. `etl delivery restore` takes the retraction back.
    """
    from etl import ingest
    from etl.ingest.views import find

    with workspace.store(write=True) as store:
        old = find(store, former)
        if old["state"] != "accepted":
            raise NotFoundError(f"{old['path']} is {old['state']}; only an accepted delivery can be replaced")
        pipeline = Pipeline(workspace, store, [corrected])
        pipeline.drain(pipeline.stage("ingest"), watcher=watcher)
        with corrected.open("rb") as file:
            name = hashlib.file_digest(file, "sha256").hexdigest()
        if name == old["delivery"]:
            raise DeliveryError(f"{corrected} has the same content as {old['path']}, so there is nothing to replace")
        found = store.query("SELECT path, state, reason FROM deliveries WHERE delivery = ?", [name]).to_dicts()
        if not found or found[0]["state"] != "accepted":
            why = found[0]["reason"] or found[0]["state"] if found else "still being written"
            raise DeliveryError(f"{corrected} was not taken in ({why}), so {old['path']} stays")
        data = dict(ingest.retract(store, old["delivery"], why=f"replaced by {name[:12]} {found[0]['path']}"))
        data |= {"replaced_by": name, "corrected": found[0]["path"]}
        snapshot.create(store)
    short = old["delivery"][:12]
    said = (
        f"{old['path']} ({short}) is retracted, {found[0]['path']} ({name[:12]}) stands for it; {data['left']:,} pairs "
        f"are delivered no more. 'etl delivery restore {short}' takes that back; 'etl run' brings everything up to date"
    )
    return Result(data, said)


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
