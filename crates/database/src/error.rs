//! What the database fails with.

use std::path::PathBuf;

use crate::fault_codes;

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
    /// The database's file cannot be read.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The address names no database that this program can use.
    #[error("the address of the database cannot be used: {reason}")]
    Address {
        /// Why.
        reason: String,
    },
    /// The database was made by another version of this program.
    #[error(
        "the database has {}, and this program reads schema {expected}; start the version of the program that made it, or \
         restore a backup that this version made", found_schema(*.found)
    )]
    Schema {
        /// The schema that it has; 0 if it names none.
        found: u64,
        /// The schema of this program.
        expected: u64,
    },
    /// What only one kind of database can do was asked of the other.
    #[error("{0}")]
    Unsupported(&'static str),
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

impl Error {
    /// The database is damaged.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.has_code(fault_codes::is_damaged)
    }

    /// The database could not write because of the disk.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::File { .. }) || self.has_code(fault_codes::is_disk_full)
    }

    fn has_code(&self, is_such: fn(&str) -> bool) -> bool {
        let Self::Failed(error) = self else { return false };
        has_code(error, is_such)
    }

    /// Whether the library failed on a damaged file.
    pub(crate) fn from_damage(error: &sqlx::Error) -> bool {
        has_code(error, fault_codes::is_damaged)
    }
}

fn has_code(error: &sqlx::Error, is_such: fn(&str) -> bool) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.code().is_some_and(|code| is_such(&code))
}

fn found_schema(found: u64) -> String {
    match found {
        0 => "tables of another program or of an unfinished version".to_owned(),
        found => format!("schema {found}"),
    }
}
