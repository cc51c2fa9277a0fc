//! The organisation's own repositories: the policy's, and one for each class of content.

use std::fmt;
use std::str::FromStr;

use crate::class::Class;
use crate::problem::ParseError;

/// A signed repository of the organisation, with its own root, keys and timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Repository {
    /// The policy and the typed settings of every domain (P5a). It is no class of content: every update agent serves
    /// it, and no option of the source list governs it.
    Policy,
    /// A class of content.
    Class(Class),
}

impl Repository {
    /// All four, in the order of a run (P8).
    pub const ALL: [Self; 4] = [
        Self::Policy,
        Self::Class(Class::Settings),
        Self::Class(Class::Components),
        Self::Class(Class::Programs),
    ];

    /// The word in documents, URLs and folders.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Class(class) => class.as_str(),
        }
    }

    /// The class of content in it; `None` for the policy.
    pub const fn class(self) -> Option<Class> {
        match self {
            Self::Policy => None,
            Self::Class(class) => Some(class),
        }
    }
}

impl From<Class> for Repository {
    fn from(class: Class) -> Self {
        Self::Class(class)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Repository {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL.into_iter().find(|repository| repository.as_str() == text).ok_or_else(|| {
            ParseError::new(format!(
                "`{text}` is no repository; the repositories are policy, settings, components and programs"
            ))
        })
    }
}
