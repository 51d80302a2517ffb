-- What is kept on the device, and what was evicted.

CREATE TABLE kept (
    type TEXT NOT NULL,
    id ANY NOT NULL,
    priority INTEGER NOT NULL,
    PRIMARY KEY (type, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE month_access (
    type TEXT NOT NULL,
    month INTEGER NOT NULL,
    accessed_at INTEGER NOT NULL,
    PRIMARY KEY (type, month)
) STRICT, WITHOUT ROWID;

CREATE TABLE evicted_entity (
    type TEXT NOT NULL,
    id ANY NOT NULL,
    version INTEGER NOT NULL,
    evicted_at INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    kind TEXT,
    time_ms INTEGER,
    source TEXT,
    value REAL,
    PRIMARY KEY (type, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX evicted_entity_by_day ON evicted_entity (type, kind, time_ms) WHERE kind IS NOT NULL;

CREATE TABLE evicted_month (
    type TEXT NOT NULL,
    month INTEGER NOT NULL,
    count INTEGER NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    evicted_since INTEGER NOT NULL,
    evicted_at INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    PRIMARY KEY (type, month)
) STRICT, WITHOUT ROWID;

CREATE TABLE evicted_digest (
    type TEXT NOT NULL,
    month INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (type, month, chunk)
) STRICT, WITHOUT ROWID;

CREATE TABLE evicted_rollup (
    type TEXT NOT NULL,
    kind TEXT NOT NULL,
    day INTEGER NOT NULL,
    source TEXT NOT NULL,
    month INTEGER NOT NULL,
    count INTEGER NOT NULL,
    sum REAL,
    min REAL NOT NULL,
    max REAL NOT NULL,
    PRIMARY KEY (type, kind, day, source, month)
) STRICT, WITHOUT ROWID;

CREATE TABLE eviction (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    type TEXT NOT NULL,
    month INTEGER,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
