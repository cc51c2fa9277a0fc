//! How values stand in rows: whole numbers as they are, times as seconds, everything with a structure as JSON.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;

use crate::error::{Error, Result};

/// One row of a result.
pub(crate) type SqlRow = AnyRow;

/// A number of the database as a count.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).expect("the database holds no negative counts")
}

/// A count as a number of the database.
pub(crate) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A number of the database that was stored from 32 bits.
pub(crate) fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Seconds of the database as a time.
pub(crate) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MIN)
}

/// JSON of the database.
pub(crate) fn json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt { what, reason: error.to_string() })
}

/// JSON for the database, and for what is signed.
///
/// # Panics
/// When a map has keys that are not text: our own messages have none.
#[must_use]
pub fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own messages have string keys only")
}

/// Text of a client as PostgreSQL takes it: without NUL characters.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => Cow::Owned(text.replace('\0', "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}
