-- The whole schema for SQLite. `postgres.sql` has the same tables and columns; a test compares them.
-- Times are seconds since 1970 where nothing else is noted. Flags are 0 and 1.

-- The version of this schema. Another version of the program may have another one, and then refuses the database.
CREATE TABLE schema_version (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;

-- One row for the policy and for each class: what is signed. The bytes of timestamp.json stand here first: the transaction that writes them
-- is the moment of publication, the file is a copy of it.
CREATE TABLE repositories (
    repository       TEXT PRIMARY KEY,
    root_version     INTEGER NOT NULL,
    snapshot_version INTEGER NOT NULL,
    targets_version  INTEGER NOT NULL,
    timestamp        BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Where a component's or program's releases come from. What is released stands in the signed release lists.
CREATE TABLE components (
    class       TEXT NOT NULL,
    name        TEXT NOT NULL,
    from_vendor INTEGER NOT NULL,
    PRIMARY KEY (class, name)
) STRICT, WITHOUT ROWID;

-- Every release ever, so that neither a sequence nor a version is used twice.
CREATE TABLE releases (
    class    TEXT NOT NULL,
    name     TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    version  TEXT NOT NULL,
    PRIMARY KEY (class, name, sequence)
) STRICT, WITHOUT ROWID;

-- After a restore: sequences up to here may have been used by releases that the backup does not know of.
CREATE TABLE sequence_floors (
    class    TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which blobs a release needs. `dropped`: when it left the release list; its blobs are removed a while later.
CREATE TABLE release_blobs (
    class    TEXT NOT NULL,
    name     TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    sha256   TEXT NOT NULL,
    dropped  INTEGER,
    PRIMARY KEY (class, name, sequence, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX release_blobs_sha256 ON release_blobs (class, sha256);

-- Deltas between two files, by their digests: made here, taken from the vendor source, or tried and useless (then without
-- a blob). `dropped`: since when no signed manifest names it; its blob is removed a while later.
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

-- The version of a repository's targets at which its content last changed: it is announced to clients. Later versions are
-- signed again, or name deltas that joined; a source that does not have those is not stale.
CREATE TABLE announced (
    repository      TEXT PRIMARY KEY,
    targets_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Every saved version of the policy.
CREATE TABLE policies (
    version     INTEGER PRIMARY KEY,
    saved       INTEGER NOT NULL,
    saved_by    TEXT NOT NULL,
    comment     TEXT NOT NULL,
    document    TEXT NOT NULL, -- api::policy::PolicyDocument
    vendor_root TEXT
) STRICT;

-- `owner`: the administrator whose draft it is, for programs; `owner_name` for people.
CREATE TABLE drafts (
    owner        TEXT NOT NULL,
    name         TEXT NOT NULL,
    owner_name   TEXT NOT NULL,
    base_version INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    edited       INTEGER NOT NULL,
    document     TEXT NOT NULL,
    PRIMARY KEY (owner, name)
) STRICT, WITHOUT ROWID;

-- `version` is that of the signed document, `saved_version` that of what is set here.
CREATE TABLE domains (
    path          TEXT PRIMARY KEY,
    version       INTEGER NOT NULL, -- of its document in class settings
    typed_version INTEGER NOT NULL, -- of its document in the policy's repository
    saved_version INTEGER NOT NULL,
    settings      TEXT NOT NULL, -- explicit values only, JSON
    extras        TEXT NOT NULL  -- {"values", "files"}, explicit only
) STRICT, WITHOUT ROWID;

-- Every saved version of what is set explicitly at a domain. Numbers are never used twice at a path: a domain that is
-- removed and added again continues its history.
CREATE TABLE domain_versions (
    path    TEXT NOT NULL,
    version INTEGER NOT NULL,
    saved   INTEGER NOT NULL,
    saved_by TEXT NOT NULL,
    comment TEXT NOT NULL,
    content TEXT NOT NULL,    -- api::v1::DomainSettings
    items   INTEGER NOT NULL, -- settings, values and files in it
    PRIMARY KEY (path, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE domain_drafts (
    path         TEXT NOT NULL REFERENCES domains (path),
    owner        TEXT NOT NULL,
    name         TEXT NOT NULL,
    owner_name   TEXT NOT NULL,
    base_version INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    edited       INTEGER NOT NULL,
    content      TEXT NOT NULL,
    PRIMARY KEY (path, owner, name)
) STRICT, WITHOUT ROWID;

-- `state`: how a client stands by its newest run and by what it should have (`client_states`); silence is a matter of
-- time, and is not in it.
CREATE TABLE clients (
    id             TEXT PRIMARY KEY,
    domain         TEXT NOT NULL REFERENCES domains (path),
    addresses      TEXT NOT NULL, -- JSON array
    program        TEXT NOT NULL,
    policy_version INTEGER NOT NULL,
    versions       TEXT NOT NULL, -- JSON object: content version by repository
    first_seen     INTEGER NOT NULL,
    last_seen      INTEGER NOT NULL,
    state          TEXT NOT NULL DEFAULT 'unknown', -- api::v1::ClientState
    state_since    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX clients_domain ON clients (domain, id);
CREATE INDEX clients_state ON clients (state, id);
CREATE INDEX clients_policy ON clients (policy_version, id);
CREATE INDEX clients_last_seen ON clients (last_seen, state, id);

-- Sets of installed releases. A fleet has few different ones, and most runs change nothing: a run names its set.
CREATE TABLE installed_sets (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256 TEXT NOT NULL UNIQUE, -- of its JSON
    empty  TEXT NOT NULL         -- JSON array: classes in which nothing is installed
) STRICT;

CREATE TABLE installed_releases (
    installed INTEGER NOT NULL REFERENCES installed_sets (number) ON DELETE CASCADE,
    class     TEXT NOT NULL,
    name      TEXT NOT NULL,
    sequence  INTEGER NOT NULL,
    version   TEXT NOT NULL,
    PRIMARY KEY (installed, class, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX installed_releases_name ON installed_releases (class, name, sequence, installed);

-- One reported run: the newest of each client, and those with news. The others are counted in `client_days`
-- alone. `started` is in microseconds since 1970. `bytes`: how much room its report takes. `kept`: 1 if it stays when the
-- client's next one comes.
CREATE TABLE runs (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    client         TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    run            INTEGER NOT NULL,
    started        INTEGER NOT NULL,
    received       INTEGER NOT NULL,
    duration_ms    INTEGER NOT NULL,
    domain         TEXT NOT NULL,
    addresses      TEXT NOT NULL, -- JSON array
    program        TEXT NOT NULL,
    policy_version INTEGER NOT NULL,
    installed      INTEGER NOT NULL REFERENCES installed_sets (number),
    update_agent   TEXT,          -- api::report::UpdateAgentReport
    warnings       TEXT NOT NULL, -- JSON array
    bytes          INTEGER NOT NULL,
    kept           INTEGER NOT NULL,
    UNIQUE (client, run, started)
) STRICT;
CREATE INDEX runs_client ON runs (client, number);
CREATE INDEX runs_received ON runs (received, bytes);
CREATE INDEX runs_installed ON runs (installed);

-- What came of each class in a run, in the order of the run.
CREATE TABLE run_classes (
    run          INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    nth          INTEGER NOT NULL,
    class        TEXT NOT NULL,
    result       TEXT NOT NULL, -- api::report::ClassResult
    source       TEXT,
    message      TEXT NOT NULL,
    names        TEXT NOT NULL, -- JSON array of api::report::NameOutcome
    spared_bytes INTEGER NOT NULL,
    PRIMARY KEY (run, nth)
) STRICT, WITHOUT ROWID;

-- Every attempt of a run, in the order they began. `started` is in microseconds since 1970.
CREATE TABLE run_attempts (
    run          INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    nth          INTEGER NOT NULL,
    class        TEXT NOT NULL,
    source       TEXT NOT NULL,
    url          TEXT NOT NULL,
    entry        INTEGER,
    result       TEXT NOT NULL, -- api::report::AttemptResult
    reason       TEXT,          -- api::report::Reason
    detail       TEXT NOT NULL,
    bytes        INTEGER NOT NULL,
    delta_bytes  INTEGER NOT NULL,
    started      INTEGER NOT NULL,
    duration_ms  INTEGER NOT NULL,
    from_version INTEGER NOT NULL,
    to_version   INTEGER NOT NULL,
    PRIMARY KEY (run, nth)
) STRICT, WITHOUT ROWID;

-- The newest run of each client, and what it left installed: whatever counts clients reads one row for each.
CREATE TABLE client_runs (
    client    TEXT PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
    run       INTEGER NOT NULL,
    received  INTEGER NOT NULL,
    installed INTEGER NOT NULL REFERENCES installed_sets (number)
) STRICT, WITHOUT ROWID;
CREATE INDEX client_runs_installed ON client_runs (installed);

-- How the newest run of each client ended for each class, and since when it has ended so.
CREATE TABLE client_classes (
    client  TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    class   TEXT NOT NULL,
    result  TEXT NOT NULL,
    source  TEXT,
    message TEXT NOT NULL,
    since   INTEGER NOT NULL,
    PRIMARY KEY (client, class)
) STRICT, WITHOUT ROWID;
CREATE INDEX client_classes_result ON client_classes (class, result, client);

-- What each client has of each name since its newest run, and how the newest attempt to change that ended. `sequence` 0:
-- it has none, and one is published.
CREATE TABLE client_releases (
    client   TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    class    TEXT NOT NULL,
    name     TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    version  TEXT NOT NULL,
    result   TEXT NOT NULL, -- api::report::ClassResult: current, failed or reverted
    since    INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (client, class, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX client_releases_name ON client_releases (class, name, version, sequence, result, client);

-- What each client should have of each component and program: the current release. What it should have of the settings
-- stands in `domains` and `policies`.
CREATE TABLE wanted_releases (
    class    TEXT NOT NULL,
    name     TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    version  TEXT NOT NULL,
    PRIMARY KEY (class, name)
) STRICT, WITHOUT ROWID;

-- What each client had from each source on each day (days since 1970, by when the reports came): of every run, whether
-- it is kept or not.
CREATE TABLE client_days (
    client TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    day    INTEGER NOT NULL,
    class  TEXT NOT NULL,
    source TEXT NOT NULL,
    runs   INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    PRIMARY KEY (client, day, class, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX client_days_day ON client_days (day, source, class, runs, bytes);

-- The same of all clients, for each day that is over.
CREATE TABLE source_days (
    day    INTEGER NOT NULL,
    source TEXT NOT NULL,
    class  TEXT NOT NULL,
    runs   INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    PRIMARY KEY (day, source, class)
) STRICT, WITHOUT ROWID;

-- Bytes of the reports that came on each day that is over (days since 1970), so that no report changes a common row.
CREATE TABLE report_days (
    day   INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT;

-- The vendor source: one row or none.
CREATE TABLE vendor (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    url              TEXT NOT NULL,
    root             TEXT NOT NULL, -- its newest trusted root metadata
    root_version     INTEGER NOT NULL,
    schedule_minutes INTEGER NOT NULL,
    last_started     INTEGER,
    last_sync        TEXT           -- api::v1::SyncResult
) STRICT;

-- Who may enrol. The token itself stands in its bundle alone; here is its SHA-256.
CREATE TABLE enrol_tokens (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    digest    TEXT NOT NULL UNIQUE,
    domain    TEXT NOT NULL, -- that its clients join
    client    TEXT,          -- the one client that it admits; NULL: any
    uses      INTEGER NOT NULL,
    uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
    made      INTEGER NOT NULL,
    expires   INTEGER NOT NULL
) STRICT;
CREATE INDEX enrol_tokens_expires ON enrol_tokens (expires);

-- A client's key, and the newest statement of each kind that was taken from it.
CREATE TABLE identities (
    client          TEXT PRIMARY KEY REFERENCES clients (id),
    key             TEXT NOT NULL UNIQUE, -- its fingerprint: SHA-256, hexadecimal
    public_key      TEXT NOT NULL,        -- base64
    encryption_key  TEXT NOT NULL,        -- base64
    enrolled        INTEGER NOT NULL,
    certificate_end INTEGER NOT NULL,
    check_in_taken  INTEGER NOT NULL,
    report_taken    INTEGER NOT NULL,
    renewal_taken   INTEGER NOT NULL,
    reports_made    INTEGER NOT NULL      -- as its check-ins state
) STRICT, WITHOUT ROWID;

-- Reports that were made and never arrived.
CREATE TABLE report_gaps (
    client TEXT NOT NULL REFERENCES identities (client) ON DELETE CASCADE,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    PRIMARY KEY (client, first)
) STRICT, WITHOUT ROWID;

-- The newest reports of a client: what their numbers stood for, and the machine that made them.
CREATE TABLE report_digests (
    client   TEXT NOT NULL REFERENCES identities (client) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    digest   TEXT NOT NULL, -- SHA-256, hexadecimal
    machine  TEXT NOT NULL, -- JSON
    PRIMARY KEY (client, sequence)
) STRICT, WITHOUT ROWID;

-- Identities that two machines use, as last found.
CREATE TABLE copied_identities (
    client   TEXT NOT NULL PRIMARY KEY REFERENCES identities (client) ON DELETE CASCADE,
    copied   TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;

-- Keys that no longer belong to the fleet; signed in the policy until `until`.
CREATE TABLE revoked_keys (
    key     TEXT PRIMARY KEY,
    client  TEXT NOT NULL,
    revoked INTEGER NOT NULL,
    until   INTEGER NOT NULL -- when its last certificate ends
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_keys_client ON revoked_keys (client);
CREATE INDEX revoked_keys_until ON revoked_keys (until, key);

-- Ids of clients that an administrator revoked: only a token for that client alone admits one under such an id again.
-- Removing a client leaves its id as it is.
CREATE TABLE revoked_clients (
    client TEXT PRIMARY KEY,
    since  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Clients that ask and are not known; and what one has proven with a certificate of this fleet (public_key '': nothing).
CREATE TABLE unknown_clients (
    client          TEXT NOT NULL,
    key             TEXT NOT NULL, -- '': it showed none
    reason          TEXT NOT NULL,
    address         TEXT NOT NULL,
    count           INTEGER NOT NULL,
    first_seen      INTEGER NOT NULL,
    last_seen       INTEGER NOT NULL,
    public_key      TEXT NOT NULL DEFAULT '',   -- base64
    encryption_key  TEXT NOT NULL DEFAULT '',   -- base64
    certificate_end INTEGER NOT NULL DEFAULT 0,
    renewal         INTEGER NOT NULL DEFAULT 0, -- number of the statement that proved it
    PRIMARY KEY (client, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX unknown_clients_last_seen ON unknown_clients (last_seen);

-- Certificates of the fleet CA, one for each rotation. Their keys stand in the folder of keys. `distrusted`: it was
-- stolen; a client that shows a certificate of it is asked to renew.
CREATE TABLE fleet_cas (
    number       INTEGER PRIMARY KEY,
    certificate  TEXT NOT NULL, -- PEM
    cross_signed TEXT,          -- the same key, signed by the CA before it (PEM); NULL: it is the first
    made         INTEGER NOT NULL,
    distrusted   INTEGER NOT NULL
) STRICT;

-- The key of each confidential domain. What an older one sealed is still held by update agents; the clients that it was
-- for have that key, nobody else gets it.
CREATE TABLE domain_keys (
    domain TEXT PRIMARY KEY,
    secret TEXT NOT NULL, -- base64
    made   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who signs in on the console plane. Names are lower case.
CREATE TABLE administrators (
    name         TEXT PRIMARY KEY,
    role         TEXT NOT NULL,    -- viewer, operator, admin
    password     TEXT NOT NULL,    -- argon2id, as a PHC string
    one_time     INTEGER NOT NULL, -- 1: the next sign-in must set another password
    made         INTEGER NOT NULL,
    last_sign_in INTEGER
) STRICT, WITHOUT ROWID;

-- Browsers that are signed in. For a session that an identity provider vouched for, `administrator` is `oidc:` and the
-- provider's subject, `role` what it vouched for, `issuer` the provider and `name` what is shown; for the others the
-- role is that of the administrator at the time of each request.
CREATE TABLE sessions (
    token         TEXT PRIMARY KEY, -- SHA-256 of the cookie's value
    administrator TEXT NOT NULL,
    role          TEXT,
    issuer        TEXT,
    name          TEXT,
    made          INTEGER NOT NULL,
    expires       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_administrator ON sessions (administrator);

-- Tokens of programs. `administrator` NULL: made on the server's own machine.
CREATE TABLE api_tokens (
    name          TEXT PRIMARY KEY,
    token         TEXT NOT NULL UNIQUE, -- SHA-256
    administrator TEXT REFERENCES administrators (name) ON DELETE CASCADE,
    role          TEXT NOT NULL,
    scopes        TEXT NOT NULL, -- JSON array; empty: all
    made          INTEGER NOT NULL,
    expires       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was done. Each hash covers the record and the hash before.
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
CREATE TRIGGER audit_is_not_updated BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- Where the log ends, sealed with a key that is not in the database.
CREATE TABLE audit_head (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,
    hash   TEXT NOT NULL,
    seal   TEXT NOT NULL
) STRICT;
