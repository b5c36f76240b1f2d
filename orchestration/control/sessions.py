"""Sessions as the control store knows them: who works on what, since when, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from etl.errors import NotFoundError
from orchestration.control import books
from orchestration.control.store import Control, Row, moment, stamp

OPEN, WRAPPING, WRAPPED, ABANDONED, DIED = "open", "wrapping", "wrapped", "abandoned", "died"


@dataclass(frozen=True, slots=True)
class Session:
    """One session. `mode` is driven or hand; `journal` is what it must remember across a crash."""

    name: str
    agent: str | None
    task: str | None
    token: int | None
    mode: str
    state: str
    started: datetime
    ended: datetime | None
    journal: Mapping[str, Any]


def begin(
    control: Control, *, agent: str | None = None, task: str | None = None, token: int | None = None, mode: str = "hand"
) -> Session:
    """Open a session; its name carries the time."""
    with control.transaction() as con:
        base = name = f"session_{control.now():%Y%m%dT%H%M%SZ}"
        number = 1
        while control.value("SELECT 1 FROM sessions WHERE session = ?", (name,)):
            number += 1
            name = f"{base}_{number}"
        con.execute(
            """
            INSERT INTO sessions (session, agent, task, token, mode, state, started)
            VALUES (?, ?, ?, ?, ?, 'open', ?)
            """,
            (name, agent, task, token, mode, control.stamp()),
        )
        control.event("session_began", task, actor=agent, session=name, detail={"mode": mode})
    return get(control, name)


def get(control: Control, name: str) -> Session:
    """One session; raises `NotFoundError`."""
    found = control.rows("SELECT * FROM sessions WHERE session = ?", (name,))
    if not found:
        raise NotFoundError(f"there is no session {name!r}; 'etl session list' shows those there are")
    return _of(found[0])


def current(control: Control, *, agent: str | None = None) -> Session | None:
    """The newest session of an agent (None: of nobody in particular) that is open or wrapping."""
    found = control.rows(
        """
        SELECT * FROM sessions WHERE agent IS ? AND state IN ('open', 'wrapping')
        ORDER BY started DESC, session DESC LIMIT 1
        """,
        (agent,),
    )
    return _of(found[0]) if found else None


def update(
    control: Control,
    name: str,
    *,
    state: str | None = None,
    task: str | None = None,
    token: int | None = None,
    journal: Mapping[str, Any] | None = None,
) -> Session:
    """Change a session; `journal` entries replace those of the same name. An ending state closes what it held."""
    with control.transaction() as con:
        before = get(control, name)
        over = control.now() if state in (WRAPPED, ABANDONED, DIED) else None
        ended = None if over is None else stamp(over)
        kept = {**before.journal, **control.redactor.clean_data(journal or {})}
        con.execute(
            """
            UPDATE sessions SET state = coalesce(:state, state), task = coalesce(:task, task),
                                ended = coalesce(:ended, ended), token = coalesce(:token, token), journal = :journal
            WHERE session = :name
            """,
            {"state": state, "task": task, "token": token, "ended": ended, "name": name,
             "journal": json.dumps(kept, ensure_ascii=False)},
        )  # fmt: skip
        if state is not None and state != before.state:
            control.event(f"session_{state}", before.task, actor=before.agent, session=name)
        if ended:
            books.drop_holds(control, con, session=name)
    return replace(
        before, state=state or before.state, task=task or before.task, token=before.token if token is None else token,
        ended=over or before.ended, journal=kept,
    )  # fmt: skip


def _of(row: Row) -> Session:
    return Session(
        row["session"], row["agent"], row["task"], row["token"], row["mode"], row["state"], moment(row["started"]),
        None if row["ended"] is None else moment(row["ended"]), json.loads(row["journal"]),
    )  # fmt: skip
