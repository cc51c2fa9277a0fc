//! The three classes of content.

use std::fmt;
use std::str::FromStr;

use crate::problem::ParseError;

/// A kind of content. The order is the order of a run (P8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Domain settings, and the policy itself.
    Settings,
    /// Named things with releases: patterns, rules, engines.
    Components,
    /// Client programs and hot fixes.
    Programs,
}

impl Class {
    /// All three, in the order of a run (P8).
    pub const ALL: [Self; 3] = [Self::Settings, Self::Components, Self::Programs];

    /// The word in documents and URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Components => "components",
            Self::Programs => "programs",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Class {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL.into_iter().find(|class| class.as_str() == text).ok_or_else(|| {
            ParseError::new(format!(
                "`{text}` is no class; the classes are components, settings and programs"
            ))
        })
    }
}

/// A set of classes: what a source gives (P4) or an update agent shares (U2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ClassSet(u8);

impl ClassSet {
    /// All three.
    pub const ALL: Self = Self(0b111);
    /// None: as an update agent's classes it means that the client is none (U2).
    pub const NONE: Self = Self(0);

    /// The set of one.
    pub const fn only(class: Class) -> Self {
        Self(1 << class as u8)
    }

    /// Is `class` in the set?
    pub const fn contains(self, class: Class) -> bool {
        self.0 & Self::only(class).0 != 0
    }

    /// The set with `class` added.
    #[must_use]
    pub const fn with(self, class: Class) -> Self {
        Self(self.0 | Self::only(class).0)
    }

    /// Is nothing in the set?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Is all of `self` in `other`?
    pub(crate) const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// What is in it, in the order of a run (P8).
    pub fn iter(self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().filter(move |class| self.contains(*class))
    }
}

impl FromIterator<Class> for ClassSet {
    fn from_iter<I: IntoIterator<Item = Class>>(classes: I) -> Self {
        classes.into_iter().fold(Self::NONE, Self::with)
    }
}
