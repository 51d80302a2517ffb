
CREATE TABLE history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    type TEXT NOT NULL,
    entity ANY NOT NULL,
    counter INTEGER,
    cause TEXT NOT NULL,
    detail TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX history_by_entity ON history (type, entity);
CREATE INDEX history_by_expiry ON history (expires_at);

CREATE TABLE cursor_part (
    part INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    cursor TEXT,
    caught_up INTEGER NOT NULL,
    pulled_at INTEGER
) STRICT;

CREATE TABLE pull_stage (
    part INTEGER NOT NULL,
    page INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (part, page)
) STRICT;

CREATE TABLE import (
    import_id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    report TEXT
) STRICT;

CREATE TABLE state (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE metric (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup (
    type TEXT NOT NULL,
    kind TEXT NOT NULL,
    day INTEGER NOT NULL,
    source TEXT NOT NULL,
    count INTEGER NOT NULL,
    sum REAL,
    min REAL NOT NULL,
    max REAL NOT NULL,
    PRIMARY KEY (type, kind, day, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_dirty (
    type TEXT NOT NULL,
    kind TEXT NOT NULL,
    day INTEGER NOT NULL,
    PRIMARY KEY (type, kind, day)
) STRICT, WITHOUT ROWID;
