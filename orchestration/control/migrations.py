"""The steps between schema versions of the control store, each as it was when it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Migration:
    """How version `number - 1` of the schema becomes version `number`."""

    number: int
    what: str
    sql: str


SUMS = """
CREATE INDEX tasks_ended ON tasks (finished) WHERE status IN ('completed', 'skipped');
DROP INDEX events_of_a_task;
CREATE INDEX events_of_a_task ON task_events (task, event, id);
CREATE INDEX events_of_a_session ON task_events (session, id) WHERE session IS NOT NULL;
CREATE INDEX units_by_row ON task_events (json_extract(detail, '$.seq')) WHERE event = 'unit';
CREATE INDEX units_with_digest ON task_events (json_extract(detail, '$.seq'))
    WHERE event = 'unit' AND coalesce(json_extract(detail, '$.digest'), '') <> '';
CREATE INDEX units_taken_back ON task_events (json_extract(detail, '$.of')) WHERE event = 'unit_lost';
CREATE INDEX milestones_by_name ON task_events (json_extract(detail, '$.name')) WHERE event = 'milestone';
CREATE INDEX rounds_of_a_kind ON task_events (json_extract(detail, '$.kind'), id) WHERE event = 'completed';
CREATE TABLE marks (mark TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX sessions_of_a_task ON sessions (task, started);
DROP INDEX usage_of_a_session;
DROP INDEX usage_of_a_task;
DROP INDEX usage_of_a_kind;
CREATE INDEX usage_of_a_task ON usage (task, spent_at, resource, stage, amount);
CREATE TABLE spent (
    resource TEXT NOT NULL,
    hour     TEXT NOT NULL,                  -- the first 13 characters of spent_at
    session  TEXT NOT NULL,                  -- '': none
    task     TEXT NOT NULL,
    agent    TEXT NOT NULL,
    amount   REAL NOT NULL,
    PRIMARY KEY (resource, hour, agent, session, task)
) WITHOUT ROWID;
CREATE INDEX spent_in_a_session ON spent (session, resource, agent, hour, amount);
CREATE INDEX spent_on_a_task ON spent (task, hour, resource, amount);
INSERT INTO spent (resource, hour, session, task, agent, amount)
SELECT resource, substr(spent_at, 1, 13), coalesce(session, ''), coalesce(task, ''), coalesce(agent, ''), sum(amount)
FROM usage WHERE stage <> 'reserved' AND amount <> 0 GROUP BY 1, 2, 3, 4, 5;
CREATE TABLE unit_costs (
    kind     TEXT NOT NULL,
    resource TEXT NOT NULL,
    spending INTEGER NOT NULL,
    amount   REAL NOT NULL,
    PRIMARY KEY (kind, resource, spending)
) WITHOUT ROWID;
INSERT INTO unit_costs (kind, resource, spending, amount)
SELECT kind, resource, spending, amount FROM (
    SELECT kind, resource, spending, sum(amount) FILTER (WHERE stage <> 'reserved') AS amount,
           row_number() OVER (PARTITION BY kind, resource ORDER BY spending DESC) AS age
    FROM usage WHERE kind IS NOT NULL GROUP BY kind, resource, spending
    HAVING max(stage = 'reconciled' AND confidence > 0.5)
) WHERE age <= 200;
DROP TRIGGER usage_reconciles;
CREATE TRIGGER usage_reconciles AFTER INSERT ON usage WHEN new.stage = 'reconciled'
BEGIN
    DELETE FROM holds WHERE spending = new.spending;
    INSERT INTO unit_costs (kind, resource, spending, amount)
    SELECT new.kind, new.resource, new.spending, sum(amount) FROM usage
    WHERE spending = new.spending AND stage <> 'reserved' AND new.kind IS NOT NULL AND new.confidence > 0.5
    GROUP BY spending;
    DELETE FROM unit_costs WHERE kind = new.kind AND resource = new.resource AND spending <= (
        SELECT spending FROM unit_costs WHERE kind = new.kind AND resource = new.resource
        ORDER BY spending DESC LIMIT 1 OFFSET 200
    );
END;
CREATE TRIGGER usage_adds_up AFTER INSERT ON usage WHEN new.stage <> 'reserved' AND new.amount <> 0
BEGIN
    INSERT INTO spent (resource, hour, session, task, agent, amount)
    VALUES (new.resource, substr(new.spent_at, 1, 13), coalesce(new.session, ''), coalesce(new.task, ''),
            coalesce(new.agent, ''), new.amount)
    ON CONFLICT DO UPDATE SET amount = amount + new.amount;
END;
"""

MIGRATIONS: Sequence[Migration] = (Migration(2, "sums beside the ledger, and indexes for long histories", SUMS),)
