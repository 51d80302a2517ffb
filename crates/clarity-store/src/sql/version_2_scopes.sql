-- What the device follows, and what it wants fetched.
CREATE TABLE wanted_key (
    number INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    id ANY NOT NULL,
    request INTEGER,
    refused TEXT,
    UNIQUE (type, id)
) STRICT;

CREATE INDEX wanted_key_asked ON wanted_key (request) WHERE request IS NOT NULL;

CREATE TABLE wanted_range (
    number INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    from_ms INTEGER,
    to_ms INTEGER,
    rank INTEGER NOT NULL,
    after TEXT,
    rows INTEGER NOT NULL,
    request INTEGER,
    refused TEXT
) STRICT;
