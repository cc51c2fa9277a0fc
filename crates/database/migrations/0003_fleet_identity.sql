-- Who may enrol. The token itself stands in its bundle alone; here is its SHA-256.
CREATE TABLE enrol_tokens (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    digest    TEXT NOT NULL UNIQUE,
    domain    TEXT NOT NULL,    -- that its clients join (D1)
    client    TEXT,             -- the one client that it admits; NULL: any
    uses      INTEGER NOT NULL,
    uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
    made      INTEGER NOT NULL,
    expires   INTEGER NOT NULL
) STRICT;

-- A client's key, and the newest statement of each kind that was taken from it.
CREATE TABLE identities (
    client          TEXT PRIMARY KEY REFERENCES clients (id),
    key             TEXT NOT NULL UNIQUE, -- its fingerprint: SHA-256, hexadecimal
    public_key      TEXT NOT NULL,        -- base64
    encryption_key        TEXT NOT NULL,        -- base64
    enrolled        INTEGER NOT NULL,
    certificate_end INTEGER NOT NULL,
    check_in_taken  INTEGER NOT NULL,
    report_taken    INTEGER NOT NULL,
    renewal_taken   INTEGER NOT NULL,
    reports_made    INTEGER NOT NULL      -- as its check-ins say
) STRICT, WITHOUT ROWID;

-- Reports that were made and never arrived.
CREATE TABLE report_gaps (
    client TEXT NOT NULL REFERENCES identities (client) ON DELETE CASCADE,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    PRIMARY KEY (client, first)
) STRICT, WITHOUT ROWID;

-- Keys that belong to the fleet no longer; signed in the policy until `until`.
CREATE TABLE revoked (
    key     TEXT PRIMARY KEY,
    client  TEXT NOT NULL,
    revoked INTEGER NOT NULL,
    until   INTEGER NOT NULL -- when its last certificate ends
) STRICT, WITHOUT ROWID;

-- Who asks and is not known.
CREATE TABLE unknown_clients (
    client     TEXT NOT NULL,
    key        TEXT NOT NULL, -- '': it showed none
    reason     TEXT NOT NULL,
    address    TEXT NOT NULL,
    count      INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    PRIMARY KEY (client, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX unknown_clients_last_seen ON unknown_clients (last_seen);

-- Certificates of the fleet CA, one each rotation. Their keys stand in the folder of keys.
CREATE TABLE fleet_cas (
    number      INTEGER PRIMARY KEY,
    certificate TEXT NOT NULL, -- PEM
    cross_signed      TEXT,          -- the same key, signed by the CA before it (PEM); NULL: it is the first
    made        INTEGER NOT NULL
) STRICT;

-- The key of each confidential domain. What an older one sealed is still about on update agents; those whom it was
-- for have it, nobody else shall.
CREATE TABLE domain_keys (
    domain TEXT PRIMARY KEY,
    secret TEXT NOT NULL, -- base64
    made   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
