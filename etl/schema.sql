-- The Motherlode store: every table, in the order in which the data passes through them.
-- Keys are 32 hex digits (the first 128 bits of a sha256). Times are UTC. Lists and JSON hold what varies.
-- Large tables carry no primary key (bulk loads are two to four times faster without);
-- `etl doctor` checks their uniqueness instead. Texts are packed with zstd: smaller than what DuckDB chooses by itself, in
-- half the time. Digests lie there as they are: packing gains a third of their room for three times the work.

-- ── what came in ─────────────────────────────────────────────────────────────────────────────────────────────

-- One row a delivered file, by content: a renamed or re-sent file is the same delivery.
CREATE TABLE deliveries (
    delivery        VARCHAR PRIMARY KEY,      -- sha256 of the file's bytes, 64 hex digits
    path            VARCHAR NOT NULL,         -- where it was first seen, '/'-separated, relative to the workspace if inside
    sender          VARCHAR,                  -- folder below the inbox, or as told with --sender
    source_session  VARCHAR,                  -- the sender's own numbering, where name or content carries it
    bytes           BIGINT NOT NULL,
    modified        TIMESTAMP,                -- the file's own time
    state           VARCHAR NOT NULL,         -- accepted | refused | unmapped | retracted
    reason          VARCHAR,                  -- snake_case, why it was refused, left unmapped or retracted
    evidence        VARCHAR,                  -- what was found, for a person
    container       VARCHAR,                  -- json, jsonl, csv, parquet, sqlite ...
    encoding        VARCHAR,
    shape           VARCHAR,                  -- flat, nested, alpaca, squad ...
    format          JSON,                     -- the whole decision: mapping, confidences, evidence
    records         BIGINT NOT NULL DEFAULT 0,
    candidates      BIGINT NOT NULL DEFAULT 0, -- = new + duplicates; a record gives at least one, or exactly one reject
    new             BIGINT NOT NULL DEFAULT 0,
    duplicates      BIGINT NOT NULL DEFAULT 0,
    rejects         BIGINT NOT NULL DEFAULT 0,
    attempts        INTEGER NOT NULL DEFAULT 1, -- how often its reader was started; three deaths park it as refused
    recipe          VARCHAR NOT NULL
);

-- The stat cache: a path whose size and time have not moved is not hashed again.
CREATE TABLE sightings (
    path        VARCHAR PRIMARY KEY,
    bytes       BIGINT NOT NULL,
    modified_ns BIGINT NOT NULL,
    delivery    VARCHAR NOT NULL
);

-- One row a distinct question, answer and context after careful normalisation. The text shown is the most frequent
-- variant among its live occurrences, then the bytewise smallest; the other columns are elected the same way.
CREATE TABLE pairs (
    key          VARCHAR NOT NULL USING COMPRESSION uncompressed, -- content key
    question     VARCHAR NOT NULL USING COMPRESSION zstd,
    answer       VARCHAR NOT NULL USING COMPRESSION zstd,
    context      VARCHAR USING COMPRESSION zstd,
    question_key VARCHAR NOT NULL USING COMPRESSION uncompressed, -- digests of the normalised parts: equal texts have equal digests
    answer_key   VARCHAR NOT NULL USING COMPRESSION uncompressed,
    context_key  VARCHAR USING COMPRESSION uncompressed, -- NULL without context
    indicator    VARCHAR,
    category     VARCHAR,
    sources      VARCHAR[] NOT NULL,          -- union over occurrences, sorted
    licences     VARCHAR[] NOT NULL,
    phrasings    VARCHAR[] NOT NULL,          -- other wordings of the question that the senders gave
    alternatives VARCHAR[] NOT NULL,          -- other answers that the senders call acceptable
    metadata     JSON,
    occurrences  INTEGER NOT NULL,            -- live ones; 0 = every delivery of it was retracted
    first_seq    BIGINT NOT NULL              -- ledger row that brought it
);

-- One row each time a pair was delivered. Texts are NULL where they equal the pair's; `raw` holds what stood in the
-- file before a repair. Nothing a sender gave is lost.
CREATE TABLE occurrences (
    key            VARCHAR NOT NULL USING COMPRESSION uncompressed,
    delivery       VARCHAR NOT NULL,
    position       VARCHAR NOT NULL USING COMPRESSION zstd, -- line:7, JSON pointer, table/rowid; with #n for the n-th pair of a record
    source_session VARCHAR,
    question       VARCHAR USING COMPRESSION zstd,
    answer         VARCHAR USING COMPRESSION zstd,
    context        VARCHAR USING COMPRESSION zstd,
    raw            JSON,                      -- {"field": "text before repair"}, NULL when nothing was repaired
    repairs        VARCHAR[] NOT NULL,        -- field:rule, in the order applied
    raw_digest     VARCHAR NOT NULL USING COMPRESSION uncompressed, -- of the raw record
    indicator      VARCHAR,
    category       VARCHAR,
    derived        VARCHAR[] NOT NULL,        -- columns not given but derived from folder, file name or a list
    sources        VARCHAR[] NOT NULL,
    licence        VARCHAR,
    phrasings      VARCHAR[] NOT NULL,
    alternatives   VARCHAR[] NOT NULL,
    metadata       JSON
);

-- Records that gave no pair, each with its reason.
CREATE TABLE rejects (
    delivery VARCHAR NOT NULL,
    position VARCHAR NOT NULL,
    reason   VARCHAR NOT NULL,                -- snake_case
    evidence VARCHAR,                         -- what was found
    raw      VARCHAR                          -- the record, shortened
);

-- What people said about fields whose names say nothing. Append-only: the newest row for a sender and signature stands,
-- a withdrawn one takes the newest standing one away.
CREATE TABLE mappings (
    id         BIGINT PRIMARY KEY,
    sender     VARCHAR,                       -- NULL = files without a sender; '*' = anybody
    signature  VARCHAR NOT NULL,              -- digest of the field names, as in deliveries.format
    fields     VARCHAR[] NOT NULL,            -- those names
    mapping    JSON NOT NULL,                 -- our field -> the sender's name
    verdict    VARCHAR NOT NULL,              -- accepted | edited | withdrawn
    who        VARCHAR NOT NULL,
    decided_at TIMESTAMP NOT NULL,
    note       VARCHAR
);

-- ── what each pair is worth by itself, and in the corpus ─────────────────────────────────────────────────────

CREATE TABLE flags (
    key      VARCHAR NOT NULL,
    flag     VARCHAR NOT NULL,                -- snake_case
    scope    VARCHAR NOT NULL,                -- pair (quality/assess) | corpus (quality/audit)
    evidence VARCHAR,
    recipe   VARCHAR NOT NULL
);

CREATE TABLE grades (
    key                 VARCHAR NOT NULL,
    score               DOUBLE NOT NULL,      -- 0 to 1
    grade               VARCHAR NOT NULL,     -- A B C D F
    completeness        DOUBLE NOT NULL,      -- 0 to 1: how much of the optional columns is there
    language            VARCHAR NOT NULL,     -- ISO 639-1, 'und' where undecided
    language_confidence DOUBLE NOT NULL,
    recipe              VARCHAR NOT NULL
);

-- ── which pairs are alike ────────────────────────────────────────────────────────────────────────────────────

-- One row a distinct encoded text (a question or an answer) and model recipe.
CREATE TABLE vectors (
    text_key  VARCHAR NOT NULL,               -- 128 bits of sha256 of the exact text, UTF-8
    recipe    VARCHAR NOT NULL,
    vector    FLOAT[] NOT NULL,               -- unit length
    tokens    INTEGER NOT NULL,               -- of the whole text
    truncated BOOLEAN NOT NULL                -- longer than the model's window: the vector speaks of the start only
);

-- What `vectors` leaves out: the further windows of texts longer than the model's, so that all of them is compared.
CREATE TABLE chunks (
    text_key VARCHAR NOT NULL,
    recipe   VARCHAR NOT NULL,                -- how texts are cut, and by which recipe of vectors
    part     INTEGER NOT NULL,                -- 1, 2, 3 ...; part 0 is the row of `vectors`
    vector   FLOAT[] NOT NULL,                -- unit length
    last     BOOLEAN NOT NULL                 -- the text ends with this window; no such row: what follows is not read
);

-- Which pairs a finder has already searched for.
CREATE TABLE searches (
    key    VARCHAR NOT NULL,
    method VARCHAR NOT NULL,                  -- cosine | lexical
    recipe VARCHAR NOT NULL
);

-- Pairs with the same context whose questions are alike, from a floor well below every threshold. a < b.
CREATE TABLE links (
    a                   VARCHAR NOT NULL,
    b                   VARCHAR NOT NULL,
    method              VARCHAR NOT NULL,     -- cosine | lexical
    question_similarity DOUBLE NOT NULL,      -- of this method, 4 decimals
    answer_similarity   DOUBLE NOT NULL,      -- of this method, 4 decimals
    question_overlap    DOUBLE NOT NULL,      -- Jaccard over words (characters where words are not separated)
    answer_overlap      DOUBLE NOT NULL,
    truncated           BOOLEAN NOT NULL,     -- one of the four texts was cut by the model's window
    recipe              VARCHAR NOT NULL
);

-- Groups of more than pairwise interest: boilerplate (one answer under many questions).
CREATE TABLE groups (
    kind     VARCHAR NOT NULL,
    group_id VARCHAR NOT NULL,
    key      VARCHAR NOT NULL
);

-- ── what was decided, and by whom ────────────────────────────────────────────────────────────────────────────

-- What people decided. Append-only: the newest row for an unordered (key, other) stands.
CREATE TABLE overrides (
    id      BIGINT PRIMARY KEY,
    key     VARCHAR NOT NULL,
    other   VARCHAR NOT NULL,
    verdict VARCHAR NOT NULL,                 -- merge | keep_both | conflict | conflict_settled | survivor | withdrawn
    who     VARCHAR NOT NULL,
    decided_at TIMESTAMP NOT NULL,
    note    VARCHAR
);

-- What people answered when thresholds were calibrated. Append-only: the newest row for (model, method, language, a, b)
-- stands.
CREATE TABLE calibration_answers (
    id          BIGINT PRIMARY KEY,
    model       VARCHAR NOT NULL,             -- digest of the vectors' recipe; 'words' where the method needs no model
    method      VARCHAR NOT NULL,             -- cosine | lexical
    language    VARCHAR NOT NULL,
    a           VARCHAR NOT NULL,
    b           VARCHAR NOT NULL,
    similarity  DOUBLE NOT NULL,              -- of the side that is less alike
    mergeable   BOOLEAN NOT NULL,             -- every other condition of a merge held
    duplicate   BOOLEAN,                      -- NULL takes the former answer back
    who         VARCHAR NOT NULL,
    answered_at TIMESTAMP NOT NULL
);

-- The thresholds that such answers bore out. Append-only: the newest row for (model, method, language) stands, and a row
-- without thresholds takes the one before it back.
CREATE TABLE calibrations (
    id        BIGINT PRIMARY KEY,
    model     VARCHAR NOT NULL,
    method    VARCHAR NOT NULL,
    language  VARCHAR NOT NULL,
    merge     DOUBLE,
    review    DOUBLE,
    evidence  JSON NOT NULL,                  -- wanted and shown precision, interval, counts, bands, source
    who       VARCHAR NOT NULL,
    fitted_at TIMESTAMP NOT NULL
);

-- What resolve makes of every link at or above the review threshold. a < b.
CREATE TABLE verdicts (
    a        VARCHAR NOT NULL,
    b        VARCHAR NOT NULL,
    verdict  VARCHAR NOT NULL,                -- merge | review | conflict | variant
    reason   VARCHAR NOT NULL,                -- snake_case: which rule or veto decided
    evidence JSON
);

-- One row a pair.
CREATE TABLE decisions (
    key      VARCHAR NOT NULL,
    status   VARCHAR NOT NULL,                -- kept | merged | review | retracted (splits withholds, see there)
    survivor VARCHAR NOT NULL,                -- itself unless merged
    reason   VARCHAR NOT NULL,
    evidence JSON,
    recipe   VARCHAR NOT NULL
);

-- The contradiction ledger: same question, same context, different answers with typed evidence. a < b.
CREATE TABLE conflicts (
    a        VARCHAR NOT NULL,
    b        VARCHAR NOT NULL,
    kind     VARCHAR NOT NULL,                -- number | negation | entity | date ... | stated (by a person)
    evidence JSON,                            -- the differing spans
    settled  VARCHAR                          -- the key that a person found right, or 'both'; NULL = open
);

-- ── what leaves ──────────────────────────────────────────────────────────────────────────────────────────────

-- One row a pair that resolve keeps or merges. Merged rows follow their group and are never exported by themselves.
CREATE TABLE splits (
    key      VARCHAR NOT NULL,
    split    VARCHAR NOT NULL,                -- train | validation | test
    group_id VARCHAR NOT NULL,                -- smallest key of the connected component
    frozen   VARCHAR,                         -- the release that froze it; NULL = may still move
    withheld VARCHAR                          -- bridges_splits, or NULL
);

-- The register of what has left: the split in which a pair's texts first stood in a release. Append-only; it outlives
-- the row in `splits`, so that a pair that is retracted and comes back does not move.
CREATE TABLE frozen_splits (
    key     VARCHAR NOT NULL,
    split   VARCHAR NOT NULL,
    version VARCHAR NOT NULL
);

CREATE TABLE releases (
    version  VARCHAR PRIMARY KEY,             -- v0001, v0002 ...
    digest   VARCHAR NOT NULL,                -- of the rows and settings; an unchanged digest makes no new release
    created  TIMESTAMP NOT NULL,
    manifest JSON NOT NULL
);

-- ── the books ────────────────────────────────────────────────────────────────────────────────────────────────

-- Work done: one row a committed unit, in the same transaction. digest chains each row to all before it.
CREATE TABLE ledger (
    seq    BIGINT PRIMARY KEY,
    job    VARCHAR NOT NULL,
    unit   VARCHAR NOT NULL,
    recipe VARCHAR,
    counts JSON NOT NULL,
    done_at TIMESTAMP NOT NULL,
    digest VARCHAR NOT NULL
);

-- What each recipe digest stands for.
CREATE TABLE recipes (
    recipe     VARCHAR PRIMARY KEY,
    name       VARCHAR NOT NULL,
    version    INTEGER NOT NULL,
    parameters JSON NOT NULL
);

-- Fencing tokens: a task's transactions carry a token that may only grow.
CREATE TABLE fences (
    task  VARCHAR PRIMARY KEY,
    token BIGINT NOT NULL
);

-- Under which task and token a unit was committed; units of a plain run have no row here.
CREATE TABLE unit_tokens (
    seq   BIGINT PRIMARY KEY,
    task  VARCHAR NOT NULL,
    token BIGINT NOT NULL
);

CREATE TABLE schema_version (
    version INTEGER PRIMARY KEY,
    applied TIMESTAMP NOT NULL
);

-- The rows that stay in the dataset: kept, and in review until a person decides; withheld and merged ones are not here.
CREATE VIEW kept_pairs AS
SELECT p.*, d.status, d.reason AS decision_reason,
       g.score, g.grade, g.completeness, g.language,
       s.split, s.group_id
FROM pairs p
JOIN decisions d ON d.key = p.key AND d.status IN ('kept', 'review')
LEFT JOIN grades g ON g.key = p.key
LEFT JOIN splits s ON s.key = p.key
WHERE s.withheld IS NULL;
