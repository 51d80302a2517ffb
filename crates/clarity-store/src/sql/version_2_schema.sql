-- How the store follows its schema.

ALTER TABLE declared_type ADD COLUMN part INTEGER NOT NULL DEFAULT 0;

CREATE TABLE schema_work (
    type TEXT PRIMARY KEY,
    source TEXT,
    columns TEXT,
    since INTEGER NOT NULL,
    fill TEXT NOT NULL,
    after TEXT
) STRICT, WITHOUT ROWID;

ALTER TABLE confirmed ADD COLUMN schema INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conflict ADD COLUMN schema INTEGER NOT NULL DEFAULT 0;
ALTER TABLE history ADD COLUMN schema INTEGER NOT NULL DEFAULT 0;

UPDATE confirmed SET schema = coalesce((SELECT version FROM schema_file), 0);
UPDATE conflict SET schema = coalesce((SELECT version FROM schema_file), 0);
UPDATE history SET schema = coalesce((SELECT version FROM schema_file), 0);
