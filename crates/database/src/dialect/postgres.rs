//! PostgreSQL: changes take the writer's row, so that one follows the other as they do with SQLite.

use sqlx::any::AnyConnectOptions;
use sqlx::{Any, ConnectOptions, Pool, Transaction};

use super::batches::Batches;
use crate::error::{Error, Result};

/// Counts the tables of a name where new tables are made.
pub const TABLE_COUNT: &str = "SELECT count(*) FROM pg_catalog.pg_tables \
    WHERE schemaname = current_schema() AND tablename = $1::name";

/// A list of numbers, given as JSON in `$1`.
pub const NUMBERS: &str = "SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS list (value)";

/// A list of texts, given as JSON in `$1`. Columns compare by byte, whatever the order of the database.
pub const TEXTS: &str =
    "SELECT value COLLATE \"C\" FROM jsonb_array_elements_text($1::jsonb) AS list (value)";

/// Each statement sees what was committed before it; the writer's row keeps changes apart.
pub const BEGIN: &str = "BEGIN";

/// Held until the tables are made. The number is arbitrary and the same in every server.
pub const SCHEMA_LOCK: &str = "SELECT pg_advisory_xact_lock(7345100)";

/// See [`Batches`].
pub const BATCHES: Batches = Batches {
    run_classes: "INSERT INTO run_classes (run, nth, class, result, source, message, names, spared_bytes) \
        SELECT $1, nth, class, result, source, message, names, spared_bytes FROM jsonb_to_recordset($2::jsonb) AS \
        row (nth bigint, class text, result text, source text, message text, names text, spared_bytes bigint)",
    run_attempts: "INSERT INTO run_attempts (run, nth, class, source, url, entry, result, reason, detail, bytes, \
        delta_bytes, started, duration_ms, from_version, to_version) \
        SELECT $1, nth, class, source, url, entry, result, reason, detail, bytes, delta_bytes, started, duration_ms, \
        from_version, to_version FROM jsonb_to_recordset($2::jsonb) AS \
        row (nth bigint, class text, source text, url text, entry bigint, result text, reason text, detail text, \
        bytes bigint, delta_bytes bigint, started bigint, duration_ms bigint, from_version bigint, to_version bigint)",
    installed_releases: "INSERT INTO installed_releases (installed, class, name, sequence, version) \
        SELECT $1, class, name, sequence, version FROM jsonb_to_recordset($2::jsonb) AS \
        row (class text, name text, sequence bigint, version text)",
    client_days: "INSERT INTO client_days (client, day, class, source, runs, bytes) \
        SELECT $1, $2, class, source, 1, bytes FROM jsonb_to_recordset($3::jsonb) AS \
        row (class text, source text, bytes bigint) \
        ON CONFLICT (client, day, class, source) \
        DO UPDATE SET runs = client_days.runs + 1, bytes = CASE \
        WHEN client_days.bytes + excluded.bytes > $4 THEN $4 ELSE client_days.bytes + excluded.bytes END",
    client_releases: "INSERT INTO client_releases (client, class, name, sequence, version, result, since, reason) \
        SELECT $1, class, name, sequence, version, result, $2, reason FROM jsonb_to_recordset($3::jsonb) AS \
        row (class text, name text, sequence bigint, version text, result text, reason text) \
        ON CONFLICT (client, class, name) DO UPDATE SET \
        since = CASE WHEN client_releases.sequence = excluded.sequence AND client_releases.result = excluded.result \
        THEN client_releases.since ELSE excluded.since END, sequence = excluded.sequence, \
        version = excluded.version, result = excluded.result, reason = excluded.reason",
    release_blobs: "INSERT INTO release_blobs (class, name, sequence, sha256) \
        SELECT $1, $2, $3, value FROM jsonb_array_elements_text($4::jsonb) ON CONFLICT DO NOTHING",
};

/// How a database is connected to.
pub fn options(address: &str) -> Result<AnyConnectOptions> {
    let address = address.parse().map_err(|error| Error::Address { reason: format!("{error}") })?;
    Ok(AnyConnectOptions::from_url(&address)?)
}

/// Begins a change, and waits until no other one is under way. What it reads from then on is what they left.
pub async fn begin(writer: &Pool<Any>) -> Result<Transaction<'static, Any>> {
    let mut transaction = writer.begin().await?;
    sqlx::query("SELECT id FROM writer WHERE id = 1 FOR UPDATE").fetch_one(&mut *transaction).await?;
    Ok(transaction)
}
