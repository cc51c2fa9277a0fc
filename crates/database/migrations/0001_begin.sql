-- One row a class: what is signed. The bytes of timestamp.json stand here first: the transaction that
-- writes them is the moment of publication, the file is a copy of it. Times are seconds since 1970.
CREATE TABLE repositories (
    class            TEXT PRIMARY KEY,
    root_version     INTEGER NOT NULL,
    snapshot_version INTEGER NOT NULL,
    targets_version  INTEGER NOT NULL,
    timestamp        BLOB NOT NULL
) STRICT;

-- Who a component's or program's releases come from. What is released stands in the signed release lists.
CREATE TABLE components (
    class       TEXT NOT NULL,
    name        TEXT NOT NULL,
    from_vendor INTEGER NOT NULL,
    PRIMARY KEY (class, name)
) STRICT, WITHOUT ROWID;

-- Every release ever, so that neither a sequence nor a version is used twice.
CREATE TABLE releases (
    class     TEXT NOT NULL,
    name      TEXT NOT NULL,
    sequence  INTEGER NOT NULL,
    version   TEXT NOT NULL,
    PRIMARY KEY (class, name, sequence)
) STRICT, WITHOUT ROWID;

-- Which blobs a release needs. `dropped`: when it left the release list; its blobs go a while later.
CREATE TABLE release_blobs (
    class    TEXT NOT NULL,
    name     TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    sha256   TEXT NOT NULL,
    dropped  INTEGER,
    PRIMARY KEY (class, name, sequence, sha256)
) STRICT, WITHOUT ROWID;

-- Every saved version of the policy (S7).
CREATE TABLE policies (
    version     INTEGER PRIMARY KEY,
    saved       INTEGER NOT NULL,
    comment     TEXT NOT NULL,
    document    TEXT NOT NULL, -- api::policy::PolicyDocument
    vendor_root TEXT
) STRICT;

CREATE TABLE drafts (
    name         TEXT PRIMARY KEY,
    base_version INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    edited       INTEGER NOT NULL,
    document     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE domains (
    path     TEXT PRIMARY KEY,
    version  INTEGER NOT NULL, -- of its signed document
    settings TEXT NOT NULL,    -- explicit values only, JSON
    extras   TEXT NOT NULL     -- {"values", "files"}, explicit only
) STRICT, WITHOUT ROWID;

CREATE TABLE clients (
    id             TEXT PRIMARY KEY,
    domain         TEXT NOT NULL REFERENCES domains (path),
    addresses      TEXT NOT NULL, -- JSON array
    program        TEXT NOT NULL,
    policy_version INTEGER NOT NULL,
    versions       TEXT NOT NULL, -- JSON object
    first_seen     INTEGER NOT NULL,
    last_seen      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX clients_domain ON clients (domain, id);

CREATE TABLE reports (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    client   TEXT NOT NULL,
    run      INTEGER NOT NULL,
    started  TEXT NOT NULL,
    received INTEGER NOT NULL,
    body     TEXT NOT NULL, -- api::report::Report
    UNIQUE (client, run, started)
) STRICT;
CREATE INDEX reports_client ON reports (client, number);
CREATE INDEX reports_received ON reports (received);

-- The vendor source: one row or none.
CREATE TABLE vendor (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    url              TEXT NOT NULL,
    root             TEXT NOT NULL, -- its newest trusted root metadata
    root_version     INTEGER NOT NULL,
    schedule_minutes INTEGER NOT NULL,
    last_started     INTEGER,
    last_sync        TEXT -- api::v1::SyncResult
) STRICT;
