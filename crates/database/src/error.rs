//! What the database fails with.

use std::path::PathBuf;

/// Why the database could not do what it was asked to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A statement failed, or the database cannot be reached.
    #[error("database")]
    Failed(#[from] sqlx::Error),
    /// The database's file cannot be made its owner's alone.
    #[error("cannot make {} readable for its owner alone", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A row that this program wrote itself cannot be read back.
    #[error("stored {what} cannot be read: {reason}")]
    Corrupt {
        /// What.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// Result of a statement.
pub type Result<T> = std::result::Result<T, Error>;

/// SQLite's primary result codes for a disk that is full or refuses (SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN).
const SQLITE_DISK_CODES: [u32; 3] = [10, 13, 14];

/// SQLite's primary result codes for a file that is damaged or no database (SQLITE_CORRUPT, SQLITE_NOTADB).
const SQLITE_DAMAGED_CODES: [u32; 2] = [11, 26];

impl Error {
    /// The database is damaged.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.has_sqlite_code(&SQLITE_DAMAGED_CODES)
    }

    /// The database could not write because of the disk.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::File { .. }) || self.has_sqlite_code(&SQLITE_DISK_CODES)
    }

    fn has_sqlite_code(&self, codes: &[u32]) -> bool {
        let Self::Failed(sqlx::Error::Database(error)) = self else { return false };
        let code = error.code().and_then(|code| code.parse::<u32>().ok());
        code.is_some_and(|code| codes.contains(&(code & 0xff)))
    }
}
