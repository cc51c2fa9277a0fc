//! Names and numbers of a repository, parsed at the edge: what has one of these types needs no more checks.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{
    COMPONENT_NAME_LENGTH_MAX, NUMBER_MAX, TARGET_NAME_LENGTH_MAX, TARGET_NAME_PART_LENGTH_MAX,
    VERSION_TEXT_LENGTH_MAX,
};
use crate::name_error::NameError;

/// The four top-level roles of The Update Framework.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Says which keys sign for which role. Its own keys stay offline (I2).
    Root,
    /// Says which snapshot is current: the only file under a fixed name.
    Timestamp,
    /// Says which targets metadata belong together.
    Snapshot,
    /// Says which targets there are, with length and digest.
    Targets,
}

impl Role {
    /// All four, in the order in which a client walks them.
    pub const ALL: [Self; 4] = [Self::Root, Self::Timestamp, Self::Snapshot, Self::Targets];

    /// The role's name in metadata and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Timestamp => "timestamp",
            Self::Snapshot => "snapshot",
            Self::Targets => "targets",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a target: parts joined by `/`, safe as a relative path and in a URL after percent-encoding.
///
/// Every part is of letters, digits (of any script), spaces and `._-+@~=,`, does not begin or end with a space, and is
/// neither `.` nor `..`: no name climbs out of a folder, is absolute, or hides a query, whatever joins it to a base.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetName(String);

impl TargetName {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// A name that breaks one of the type's rules or is longer than
    /// [`TARGET_NAME_LENGTH_MAX`] bytes, or [`TARGET_NAME_PART_LENGTH_MAX`] in one part.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        match target_name_problem(&text) {
            Some(reason) => Err(NameError::new("target name", &text, reason)),
            None => Ok(Self(text)),
        }
    }

    /// The name as written in metadata.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn target_name_problem(text: &str) -> Option<&'static str> {
    if text.is_empty() || text.len() > TARGET_NAME_LENGTH_MAX {
        return Some("it must have 1 to 1024 bytes");
    }
    text.split('/').find_map(|part| {
        if part.is_empty() {
            Some("it must not begin or end with \"/\" nor hold \"//\"")
        } else if part.len() > TARGET_NAME_PART_LENGTH_MAX {
            Some("no part between \"/\" may have more than 180 bytes")
        } else if part == "." || part == ".." {
            Some("\".\" and \"..\" are not allowed as parts")
        } else if part.starts_with(' ') || part.ends_with(' ') {
            Some("no part may begin or end with a space")
        } else if !part.chars().all(|c| c.is_alphanumeric() || " ._-+@~=,".contains(c)) {
            Some("only letters, digits, spaces and ._-+@~=, are allowed between \"/\"")
        } else {
            None
        }
    })
}

/// What no component is called: reports and folders name a repository so.
const RESERVED: &str = "policy";

/// The name of a component or program: lower-case letters, digits, `.`, `_` and `-`, a letter or digit first.
///
/// It is a folder's name on every endpoint and a part of target names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentName(String);

impl ComponentName {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// Another character, another first character, `.` at the end, a length outside 1 to [`COMPONENT_NAME_LENGTH_MAX`]
    /// bytes, or `policy`: in reports and folders that names a repository.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let reason = if text.is_empty() || text.len() > COMPONENT_NAME_LENGTH_MAX {
            "it must have 1 to 64 characters"
        } else if !text.bytes().all(allowed) {
            "only the letters a to z, digits, \".\", \"_\" and \"-\" are allowed"
        } else if !text.starts_with(|first: char| first.is_ascii_alphanumeric()) || text.ends_with('.') {
            "it must begin with a letter or digit and not end with \".\""
        } else if text == RESERVED {
            "it is reserved for the policy; choose another name"
        } else {
            return Ok(Self(text));
        };
        Err(NameError::new("component name", &text, reason))
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The version that people read, such as `2026-11-22.3`: free text of one line.
///
/// Order is decided by [`Sequence`] alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionText(String);

impl VersionText {
    /// Parses a version.
    ///
    /// # Errors
    ///
    /// Control characters, spaces at the ends, or a length outside 1 to [`VERSION_TEXT_LENGTH_MAX`] bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let reason = if text.is_empty() || text.len() > VERSION_TEXT_LENGTH_MAX {
            "it must have 1 to 128 bytes"
        } else if text.chars().any(char::is_control) {
            "control characters are not allowed"
        } else if text.trim() != text {
            "it must not begin or end with a space"
        } else {
            return Ok(Self(text));
        };
        Err(NameError::new("version", &text, reason))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number of a component's release: grows with each one, from 1 to [`NUMBER_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(NonZeroU64);

impl Sequence {
    /// The first release's number.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// Checks a number.
    ///
    /// # Errors
    ///
    /// 0, or more than [`NUMBER_MAX`].
    pub fn new(number: u64) -> Result<Self, NameError> {
        NonZeroU64::new(number).filter(|number| number.get() <= NUMBER_MAX).map(Self).ok_or_else(|| {
            NameError::new(
                "sequence",
                &number.to_string(),
                "it must be from 1 to 9007199254740991 (2^53 - 1)",
            )
        })
    }

    /// The number itself.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The number after this one; `None` after the last.
    pub fn next(self) -> Option<Self> {
        Self::new(self.get() + 1).ok()
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Sequence {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        // One number has one spelling, because sequences are also parts of file names: no sign, no leading zero.
        let number = text.parse().ok().filter(|number: &u64| number.to_string() == text);
        Self::new(
            number.ok_or_else(|| {
                NameError::new("sequence", text, "it must be a number from 1, in plain digits")
            })?,
        )
    }
}

impl Serialize for Sequence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

impl<'de> Deserialize<'de> for Sequence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

macro_rules! text_type {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use text_type;

text_type!(TargetName);
text_type!(ComponentName);
text_type!(VersionText);
