-- The control plane: what is to be done, who does it, what it cost. One small SQLite file in WAL mode, `control.db`.
-- Any number of processes read and write it. The ledger in the store is the truth about work done; this is the plan.
-- Times are text in UTC, always 2026-01-31T09:30:00.000000Z, so that they sort as they read. JSON is text.

-- ── what is to be done ───────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE tasks (
    task        TEXT PRIMARY KEY,            -- the name its user gave it
    description TEXT NOT NULL DEFAULT '',
    priority    INTEGER NOT NULL,            -- 1 goes first; equal ones by age, what recurs by its last claim
    kind        TEXT NOT NULL,               -- stages of the pipeline (embed, link+resolve), command, or manual
    parameters  TEXT NOT NULL DEFAULT '{}',  -- JSON: options of the stages, or {"command": ...}
    status      TEXT NOT NULL CHECK (status IN
                ('ready', 'waiting', 'running', 'blocked', 'parked', 'completed', 'failed', 'skipped')),
    reason      TEXT,                        -- snake_case: why it is waiting, blocked, parked, failed or skipped
    detail      TEXT,                        -- the same in words
    agent       TEXT,                        -- who is to do it; NULL: anyone
    done        INTEGER NOT NULL DEFAULT 0,  -- progress in the task's own items
    total       INTEGER,                     -- NULL: not known
    units       INTEGER NOT NULL DEFAULT 0,  -- units committed
    errors      INTEGER NOT NULL DEFAULT 0,  -- units that failed
    estimate    TEXT NOT NULL DEFAULT '{}',  -- JSON: {"tokens": 100000}, for the whole task
    check_command TEXT,                      -- succeeds when the task is really done
    check_query   TEXT,                      -- SQL over the store whose first value is true when it is really done
    every_s     INTEGER,                     -- recurrence; NULL: once
    due         TEXT NOT NULL,               -- when this round was due; recurrences keep their rhythm by it
    not_before  TEXT,                        -- earliest start: next round, or wait before another attempt
    attempts    INTEGER NOT NULL DEFAULT 0,  -- claims since the last clean release or progress
    grade       TEXT,                        -- A to F of the last completion; NULL: nothing to grade
    created     TEXT NOT NULL,
    started     TEXT,                        -- first claim of this round
    finished    TEXT
);
CREATE INDEX tasks_in_order ON tasks (status, priority, created, task);
CREATE INDEX tasks_ended ON tasks (finished) WHERE status IN ('completed', 'skipped');

CREATE TABLE task_dependencies (
    task  TEXT NOT NULL REFERENCES tasks (task) ON DELETE CASCADE,
    needs TEXT NOT NULL REFERENCES tasks (task),
    met   TEXT,                              -- when `needs` was completed or skipped; NULL: still waited for
    PRIMARY KEY (task, needs)
) WITHOUT ROWID;
CREATE INDEX task_dependants ON task_dependencies (needs);

-- Everything that happened, append-only; it outlives the task. A checkpoint is an event with a description and figures,
-- a notice one that a person should see.
CREATE TABLE task_events (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    task    TEXT,                            -- NULL: of the workspace
    at      TEXT NOT NULL,
    event   TEXT NOT NULL,                   -- added, claimed, checkpoint, completed, parked, notice ...
    actor   TEXT,                            -- holder, agent or 'user'
    session TEXT,
    detail  TEXT NOT NULL DEFAULT '{}'       -- JSON
);
CREATE INDEX events_of_a_task ON task_events (task, event, id);
CREATE INDEX events_of_a_session ON task_events (session, id) WHERE session IS NOT NULL;
CREATE INDEX events_by_name ON task_events (event, id);
CREATE INDEX units_by_row ON task_events (json_extract(detail, '$.seq')) WHERE event = 'unit';
CREATE INDEX units_with_digest ON task_events (json_extract(detail, '$.seq'))
    WHERE event = 'unit' AND coalesce(json_extract(detail, '$.digest'), '') <> '';
CREATE INDEX units_taken_back ON task_events (json_extract(detail, '$.of')) WHERE event = 'unit_lost';
CREATE INDEX milestones_by_name ON task_events (json_extract(detail, '$.name')) WHERE event = 'milestone';
CREATE INDEX rounds_of_a_kind ON task_events (json_extract(detail, '$.kind'), id) WHERE event = 'completed';

-- ── who does it ──────────────────────────────────────────────────────────────────────────────────────────────

-- One row a task that was ever claimed, kept after the task is gone: the token only grows.
CREATE TABLE leases (
    task      TEXT PRIMARY KEY,
    token     INTEGER NOT NULL,              -- fencing token: a holder with a lower one must stop
    holder    TEXT,                          -- NULL: free
    session   TEXT,
    taken     TEXT,
    heartbeat TEXT,
    lease_s   REAL                           -- dead when the heartbeat is older; NULL: held by hand until given back
);
CREATE TRIGGER tokens_only_grow BEFORE UPDATE OF token ON leases WHEN new.token < old.token
BEGIN SELECT raise(ABORT, 'a fencing token only grows'); END;
CREATE TRIGGER leases_are_kept BEFORE DELETE ON leases
BEGIN SELECT raise(ABORT, 'leases are kept, so that tokens only grow'); END;

CREATE TABLE sessions (
    session TEXT PRIMARY KEY,                -- session_20260131T093000Z, with _2 where two begin in one second
    agent   TEXT,
    task    TEXT,
    token   INTEGER,                         -- the fencing token it works under
    mode    TEXT NOT NULL CHECK (mode IN ('driven', 'hand')),
    state   TEXT NOT NULL CHECK (state IN ('open', 'wrapping', 'wrapped', 'abandoned', 'died')),
    started TEXT NOT NULL,
    ended   TEXT,
    journal TEXT NOT NULL DEFAULT '{}'       -- JSON: what the session must remember across a crash
);
CREATE INDEX open_sessions ON sessions (state, agent, started);
CREATE INDEX sessions_of_a_task ON sessions (task, started);

-- How far something has been looked through, so that it need not be looked through again.
CREATE TABLE marks (
    mark  TEXT PRIMARY KEY,                  -- settled: the newest row of the store's ledger up to which all is booked
    value TEXT NOT NULL                      -- JSON
) WITHOUT ROWID;

CREATE TABLE agents (
    agent  TEXT PRIMARY KEY,
    status TEXT NOT NULL DEFAULT 'active',
    seen   TEXT NOT NULL
);

-- ── what it cost ─────────────────────────────────────────────────────────────────────────────────────────────

-- The usage ledger, append-only. A spending is one unit's use of one resource: reserved before it starts, observed as it
-- goes, reconciled when it ends. Spent = the sum of observed and reconciled amounts.
CREATE TABLE usage (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    spending   INTEGER NOT NULL,             -- id of the spending's first entry
    stage      TEXT NOT NULL CHECK (stage IN ('reserved', 'observed', 'reconciled')),
    resource   TEXT NOT NULL,                -- anything countable: tokens, calls, slots, hours, dollars, texts ...
    amount     REAL NOT NULL,                -- reconciled: the correction to what was observed, often 0
    source     TEXT NOT NULL,                -- declared, history, meter, agent, provider, import
    confidence REAL NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    session    TEXT,
    task       TEXT,
    agent      TEXT,
    kind       TEXT,                         -- the task's kind, under which costs are remembered
    unit       TEXT,
    at         TEXT NOT NULL,                -- when it was written
    spent_at   TEXT NOT NULL                 -- when it was spent, which decides the day it counts in
);
CREATE INDEX usage_by_time ON usage (resource, spent_at, agent, stage, amount);
CREATE INDEX usage_of_a_task ON usage (task, spent_at, resource, stage, amount);
CREATE INDEX usage_of_a_spending ON usage (spending, stage);

-- Three small tables that the triggers below keep beside the ledger, so that a year of it need never be summed up.
-- What was spent, an hour at a time.
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

-- What the newest 200 whole units of a kind have cost; those cut short are left out.
CREATE TABLE unit_costs (
    kind     TEXT NOT NULL,
    resource TEXT NOT NULL,
    spending INTEGER NOT NULL,
    amount   REAL NOT NULL,
    PRIMARY KEY (kind, resource, spending)
) WITHOUT ROWID;

-- Reservations not yet reconciled.
CREATE TABLE holds (
    spending INTEGER PRIMARY KEY,
    resource TEXT NOT NULL,
    reserved REAL NOT NULL,
    observed REAL NOT NULL DEFAULT 0,        -- still held: reserved less observed; occupied: the larger of the two
    source   TEXT NOT NULL,
    session  TEXT,
    task     TEXT,
    agent    TEXT
);
CREATE TRIGGER usage_reserves AFTER INSERT ON usage WHEN new.stage = 'reserved'
BEGIN
    INSERT INTO holds (spending, resource, reserved, source, session, task, agent)
    VALUES (new.spending, new.resource, new.amount, new.source, new.session, new.task, new.agent);
END;
CREATE TRIGGER usage_observes AFTER INSERT ON usage WHEN new.stage = 'observed'
BEGIN UPDATE holds SET observed = observed + new.amount WHERE spending = new.spending; END;
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

CREATE TRIGGER usage_stays BEFORE UPDATE ON usage BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER usage_is_kept BEFORE DELETE ON usage BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER events_stay BEFORE UPDATE ON task_events BEGIN SELECT raise(ABORT, 'history is append-only'); END;
CREATE TRIGGER events_are_kept BEFORE DELETE ON task_events BEGIN SELECT raise(ABORT, 'history is append-only'); END;
