-- Who signs in on the console plane (I4). Names are lower case. Times are seconds since 1970.
CREATE TABLE administrators (
    name         TEXT PRIMARY KEY,
    role         TEXT NOT NULL,    -- viewer, operator, admin
    password     TEXT NOT NULL,    -- argon2id, as a PHC string
    one_time     INTEGER NOT NULL, -- 1: good for one sign-in, which sets another
    made         INTEGER NOT NULL,
    last_sign_in INTEGER
) STRICT, WITHOUT ROWID;

-- Browsers that are signed in. `role` is set for those whom the identity provider vouched for; for the others the
-- role is that of the administrator at the time of each request.
CREATE TABLE sessions (
    token         TEXT PRIMARY KEY, -- sha256 of the cookie's value
    administrator TEXT NOT NULL,
    role          TEXT,
    made          INTEGER NOT NULL,
    expires       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_administrator ON sessions (administrator);

-- Tokens of programs. `administrator` NULL: made on the server's own machine.
CREATE TABLE api_tokens (
    name          TEXT PRIMARY KEY,
    token         TEXT NOT NULL UNIQUE, -- sha256
    administrator TEXT REFERENCES administrators (name) ON DELETE CASCADE,
    role          TEXT NOT NULL,
    scopes        TEXT NOT NULL, -- JSON array; empty: all
    made          INTEGER NOT NULL,
    expires       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was done (R2). Each hash covers the record and the hash before.
CREATE TABLE audit (
    number   INTEGER PRIMARY KEY,
    time     TEXT NOT NULL,
    who      TEXT NOT NULL,
    origin   TEXT NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    before   TEXT NOT NULL, -- JSON
    after    TEXT NOT NULL, -- JSON
    previous TEXT NOT NULL,
    hash     TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_keeps_what_it_says BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_keeps_its_records BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- Where the log ends, sealed with a key that is not in the database.
CREATE TABLE audit_head (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,
    hash   TEXT NOT NULL,
    seal   TEXT NOT NULL
) STRICT;
