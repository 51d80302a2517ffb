
CREATE TABLE operation (
    counter INTEGER PRIMARY KEY,
    incarnation INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    type TEXT NOT NULL,
    id ANY NOT NULL,
    changes TEXT,
    undelete INTEGER NOT NULL,
    batch INTEGER,
    schema INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    first_sent_at INTEGER,
    last_attempt_at INTEGER,
    next_attempt_at INTEGER,
    request INTEGER,
    carrier INTEGER,
    frozen BLOB,
    error TEXT
) STRICT;

-- The counter is the row's number and so the last part of each of these indexes.
CREATE INDEX operation_by_lane ON operation (type, id);
CREATE INDEX operation_by_state ON operation (state);
CREATE INDEX operation_by_request ON operation (request) WHERE request IS NOT NULL;
CREATE INDEX operation_by_batch ON operation (batch) WHERE batch IS NOT NULL;
-- A carrier finds itself by its number, so the index holds only those merged into another.
CREATE INDEX operation_by_carrier ON operation (carrier)
    WHERE carrier IS NOT NULL AND carrier <> counter;

CREATE TABLE operation_parent (
    child INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    PRIMARY KEY (child, parent)
) STRICT, WITHOUT ROWID;

CREATE INDEX operation_parent_by_parent ON operation_parent (parent);

CREATE TABLE queue_count (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    next_counter INTEGER NOT NULL,
    ready INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    in_flight INTEGER NOT NULL,
    set_aside INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    conflicted INTEGER NOT NULL
) STRICT;

CREATE TABLE ended (
    counter INTEGER PRIMARY KEY,
    outcome TEXT NOT NULL,
    at INTEGER NOT NULL,
    version INTEGER,
    resolved_by INTEGER
) STRICT;

CREATE TABLE conflict (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    entity ANY NOT NULL,
    counter INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    detail TEXT NOT NULL,
    UNIQUE (type, entity)
) STRICT;
