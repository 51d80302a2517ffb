-- Ids that a backend gave, and what waits for one.

ALTER TABLE id_map RENAME TO id_map_1;

CREATE TABLE id_map (
    type TEXT NOT NULL,
    local_id ANY NOT NULL,
    server_id ANY NOT NULL,
    PRIMARY KEY (type, local_id)
) STRICT, WITHOUT ROWID;

INSERT INTO id_map SELECT type, local_id, server_id FROM id_map_1;

DROP TABLE id_map_1;

CREATE INDEX id_map_by_server ON id_map (type, server_id);

CREATE TABLE unmet_reference (
    type TEXT NOT NULL,
    id ANY NOT NULL,
    from_type TEXT NOT NULL,
    from_id ANY NOT NULL,
    PRIMARY KEY (type, id, from_type, from_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX unmet_reference_by_from ON unmet_reference (from_type, from_id);

ALTER TABLE operation ADD COLUMN rounds INTEGER NOT NULL DEFAULT 0;
