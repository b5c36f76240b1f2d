"""The usage ledger: reserve, observe, reconcile; and its sums. What is written is never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from sqlite3 import Connection

from etl.errors import NotFoundError, SettingsError
from orchestration.control.store import Control, Row, stamp

PROVIDER = "provider"  # runs on at a provider, whoever watches it: outlives its holder


@dataclass(frozen=True, slots=True)
class For:
    """What a spending is for; under `kind` its cost is remembered."""

    session: str | None = None
    task: str | None = None
    agent: str | None = None
    kind: str | None = None
    unit: str | None = None


CUT_SHORT = 0.5  # confidence of a cost whose unit was cut short

NOBODY = For()
WHOSE = ("session", "task", "agent", "kind", "unit")


def reserve(
    control: Control,
    resource: str,
    amount: float,
    *,
    about: For = NOBODY,
    source: str = "declared",
    confidence: float = 0.5,
) -> int:
    """Hold an amount before a unit starts; returns the spending's number."""
    return _append(control, None, "reserved", resource, amount, about, source, confidence)


def observe(
    control: Control,
    resource: str,
    amount: float,
    *,
    spending: int | None = None,
    about: For = NOBODY,
    source: str = "meter",
    confidence: float = 1.0,
    spent_at: datetime | None = None,
) -> int:
    """Book what is being spent, before the call where it can be said: a kill then leaves it counted.

    Returns the spending's number; without one given, a new one that nothing was reserved for.
    """
    at = None if spent_at is None else stamp(spent_at)
    return _append(control, spending, "observed", resource, amount, about, source, confidence, at)


def reconcile(
    control: Control, spending: int, total: float | None = None, *, source: str = "meter", confidence: float = 1.0
) -> None:
    """Close a spending at its true total (unset: what was observed); what is still held of it is free again.

    The correction counts when the spending was last observed, so that no other day gains by it.
    """
    with control.transaction() as con:
        row = con.execute(
            """
            SELECT resource, session, task, agent, kind, unit, max(stage = 'reconciled') AS closed,
                   coalesce(sum(amount) FILTER (WHERE stage = 'observed'), 0) AS observed,
                   coalesce(max(spent_at) FILTER (WHERE stage = 'observed'), max(at)) AS last
            FROM usage WHERE spending = ?
            """,
            (spending,),
        ).fetchone()
        if row["resource"] is None:
            raise NotFoundError(f"there is no spending {spending}")
        if row["closed"]:
            return
        about = For(*(row[name] for name in WHOSE))
        correction = 0.0 if total is None else total - row["observed"]
        _append(control, spending, "reconciled", row["resource"], correction, about, source, confidence, row["last"])


def observe_total(control: Control, resource: str, total: float, *, session: str, about: For = NOBODY) -> float:
    """Book a session's total as its agent reports it; returns what is new. A lower total than before is refused."""
    with control.transaction():
        before = spent(control, resource, session=session)
        if total < before:
            raise SettingsError(
                f"{resource} {total:,.0f} is less than the {before:,.0f} already booked in {session}: "
                "the figure is the session's total so far, it cannot fall"
            )
        if total > before:
            about = For(session, about.task, about.agent, about.kind, about.unit)
            spending = observe(control, resource, total - before, about=about, source="agent", confidence=0.9)
            reconcile(control, spending, source="agent", confidence=0.9)
        return total - before


def spent(
    control: Control,
    resource: str,
    *,
    since: datetime | None = None,
    session: str | None = None,
    agent: str | None = None,
    not_agents: tuple[str, ...] = (),
) -> float:
    """What was spent of a resource: since a time, in a session, by one agent or by all but some."""
    where, values = ["resource = :resource"], {"resource": resource}
    _whose(where, values, session, agent, not_agents)
    return max(0.0, sum(row["amount"] or 0.0 for row in _sums(control, where, values, since)))


def held(
    control: Control,
    resource: str,
    *,
    session: str | None = None,
    agent: str | None = None,
    not_agents: tuple[str, ...] = (),
    occupied: bool = False,
) -> float:
    """What is reserved and not yet spent, whenever it was reserved; `occupied`: spent or not, as for slots."""
    where, values = ["resource = :resource"], {"resource": resource}
    _whose(where, values, session, agent, not_agents)
    amount = "max(reserved, observed)" if occupied else "max(0, reserved - observed)"
    return float(control.value(f"SELECT sum({amount}) FROM holds WHERE {' AND '.join(where)}", values) or 0)


def still_held(control: Control, spending: int) -> float:
    """What one open spending still holds; 0 for a closed one."""
    found = control.value("SELECT max(0, reserved - observed) FROM holds WHERE spending = ?", (spending,))
    return float(found or 0)


def occupied(control: Control, spending: int) -> float:
    """What one open spending occupies, spent or not: the slots of something concurrent."""
    found = control.value("SELECT max(reserved, observed) FROM holds WHERE spending = ?", (spending,))
    return float(found or 0)


def cost_of(control: Control, task: str, *, since: datetime | None = None) -> dict[str, float]:
    """What a task has cost so far, a figure a resource; of its present round with `since`."""
    return _by_resource(_sums(control, ["task = :task"], {"task": task}, since))


def costs_of(control: Control, tasks: Sequence[str]) -> dict[str, dict[str, float]]:
    """What each of many tasks has cost so far."""
    costs: dict[str, dict[str, float]] = {task: {} for task in tasks}
    for row in control.rows(
        """
        SELECT task, resource, sum(amount) AS amount FROM spent
        WHERE task IN (SELECT value FROM json_each(?)) GROUP BY task, resource ORDER BY task, resource
        """,
        (json.dumps(list(tasks)),),
    ):
        costs[row["task"]][row["resource"]] = row["amount"]
    return costs


def cost_of_session(control: Control, session: str) -> dict[str, float]:
    """What a session has spent, a figure a resource."""
    return _by_resource(_sums(control, ["session = :session"], {"session": session}, None))


def unit_costs(control: Control, kind: str, resource: str) -> list[float]:
    """What the newest whole units of a kind have cost of a resource, newest first; those cut short are left out."""
    found = control.rows(
        "SELECT amount FROM unit_costs WHERE kind = ? AND resource = ? ORDER BY spending DESC", (kind, resource)
    )
    return [float(row["amount"]) for row in found]


def newest_entry(control: Control) -> int:
    """The number of the newest entry; while it stays the same no sum has changed."""
    return control.value("SELECT max(id) FROM usage") or 0


def drop_holds(control: Control, con: Connection, *, task: str | None = None, session: str | None = None) -> None:
    """Inside a transaction: close what a task's or session's holder held. What was observed stays spent: it is booked
    before each call, so a call in flight counts. What runs at a provider is left: it goes on whoever watches it."""
    found = con.execute(
        "SELECT spending FROM holds WHERE (task = ? OR session = ?) AND source <> ?", (task, session, PROVIDER)
    ).fetchall()
    for row in found:
        reconcile(control, row["spending"], confidence=CUT_SHORT)


def _whose(
    where: list[str], values: dict[str, str], session: str | None, agent: str | None, not_agents: tuple[str, ...]
) -> None:
    for name, value in (("session", session), ("agent", agent)):
        if value is not None:
            where.append(f"{name} = :{name}")
            values[name] = value
    if not_agents:
        names = {f"other{i}": name for i, name in enumerate(not_agents)}
        where.append(f"coalesce(agent, '') NOT IN ({', '.join(f':{name}' for name in names)})")
        values |= names


def _sums(control: Control, where: Sequence[str], values: Mapping[str, str], since: datetime | None) -> list[Row]:
    """Amounts a resource: whole hours from the table that keeps their sums, the rest of an hour from the ledger."""
    told, bounds = " AND ".join(where), dict(values)
    if since is None:
        return control.rows(f"SELECT resource, sum(amount) AS amount FROM spent WHERE {told} GROUP BY resource", bounds)
    first = _hour_from(since)
    bounds |= {"since": stamp(since), "first": stamp(first)}
    sums = f"""
        SELECT resource, sum(amount) AS amount FROM spent
        WHERE {told} AND hour >= substr(:first, 1, 13) GROUP BY resource
        """
    if first > since:
        sums += f"""
        UNION ALL SELECT resource, sum(amount) FROM usage
        WHERE {told} AND stage <> 'reserved' AND spent_at >= :since AND spent_at < :first GROUP BY resource
        """
    return control.rows(sums, bounds)


def _hour_from(at: datetime) -> datetime:
    """The first whole hour that is not before a time."""
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour if hour == at else hour + timedelta(hours=1)


def _by_resource(rows: Sequence[Row]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for row in rows:
        sums[row["resource"]] = sums.get(row["resource"], 0.0) + row["amount"]
    return dict(sorted(sums.items()))


def _append(
    control: Control,
    spending: int | None,
    stage: str,
    resource: str,
    amount: float,
    about: For,
    source: str,
    confidence: float,
    spent_at: str | None = None,
) -> int:
    if stage != "reconciled" and not amount >= 0:
        raise SettingsError(f"{resource}: an amount of {amount} cannot be booked")
    with control.transaction() as con:
        if spending is None:
            spending = int(con.execute("SELECT coalesce(max(id), 0) + 1 FROM usage").fetchone()[0])
        at = control.stamp()
        entry = {
            "spending": spending,
            "stage": stage,
            "resource": resource,
            "amount": amount,
            "source": source,
            "confidence": confidence,
            "at": at,
            "spent_at": spent_at or at,
        } | {name: getattr(about, name) for name in WHOSE}
        columns = ", ".join(entry)
        values = ", ".join(f":{name}" for name in entry)
        con.execute(f"INSERT INTO usage ({columns}) VALUES ({values})", entry)
    return spending
