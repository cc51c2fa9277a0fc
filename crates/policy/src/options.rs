//! What a policy sets beside the source list: the mode and the options (S1, S9).

use std::fmt;
use std::str::FromStr;

use crate::class::{Class, ClassSet};
use crate::problem::ParseError;

/// Whether the fleet consults the source list (S1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Every client updates from the server.
    Standard,
    /// Clients go by the source list.
    Customized,
}

impl Mode {
    /// The word in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Customized => "customized",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "standard" => Ok(Self::Standard),
            "customized" => Ok(Self::Customized),
            _ => Err(ParseError::new(format!("`{}` must be standard or customized", text.escape_debug()))),
        }
    }
}

/// When clients fall back to the vendor source, in every mode (P5). An entry that names it is no fallback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VendorFallback {
    /// If the domain allows it. Where it does not, still if components do not fall back to the server and the vendor source
    /// is not on the list, and for an update agent that follows no list, if the vendor source is the list's first entry:
    /// what OfficeScan documents.
    #[default]
    Documented,
    /// Only if the domain allows it.
    PrivilegeOnly,
    /// Never, whatever the domain allows.
    Never,
}

impl VendorFallback {
    /// The word in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::PrivilegeOnly => "privilege_only",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for VendorFallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for VendorFallback {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        [Self::Documented, Self::PrivilegeOnly, Self::Never]
            .into_iter()
            .find(|word| word.as_str() == text)
            .ok_or_else(|| {
                let shown = text.escape_debug();
                ParseError::new(format!("`{shown}` must be documented, privilege_only or never"))
            })
    }
}

/// For which classes clients fall back to the server after the entries that select them (S9, P2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerFallback {
    /// The classes whose switch is on.
    pub classes: ClassSet,
}

impl ServerFallback {
    /// Is the switch of `class` on?
    pub const fn is_on(self, class: Class) -> bool {
        self.classes.contains(class)
    }
}

impl Default for ServerFallback {
    fn default() -> Self {
        Self { classes: ClassSet::ALL }
    }
}

/// The options beside the list (S9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Options {
    /// Three independent switches.
    pub server_fallback: ServerFallback,
    /// Update agents update from the server alone (P3).
    pub update_agents_from_server_only: bool,
    /// See [`VendorFallback`].
    pub vendor_fallback: VendorFallback,
}
