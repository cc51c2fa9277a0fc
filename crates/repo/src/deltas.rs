//! Deltas as a manifest names them: the blobs that make a file of one that a client has.
//!
//! A delta's base is a whole file by its digest, whatever path, release or component it came from: a file that is
//! moved or renamed keeps its ways. The manifest of a release is all that a client needs to read: it names the deltas
//! to its own files, and those between *intermediates*, files of earlier releases that are steps on a way to them.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::limits::{DELTA_FORMAT_LENGTH_MAX, DELTAS_OF_FILE_MAX, FILE_SIZE_MAX, INTERMEDIATES_MAX};

/// A blob that makes one file of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delta {
    /// SHA-256 of the whole file that it is applied to.
    pub base: Digest,
    /// The blob's SHA-256, which is its name. Nothing is decoded before this was checked.
    pub sha256: Digest,
    /// The blob's size in bytes.
    pub size: u64,
    /// How it is decoded.
    pub format: DeltaFormat,
    /// Bytes of memory that decoding needs.
    pub memory: u64,
}

/// A file of an earlier release on the way to one of this release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intermediate {
    /// Its SHA-256.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What it can be made of.
    pub deltas: Vec<Delta>,
}

/// How a delta is decoded. A program ignores deltas in a format that it does not know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeltaFormat {
    /// The first container format of `headwater-delta`.
    Headwater1,
    /// One that this program does not know.
    Other(String),
}

const HEADWATER_1: &str = "headwater1";

impl DeltaFormat {
    /// Its word in a manifest.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Headwater1 => HEADWATER_1,
            Self::Other(word) => word,
        }
    }
}

impl fmt::Display for DeltaFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for DeltaFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for DeltaFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
        if word.is_empty() || word.len() > DELTA_FORMAT_LENGTH_MAX || !word.bytes().all(plain) {
            let message = "a delta's format is 1 to 32 lower-case letters, digits and _";
            return Err(serde::de::Error::custom(message));
        }
        Ok(if word == HEADWATER_1 { Self::Headwater1 } else { Self::Other(word) })
    }
}

/// Why these deltas cannot lead to the file `to`, if they cannot.
pub(crate) fn problem(to: &Digest, deltas: &[Delta]) -> Option<String> {
    if deltas.len() > DELTAS_OF_FILE_MAX {
        let count = deltas.len();
        return Some(format!("it has {count} deltas; {DELTAS_OF_FILE_MAX} are allowed"));
    }
    let mut bases = BTreeSet::new();
    deltas.iter().find_map(|delta| {
        if delta.base == *to {
            Some("a delta's base is the file itself".to_owned())
        } else if !bases.insert(delta.base) {
            Some(format!("it has two deltas from {}", delta.base))
        } else if delta.size > FILE_SIZE_MAX {
            Some(format!("a delta is larger than {FILE_SIZE_MAX} bytes"))
        } else {
            None
        }
    })
}

/// Why these cannot be a manifest's intermediates, if they cannot.
pub(crate) fn intermediates_problem(intermediates: &[Intermediate]) -> Option<String> {
    if intermediates.len() > INTERMEDIATES_MAX {
        let count = intermediates.len();
        return Some(format!("it has {count} intermediates; {INTERMEDIATES_MAX} are allowed"));
    }
    let mut seen = BTreeSet::new();
    intermediates.iter().find_map(|file| {
        let reason = if !seen.insert(file.sha256) {
            Some("it stands twice".to_owned())
        } else if file.size > FILE_SIZE_MAX {
            Some(format!("it is larger than {FILE_SIZE_MAX} bytes"))
        } else {
            problem(&file.sha256, &file.deltas)
        };
        reason.map(|reason| format!("intermediate {}: {reason}", file.sha256))
    })
}
