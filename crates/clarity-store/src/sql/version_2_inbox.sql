-- The inboxes, and what can be undone.
CREATE TABLE operation_revert (
    operation INTEGER PRIMARY KEY,
    reverts INTEGER NOT NULL UNIQUE
) STRICT;

ALTER TABLE history ADD COLUMN undone_by INTEGER;
