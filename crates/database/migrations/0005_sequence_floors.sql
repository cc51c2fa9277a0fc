-- After a restore: sequences up to here may have been used by releases that the backup does not know of.
CREATE TABLE sequence_floors (
    class    TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
