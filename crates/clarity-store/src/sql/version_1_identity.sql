CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    incarnation INTEGER NOT NULL,
    epoch BLOB,
    account_id TEXT,
    device_id TEXT,
    profile_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    durable_through INTEGER NOT NULL
) STRICT;

CREATE TABLE schema_file (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    json TEXT NOT NULL
) STRICT;

CREATE TABLE declared_type (
    type TEXT PRIMARY KEY,
    rollup TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE declared_column (
    type TEXT NOT NULL,
    field TEXT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (type, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE incarnation (
    local INTEGER PRIMARY KEY,
    incarnation BLOB NOT NULL UNIQUE,
    made_at INTEGER NOT NULL
) STRICT;

CREATE TABLE credential (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    server TEXT NOT NULL,
    name TEXT NOT NULL,
    access_token TEXT,
    access_expires_at INTEGER,
    refresh_token TEXT
) STRICT;

CREATE TABLE id_map (
    type TEXT NOT NULL,
    local_id ANY NOT NULL,
    server_id ANY NOT NULL,
    PRIMARY KEY (type, local_id),
    UNIQUE (type, server_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE entity_generic (
    type TEXT NOT NULL,
    id ANY NOT NULL,
    extra TEXT,
    version INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    accessed_at INTEGER,
    import_id INTEGER,
    profile_id INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (type, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE confirmed (
    type TEXT NOT NULL,
    id ANY NOT NULL,
    fields TEXT,
    deleted INTEGER NOT NULL,
    version INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (type, id)
) STRICT, WITHOUT ROWID;
