//! The organisation's own components (P4a): published by its server, and not taken from the vendor source. The vendor
//! source does not have them, so a client that was served by it looks for them elsewhere.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::limits::{COMPONENT_NAME_BYTES_MAX, COMPONENT_NAMES_SHOWN_MAX, OWN_COMPONENTS_MAX};
use crate::problem::ParseError;

/// The name of one of the organisation's own components.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnComponent(String);

impl OwnComponent {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OwnComponent {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if text.is_empty() || text.len() > COMPONENT_NAME_BYTES_MAX || !text.bytes().all(fits) {
            return Err(ParseError::new(format!(
                "`{}` is no component's name; 1 to {COMPONENT_NAME_BYTES_MAX} lowercase letters, digits and ._- are taken",
                text.escape_debug()
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for OwnComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The names of the organisation's own components, in order. Displayed as the first few and how many more there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnComponents(BTreeSet<OwnComponent>);

impl OwnComponents {
    /// These names.
    ///
    /// # Errors
    /// There are more than [`OWN_COMPONENTS_MAX`].
    pub fn new(names: impl IntoIterator<Item = OwnComponent>) -> Result<Self, ParseError> {
        let names: BTreeSet<OwnComponent> = names.into_iter().collect();
        if names.len() > OWN_COMPONENTS_MAX {
            let message =
                format!("there are {} own components; at most {OWN_COMPONENTS_MAX} are taken", names.len());
            return Err(ParseError::new(message));
        }
        Ok(Self(names))
    }

    /// The names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(OwnComponent::as_str)
    }

    /// Is it the name of one of them?
    pub fn contains(&self, name: &str) -> bool {
        name.parse().is_ok_and(|name| self.0.contains(&name))
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for OwnComponents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<&str> = self.iter().take(COMPONENT_NAMES_SHOWN_MAX).collect();
        f.write_str(&shown.join(", "))?;
        match self.0.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
