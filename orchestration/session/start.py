"""A queue in, an open session on one of its tasks out: the open one again, or a new one on the next ready task."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from etl.errors import FencedOffError, NotFoundError, SettingsError
from orchestration.control import Claim, Control, claims, holding, sessions
from orchestration.control.claims import Refuse, lease_of
from orchestration.control.sessions import Session
from orchestration.control.standing import Missing, notice, refresh
from orchestration.control.store import moment
from orchestration.control.task import Task, fetch
from orchestration.quota import Quota
from orchestration.session.journal import Work

HAND, DRIVEN = "hand", "driven"


@dataclass(frozen=True, slots=True)
class Started:
    """An open session and its task; `resumed` when it was open before."""

    session: Session
    task: Task
    resumed: bool


class NothingReadyError(NotFoundError):
    """No task can be worked on now."""


def open_by_hand(control: Control, agent: str | None) -> Session | None:
    """The newest session by hand of an agent (None: of nobody in particular) that is open or wrapping."""
    found = control.rows(
        """
        SELECT session FROM sessions WHERE agent IS ? AND mode = 'hand' AND state IN ('open', 'wrapping')
        ORDER BY started DESC, session DESC LIMIT 1
        """,
        (agent,),
    )
    return sessions.get(control, found[0]["session"]) if found else None


def find(control: Control, *, agent: str | None, name: str | None = None) -> Session:
    """The named session, or the agent's open one; raises `NotFoundError` saying how to begin one."""
    if name is not None:
        return sessions.get(control, name)
    found = open_by_hand(control, agent)
    if found is None:
        whose = f"agent {agent}" if agent else "nobody in particular (ETL_AGENT or --agent names one)"
        raise NotFoundError(f"no session of {whose} is open; 'etl session start' begins one")
    return found


def start(
    control: Control,
    quota: Quota,
    *,
    agent: str | None = None,
    task: str | None = None,
    missing: Missing | None = None,
    stale_after: timedelta | None = None,
) -> Started:
    """Go on with the agent's open session, or begin one on the named or next ready task, held until it is wrapped.

    `stale_after` abandons sessions by hand that nobody was heard of for so long. Raises `NothingReadyError`, and
    `SettingsError` where another task is open or the named one cannot be had.
    """
    if stale_after is not None:
        abandon_stale(control, stale_after)
    found = open_by_hand(control, agent)
    if found is not None:
        if task not in (None, found.task):
            raise SettingsError(f"{found.name} is open on task {found.task}; 'etl session wrap' ends it first")
        return Started(found, fetch(control, str(found.task)), resumed=True)
    return begin(control, quota, mode=HAND, agent=agent, task=task, missing=missing)


def begin(
    control: Control,
    quota: Quota,
    *,
    mode: str,
    holder: str | None = None,
    agent: str | None = None,
    task: str | None = None,
    missing: Missing | None = None,
    turned_down: Refuse | None = None,
) -> Started:
    """Open a session and claim its task in one transaction, so that a kill leaves both or neither."""
    refresh(control, missing=missing)  # what takes time is looked at before the transaction
    if task is None and not claims.any_candidate(control, agent):
        raise NothingReadyError("no task is ready; 'etl task list' shows what each waits for")
    seen: dict[str, str | None] = {}

    def known(asked: Task) -> str | None:
        if asked.name not in seen:
            seen[asked.name] = asked.detail if asked.reason == "input_missing" else None
        return seen[asked.name]

    with control.transaction():
        session = sessions.begin(control, agent=agent, mode=mode)
        refused: list[str] = []

        def refuse(asked: Task) -> str | None:
            why = turned_down(asked) if turned_down is not None else None
            why = why or quota.refuse(asked, session=session.name, agent=agent)
            if why is not None:
                refused.append(f"{asked.name}: {why}")
            return why

        claim = claims.claim(
            control, holder=holder or agent or "by hand", session=session.name, agent=agent, task=task,
            lease_s=claims.LEASE_S if mode == DRIVEN else None, refuse=refuse, missing=known,
        )  # fmt: skip
        if claim is None:
            held = f" ({'; '.join(refused[:3])})" if refused else ""
            raise NothingReadyError(f"no task is ready{held}; 'etl task list' shows what each waits for")
        at = fetch(control, claim.task)
        journal = {"work": Work.before(control, at, session=session.name).to_dict()}
        session = sessions.update(control, session.name, task=claim.task, token=claim.token, journal=journal)
    return Started(session, fetch(control, claim.task), resumed=False)


def claim_of(control: Control, session: Session) -> Claim:
    """The right under which a session works; it proves nothing until it is used."""
    lease = lease_of(control, str(session.task))
    holder = lease.holder if lease is not None and lease.token == session.token else session.agent
    return Claim(str(session.task), session.token or 0, holder or "by hand", session.name)


def abandon(control: Control, session: Session, why: str) -> Session:
    """End a session without a wrap; its task is ready again, what was recorded and spent stays."""
    if session.state not in (sessions.OPEN, sessions.WRAPPING):
        raise SettingsError(f"{session.name} is {session.state} already")
    with control.transaction():
        with suppress(FencedOffError):  # taken over by somebody else: theirs now
            holding.release(control, claim_of(control, session), why=f"abandoned: {why}")
        return sessions.update(control, session.name, state=sessions.ABANDONED, journal={"ending": {"why": why}})


def abandon_stale(control: Control, after: timedelta) -> list[str]:
    """Abandon sessions by hand that left no trace for so long; returns their names."""
    found = control.rows(
        """
        SELECT s.session, coalesce(max(e.at), s.started) AS last
        FROM sessions s LEFT JOIN task_events e USING (session)
        WHERE s.mode = 'hand' AND s.state IN ('open', 'wrapping') GROUP BY s.session
        """
    )
    gone = [row["session"] for row in found if control.now() - moment(row["last"]) > after]
    for name in gone:
        session = sessions.get(control, name)
        abandon(control, session, f"nothing was heard of it for more than {after}")
        notice(control, f"{name} was abandoned: nothing was heard of it", task=session.task)
    return gone
