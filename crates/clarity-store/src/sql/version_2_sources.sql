-- Where health data comes from.
CREATE TABLE source (
    source TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE source_alias (
    source TEXT NOT NULL,
    external TEXT NOT NULL,
    type TEXT NOT NULL,
    id ANY NOT NULL,
    version INTEGER,
    round INTEGER NOT NULL,
    gone INTEGER NOT NULL,
    PRIMARY KEY (source, external)
) STRICT, WITHOUT ROWID;

CREATE INDEX source_alias_by_entity ON source_alias (type, id);
