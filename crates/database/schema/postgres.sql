-- The whole schema for PostgreSQL 15. `sqlite.sql` has the same tables and columns; a test compares them.
-- Text orders by byte (COLLATE "C"), as it does in SQLite.
-- Times are seconds since 1970 where nothing else is noted. Flags are 0 and 1.

-- The version of this schema. Another version of the program may have another one, and then refuses the database.
CREATE TABLE schema_version (
    id      BIGINT PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL
);

-- Every change locks this row when it begins, so that changes follow one another.
CREATE TABLE writer (
    id BIGINT PRIMARY KEY CHECK (id = 1)
);
INSERT INTO writer (id) VALUES (1);

-- One row for the policy and for each class: what is signed. The bytes of timestamp.json stand here first: the transaction that writes them
-- is the moment of publication, the file is a copy of it.
CREATE TABLE repositories (
    repository       TEXT COLLATE "C" PRIMARY KEY,
    root_version     BIGINT NOT NULL,
    snapshot_version BIGINT NOT NULL,
    targets_version  BIGINT NOT NULL,
    timestamp        BYTEA NOT NULL
);

-- Where a component's or program's releases come from. What is released stands in the signed release lists.
CREATE TABLE components (
    class       TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    from_vendor BIGINT NOT NULL,
    PRIMARY KEY (class, name)
);

-- Every release ever, so that neither a sequence nor a version is used twice.
CREATE TABLE releases (
    class    TEXT COLLATE "C" NOT NULL,
    name     TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    version  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (class, name, sequence)
);

-- After a restore: sequences up to here may have been used by releases that the backup does not know of.
CREATE TABLE sequence_floors (
    class    TEXT COLLATE "C" PRIMARY KEY,
    sequence BIGINT NOT NULL
);

-- Which blobs a release needs. `dropped`: when it left the release list; its blobs are removed a while later.
CREATE TABLE release_blobs (
    class    TEXT COLLATE "C" NOT NULL,
    name     TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    sha256   TEXT COLLATE "C" NOT NULL,
    dropped  BIGINT,
    PRIMARY KEY (class, name, sequence, sha256)
);
CREATE INDEX release_blobs_sha256 ON release_blobs (class, sha256);

-- Deltas between two files, by their digests: made here, taken from the vendor source, or tried and useless (then without
-- a blob). `dropped`: since when no signed manifest names it; its blob is removed a while later.
CREATE TABLE deltas (
    class   TEXT COLLATE "C" NOT NULL,
    base    TEXT COLLATE "C" NOT NULL,
    result  TEXT COLLATE "C" NOT NULL,
    taken   BIGINT NOT NULL,
    sha256  TEXT COLLATE "C",
    size    BIGINT NOT NULL,
    memory  BIGINT NOT NULL,
    format  TEXT COLLATE "C" NOT NULL,
    dropped BIGINT,
    PRIMARY KEY (class, base, result)
);

-- The version of a repository's targets at which its content last changed: it is announced to clients. Later versions are
-- signed again, or name deltas that joined; a source that does not have those is not stale.
CREATE TABLE announced (
    repository      TEXT COLLATE "C" PRIMARY KEY,
    targets_version BIGINT NOT NULL
);

-- Every saved version of the policy.
CREATE TABLE policies (
    version     BIGINT PRIMARY KEY,
    saved       BIGINT NOT NULL,
    saved_by    TEXT COLLATE "C" NOT NULL,
    comment     TEXT COLLATE "C" NOT NULL,
    document    TEXT COLLATE "C" NOT NULL, -- api::policy::PolicyDocument
    vendor_root TEXT COLLATE "C"
);

-- `owner`: the administrator whose draft it is, for programs; `owner_name` for people.
CREATE TABLE drafts (
    owner        TEXT COLLATE "C" NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    owner_name   TEXT COLLATE "C" NOT NULL,
    base_version BIGINT NOT NULL,
    revision     BIGINT NOT NULL,
    edited       BIGINT NOT NULL,
    document     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (owner, name)
);

-- `version` is that of the signed document, `saved_version` that of what is set here.
CREATE TABLE domains (
    path          TEXT COLLATE "C" PRIMARY KEY,
    version       BIGINT NOT NULL, -- of its document in class settings
    typed_version BIGINT NOT NULL, -- of its document in the policy's repository
    saved_version BIGINT NOT NULL,
    settings      TEXT COLLATE "C" NOT NULL, -- explicit values only, JSON
    extras        TEXT COLLATE "C" NOT NULL  -- {"values", "files"}, explicit only
);

-- Every saved version of what is set explicitly at a domain. Numbers are never used twice at a path: a domain that is
-- removed and added again continues its history.
CREATE TABLE domain_versions (
    path    TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    saved   BIGINT NOT NULL,
    saved_by TEXT COLLATE "C" NOT NULL,
    comment TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,    -- api::v1::DomainSettings
    items   BIGINT NOT NULL, -- settings, values and files in it
    PRIMARY KEY (path, version)
);

CREATE TABLE domain_drafts (
    path         TEXT COLLATE "C" NOT NULL REFERENCES domains (path),
    owner        TEXT COLLATE "C" NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    owner_name   TEXT COLLATE "C" NOT NULL,
    base_version BIGINT NOT NULL,
    revision     BIGINT NOT NULL,
    edited       BIGINT NOT NULL,
    content      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (path, owner, name)
);

-- `state`: how a client stands by its newest run and by what it should have (`client_states`); silence is a matter of
-- time, and is not in it.
CREATE TABLE clients (
    id             TEXT COLLATE "C" PRIMARY KEY,
    domain         TEXT COLLATE "C" NOT NULL REFERENCES domains (path),
    addresses      TEXT COLLATE "C" NOT NULL, -- JSON array
    program        TEXT COLLATE "C" NOT NULL,
    policy_version BIGINT NOT NULL,
    versions       TEXT COLLATE "C" NOT NULL, -- JSON object: content version by repository
    first_seen     BIGINT NOT NULL,
    last_seen      BIGINT NOT NULL,
    state          TEXT COLLATE "C" NOT NULL DEFAULT 'unknown', -- api::v1::ClientState
    state_since    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX clients_domain ON clients (domain, id);
CREATE INDEX clients_state ON clients (state, id);
CREATE INDEX clients_policy ON clients (policy_version, id);
CREATE INDEX clients_last_seen ON clients (last_seen, state, id);

-- Sets of installed releases. A fleet has few different ones, and most runs change nothing: a run names its set.
CREATE TABLE installed_sets (
    number BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    sha256 TEXT COLLATE "C" NOT NULL UNIQUE, -- of its JSON
    empty  TEXT COLLATE "C" NOT NULL         -- JSON array: classes in which nothing is installed
);

CREATE TABLE installed_releases (
    installed BIGINT NOT NULL REFERENCES installed_sets (number) ON DELETE CASCADE,
    class     TEXT COLLATE "C" NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    sequence  BIGINT NOT NULL,
    version   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (installed, class, name)
);
CREATE INDEX installed_releases_name ON installed_releases (class, name, sequence, installed);

-- One reported run: the newest of each client, and those with news. The others are counted in `client_days`
-- alone. `started` is in microseconds since 1970. `bytes`: how much room its report takes. `kept`: 1 if it stays when the
-- client's next one comes.
CREATE TABLE runs (
    number         BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    client         TEXT COLLATE "C" NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    run            BIGINT NOT NULL,
    started        BIGINT NOT NULL,
    received       BIGINT NOT NULL,
    duration_ms    BIGINT NOT NULL,
    domain         TEXT COLLATE "C" NOT NULL,
    addresses      TEXT COLLATE "C" NOT NULL, -- JSON array
    program        TEXT COLLATE "C" NOT NULL,
    policy_version BIGINT NOT NULL,
    installed      BIGINT NOT NULL REFERENCES installed_sets (number),
    update_agent   TEXT COLLATE "C",          -- api::report::UpdateAgentReport
    warnings       TEXT COLLATE "C" NOT NULL, -- JSON array
    bytes          BIGINT NOT NULL,
    kept           BIGINT NOT NULL,
    UNIQUE (client, run, started)
);
CREATE INDEX runs_client ON runs (client, number);
CREATE INDEX runs_received ON runs (received, bytes);
CREATE INDEX runs_installed ON runs (installed);

-- What came of each class in a run, in the order of the run.
CREATE TABLE run_classes (
    run          BIGINT NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    nth          BIGINT NOT NULL,
    class        TEXT COLLATE "C" NOT NULL,
    result       TEXT COLLATE "C" NOT NULL, -- api::report::ClassResult
    source       TEXT COLLATE "C",
    message      TEXT COLLATE "C" NOT NULL,
    names        TEXT COLLATE "C" NOT NULL, -- JSON array of api::report::NameOutcome
    spared_bytes BIGINT NOT NULL,
    PRIMARY KEY (run, nth)
);

-- Every attempt of a run, in the order they began. `started` is in microseconds since 1970.
CREATE TABLE run_attempts (
    run          BIGINT NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    nth          BIGINT NOT NULL,
    class        TEXT COLLATE "C" NOT NULL,
    source       TEXT COLLATE "C" NOT NULL,
    url          TEXT COLLATE "C" NOT NULL,
    entry        BIGINT,
    result       TEXT COLLATE "C" NOT NULL, -- api::report::AttemptResult
    reason       TEXT COLLATE "C",          -- api::report::Reason
    detail       TEXT COLLATE "C" NOT NULL,
    bytes        BIGINT NOT NULL,
    delta_bytes  BIGINT NOT NULL,
    started      BIGINT NOT NULL,
    duration_ms  BIGINT NOT NULL,
    from_version BIGINT NOT NULL,
    to_version   BIGINT NOT NULL,
    PRIMARY KEY (run, nth)
);

-- The newest run of each client, and what it left installed: whatever counts clients reads one row for each.
CREATE TABLE client_runs (
    client    TEXT COLLATE "C" PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
    run       BIGINT NOT NULL,
    received  BIGINT NOT NULL,
    installed BIGINT NOT NULL REFERENCES installed_sets (number)
);
CREATE INDEX client_runs_installed ON client_runs (installed);

-- How the newest run of each client ended for each class, and since when it has ended so.
CREATE TABLE client_classes (
    client  TEXT COLLATE "C" NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    class   TEXT COLLATE "C" NOT NULL,
    result  TEXT COLLATE "C" NOT NULL,
    source  TEXT COLLATE "C",
    message TEXT COLLATE "C" NOT NULL,
    since   BIGINT NOT NULL,
    PRIMARY KEY (client, class)
);
CREATE INDEX client_classes_result ON client_classes (class, result, client);

-- What each client has of each name since its newest run, and how the newest attempt to change that ended. `sequence` 0:
-- it has none, and one is published.
CREATE TABLE client_releases (
    client   TEXT COLLATE "C" NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    class    TEXT COLLATE "C" NOT NULL,
    name     TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    version  TEXT COLLATE "C" NOT NULL,
    result   TEXT COLLATE "C" NOT NULL, -- api::report::ClassResult: current, failed or reverted
    since    BIGINT NOT NULL,
    reason   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (client, class, name)
);
CREATE INDEX client_releases_name ON client_releases (class, name, version, sequence, result, client);

-- What each client should have of each component and program: the current release. What it should have of the settings
-- stands in `domains` and `policies`.
CREATE TABLE wanted_releases (
    class    TEXT COLLATE "C" NOT NULL,
    name     TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    version  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (class, name)
);

-- What each client had from each source on each day (days since 1970, by when the reports came): of every run, whether
-- it is kept or not.
CREATE TABLE client_days (
    client TEXT COLLATE "C" NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    day    BIGINT NOT NULL,
    class  TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    runs   BIGINT NOT NULL,
    bytes  BIGINT NOT NULL,
    PRIMARY KEY (client, day, class, source)
);
CREATE INDEX client_days_day ON client_days (day, source, class, runs, bytes);

-- The same of all clients, for each day that is over.
CREATE TABLE source_days (
    day    BIGINT NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    class  TEXT COLLATE "C" NOT NULL,
    runs   BIGINT NOT NULL,
    bytes  BIGINT NOT NULL,
    PRIMARY KEY (day, source, class)
);

-- Bytes of the reports that came on each day that is over (days since 1970), so that no report changes a common row.
CREATE TABLE report_days (
    day   BIGINT PRIMARY KEY,
    bytes BIGINT NOT NULL
);

-- The vendor source: one row or none.
CREATE TABLE vendor (
    id               BIGINT PRIMARY KEY CHECK (id = 1),
    url              TEXT COLLATE "C" NOT NULL,
    root             TEXT COLLATE "C" NOT NULL, -- its newest trusted root metadata
    root_version     BIGINT NOT NULL,
    schedule_minutes BIGINT NOT NULL,
    last_started     BIGINT,
    last_sync        TEXT COLLATE "C"           -- api::v1::SyncResult
);

-- Who may enrol. The token itself stands in its bundle alone; here is its SHA-256.
CREATE TABLE enrol_tokens (
    number    BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    digest    TEXT COLLATE "C" NOT NULL UNIQUE,
    domain    TEXT COLLATE "C" NOT NULL, -- that its clients join
    client    TEXT COLLATE "C",          -- the one client that it admits; NULL: any
    uses      BIGINT NOT NULL,
    uses_left BIGINT NOT NULL CHECK (uses_left >= 0),
    made      BIGINT NOT NULL,
    expires   BIGINT NOT NULL
);
CREATE INDEX enrol_tokens_expires ON enrol_tokens (expires);

-- A client's key, and the newest statement of each kind that was taken from it.
CREATE TABLE identities (
    client          TEXT COLLATE "C" PRIMARY KEY REFERENCES clients (id),
    key             TEXT COLLATE "C" NOT NULL UNIQUE, -- its fingerprint: SHA-256, hexadecimal
    public_key      TEXT COLLATE "C" NOT NULL,        -- base64
    encryption_key  TEXT COLLATE "C" NOT NULL,        -- base64
    enrolled        BIGINT NOT NULL,
    certificate_end BIGINT NOT NULL,
    check_in_taken  BIGINT NOT NULL,
    report_taken    BIGINT NOT NULL,
    renewal_taken   BIGINT NOT NULL,
    reports_made    BIGINT NOT NULL      -- as its check-ins state
);

-- Reports that were made and never arrived.
CREATE TABLE report_gaps (
    client TEXT COLLATE "C" NOT NULL REFERENCES identities (client) ON DELETE CASCADE,
    first  BIGINT NOT NULL,
    last   BIGINT NOT NULL,
    PRIMARY KEY (client, first)
);

-- The newest reports of a client: what their numbers stood for, and the machine that made them.
CREATE TABLE report_digests (
    client   TEXT COLLATE "C" NOT NULL REFERENCES identities (client) ON DELETE CASCADE,
    sequence BIGINT NOT NULL,
    digest   TEXT COLLATE "C" NOT NULL, -- SHA-256, hexadecimal
    machine  TEXT COLLATE "C" NOT NULL, -- JSON
    PRIMARY KEY (client, sequence)
);

-- Identities that two machines use, as last found.
CREATE TABLE copied_identities (
    client   TEXT COLLATE "C" PRIMARY KEY REFERENCES identities (client) ON DELETE CASCADE,
    copied   TEXT COLLATE "C" NOT NULL -- JSON
);

-- Keys that no longer belong to the fleet; signed in the policy until `until`.
CREATE TABLE revoked_keys (
    key     TEXT COLLATE "C" PRIMARY KEY,
    client  TEXT COLLATE "C" NOT NULL,
    revoked BIGINT NOT NULL,
    until   BIGINT NOT NULL -- when its last certificate ends
);
CREATE INDEX revoked_keys_client ON revoked_keys (client);
CREATE INDEX revoked_keys_until ON revoked_keys (until, key);

-- Ids of clients that an administrator revoked: only a token for that client alone admits one under such an id again.
-- Removing a client leaves its id as it is.
CREATE TABLE revoked_clients (
    client TEXT COLLATE "C" PRIMARY KEY,
    since  BIGINT NOT NULL
);

-- Clients that ask and are not known; and what one has proven with a certificate of this fleet (public_key '': nothing).
CREATE TABLE unknown_clients (
    client          TEXT COLLATE "C" NOT NULL,
    key             TEXT COLLATE "C" NOT NULL, -- '': it showed none
    reason          TEXT COLLATE "C" NOT NULL,
    address         TEXT COLLATE "C" NOT NULL,
    count           BIGINT NOT NULL,
    first_seen      BIGINT NOT NULL,
    last_seen       BIGINT NOT NULL,
    public_key      TEXT COLLATE "C" NOT NULL DEFAULT '',   -- base64
    encryption_key  TEXT COLLATE "C" NOT NULL DEFAULT '',   -- base64
    certificate_end BIGINT NOT NULL DEFAULT 0,
    renewal         BIGINT NOT NULL DEFAULT 0, -- number of the statement that proved it
    PRIMARY KEY (client, key)
);
CREATE INDEX unknown_clients_last_seen ON unknown_clients (last_seen);

-- Certificates of the fleet CA, one for each rotation. Their keys stand in the folder of keys. `distrusted`: it was
-- stolen; a client that shows a certificate of it is asked to renew.
CREATE TABLE fleet_cas (
    number       BIGINT PRIMARY KEY,
    certificate  TEXT COLLATE "C" NOT NULL, -- PEM
    cross_signed TEXT COLLATE "C",          -- the same key, signed by the CA before it (PEM); NULL: it is the first
    made         BIGINT NOT NULL,
    distrusted   BIGINT NOT NULL
);

-- The key of each confidential domain. What an older one sealed is still held by update agents; the clients that it was
-- for have that key, nobody else gets it.
CREATE TABLE domain_keys (
    domain TEXT COLLATE "C" PRIMARY KEY,
    secret TEXT COLLATE "C" NOT NULL, -- base64
    made   BIGINT NOT NULL
);

-- Who signs in on the console plane. Names are lower case.
CREATE TABLE administrators (
    name         TEXT COLLATE "C" PRIMARY KEY,
    role         TEXT COLLATE "C" NOT NULL,    -- viewer, operator, admin
    password     TEXT COLLATE "C" NOT NULL,    -- argon2id, as a PHC string
    one_time     BIGINT NOT NULL, -- 1: the next sign-in must set another password
    made         BIGINT NOT NULL,
    last_sign_in BIGINT
);

-- Browsers that are signed in. For a session that an identity provider vouched for, `administrator` is `oidc:` and the
-- provider's subject, `role` what it vouched for, `issuer` the provider and `name` what is shown; for the others the
-- role is that of the administrator at the time of each request.
CREATE TABLE sessions (
    token         TEXT COLLATE "C" PRIMARY KEY, -- SHA-256 of the cookie's value
    administrator TEXT COLLATE "C" NOT NULL,
    role          TEXT COLLATE "C",
    issuer        TEXT COLLATE "C",
    name          TEXT COLLATE "C",
    made          BIGINT NOT NULL,
    expires       BIGINT NOT NULL
);
CREATE INDEX sessions_administrator ON sessions (administrator);

-- Tokens of programs. `administrator` NULL: made on the server's own machine.
CREATE TABLE api_tokens (
    name          TEXT COLLATE "C" PRIMARY KEY,
    token         TEXT COLLATE "C" NOT NULL UNIQUE, -- SHA-256
    administrator TEXT COLLATE "C" REFERENCES administrators (name) ON DELETE CASCADE,
    role          TEXT COLLATE "C" NOT NULL,
    scopes        TEXT COLLATE "C" NOT NULL, -- JSON array; empty: all
    made          BIGINT NOT NULL,
    expires       BIGINT NOT NULL
);

-- What was done. Each hash covers the record and the hash before.
CREATE TABLE audit (
    number   BIGINT PRIMARY KEY,
    time     TEXT COLLATE "C" NOT NULL,
    who      TEXT COLLATE "C" NOT NULL,
    origin   TEXT COLLATE "C" NOT NULL,
    action   TEXT COLLATE "C" NOT NULL,
    subject  TEXT COLLATE "C" NOT NULL,
    before   TEXT COLLATE "C" NOT NULL, -- JSON
    after    TEXT COLLATE "C" NOT NULL, -- JSON
    previous TEXT COLLATE "C" NOT NULL,
    hash     TEXT COLLATE "C" NOT NULL
);
CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();

-- Where the log ends, sealed with a key that is not in the database.
CREATE TABLE audit_head (
    id     BIGINT PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL,
    hash   TEXT COLLATE "C" NOT NULL,
    seal   TEXT COLLATE "C" NOT NULL
);
