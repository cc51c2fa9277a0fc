//! SQLite: one file, one writer, many readers, a log that is written ahead.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use sqlx::any::AnyConnectOptions;
use sqlx::{Any, AnyConnection, ConnectOptions, Connection as _, Pool, Transaction};

use super::batches::Batches;
use crate::error::{Error, Result};

/// Counts the tables of a name.
pub const TABLE_COUNT: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1";

/// A list of numbers or texts, given as JSON in `$1`.
pub const LIST: &str = "SELECT value FROM json_each($1)";

/// The one writer from the first statement on.
pub const BEGIN: &str = "BEGIN IMMEDIATE";

/// For each connection: a change is on the disk when it is committed, and waits for another process that writes.
const SETTINGS: [&str; 4] = [
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 10000",
];

/// See [`Batches`].
pub const BATCHES: Batches = Batches {
    run_classes: "INSERT INTO run_classes (run, nth, class, result, source, message, names, spared_bytes) \
        SELECT $1, value ->> 'nth', value ->> 'class', value ->> 'result', value ->> 'source', value ->> 'message', \
        value ->> 'names', value ->> 'spared_bytes' FROM json_each($2)",
    run_attempts: "INSERT INTO run_attempts (run, nth, class, source, url, entry, result, reason, detail, bytes, \
        delta_bytes, started, duration_ms, from_version, to_version) \
        SELECT $1, value ->> 'nth', value ->> 'class', value ->> 'source', value ->> 'url', value ->> 'entry', \
        value ->> 'result', value ->> 'reason', value ->> 'detail', value ->> 'bytes', value ->> 'delta_bytes', \
        value ->> 'started', value ->> 'duration_ms', value ->> 'from_version', value ->> 'to_version' \
        FROM json_each($2)",
    installed_releases: "INSERT INTO installed_releases (installed, class, name, sequence, version) \
        SELECT $1, value ->> 'class', value ->> 'name', value ->> 'sequence', value ->> 'version' FROM json_each($2)",
    client_days: "INSERT INTO client_days (client, day, class, source, runs, bytes) \
        SELECT $1, $2, value ->> 'class', value ->> 'source', 1, value ->> 'bytes' FROM json_each($3) WHERE true \
        ON CONFLICT (client, day, class, source) \
        DO UPDATE SET runs = client_days.runs + 1, bytes = CASE \
        WHEN client_days.bytes + excluded.bytes > $4 THEN $4 ELSE client_days.bytes + excluded.bytes END",
    client_releases: "INSERT INTO client_releases (client, class, name, sequence, version, result, since, reason) \
        SELECT $1, value ->> 'class', value ->> 'name', value ->> 'sequence', value ->> 'version', \
        value ->> 'result', $2, value ->> 'reason' FROM json_each($3) WHERE true \
        ON CONFLICT (client, class, name) DO UPDATE SET \
        since = CASE WHEN client_releases.sequence = excluded.sequence AND client_releases.result = excluded.result \
        THEN client_releases.since ELSE excluded.since END, sequence = excluded.sequence, \
        version = excluded.version, result = excluded.result, reason = excluded.reason",
    release_blobs: "INSERT INTO release_blobs (class, name, sequence, sha256) \
        SELECT $1, $2, $3, value FROM json_each($4) WHERE true ON CONFLICT DO NOTHING",
};

/// Makes the file if it is missing, for its owner alone, or takes it from the others where it exists. SQLite gives the
/// files beside it the same mode.
pub fn make_private(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

/// How a file is connected to.
pub fn options(path: &Path) -> Result<AnyConnectOptions> {
    let unusable =
        || Error::Address { reason: format!("{} cannot be the path of a database", path.display()) };
    let path = std::path::absolute(path).map_err(|_| unusable())?;
    let file = url::Url::from_file_path(&path).map_err(|()| unusable())?;
    let address = file.as_str().replacen("file:", "sqlite:", 1);
    let address = address.parse().map_err(|_| unusable())?;
    Ok(AnyConnectOptions::from_url(&address)?)
}

/// A database that goes with its connection.
pub fn in_memory() -> Result<AnyConnectOptions> {
    let address = "sqlite::memory:".parse().expect("it is an address");
    Ok(AnyConnectOptions::from_url(&address)?)
}

/// Prepares a new connection.
pub async fn set_up(connection: &mut AnyConnection) -> sqlx::Result<()> {
    for setting in SETTINGS {
        sqlx::query(setting).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Begins a change.
pub async fn begin(writer: &Pool<Any>) -> Result<Transaction<'static, Any>> {
    match writer.begin_with(BEGIN).await {
        // SQLite ends a transaction automatically when the disk is full; the library goes on counting it, and the
        // connection would begin no other one until the server is restarted.
        Err(sqlx::Error::InvalidSavePointStatement) => {
            if let Err(error) = writer.acquire().await?.close().await {
                tracing::warn!(%error, "the database connection that a full disk broke did not close well");
            }
            Ok(writer.begin_with(BEGIN).await?)
        }
        begun => Ok(begun?),
    }
}

/// Copies the database as it is at this moment into a new file, without the keys of confidential domains.
pub async fn copy_to(readers: &Pool<Any>, path: &Path) -> Result<()> {
    let name = path.to_string_lossy().into_owned();
    sqlx::query("VACUUM INTO $1").bind(name).execute(readers).await?;
    let mut copy = AnyConnection::connect_with(&options(path)?).await?;
    // What is deleted is overwritten, too.
    sqlx::query("PRAGMA secure_delete = ON").execute(&mut copy).await?;
    sqlx::query("DELETE FROM domain_keys").execute(&mut copy).await?;
    copy.close().await?;
    Ok(())
}
