-- What the server has lost and this device has.
CREATE TABLE lost_entity (
    type TEXT NOT NULL,
    id ANY NOT NULL,
    epoch BLOB NOT NULL,
    PRIMARY KEY (type, id)
) STRICT, WITHOUT ROWID;
