-- Deltas between two files, by their digests: made here, taken from the vendor source, or tried and useless
-- (then without a blob). `dropped`: since when no signed manifest names it; its blob goes a while later.
CREATE TABLE deltas (
    class   TEXT NOT NULL,
    base    TEXT NOT NULL,
    result  TEXT NOT NULL,
    taken   INTEGER NOT NULL,
    sha256  TEXT,
    size    INTEGER NOT NULL,
    memory  INTEGER NOT NULL,
    format  TEXT NOT NULL,
    dropped INTEGER,
    PRIMARY KEY (class, base, result)
) STRICT, WITHOUT ROWID;

-- The version of a class's targets at which its content last changed: what clients are told is newest. Later versions
-- are signed anew, or name deltas that joined; a source that lacks those is not stale.
CREATE TABLE announced (
    class           TEXT PRIMARY KEY,
    targets_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
