//! Names that come from outside: of clients, and of domains.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::{DOMAIN_DEPTH_MAX, DOMAIN_NAME_BYTES_MAX, ID_BYTES_MAX};
use crate::problem::ParseError;

/// A client's id, and so an update agent's: letters, digits and `-_.:@+`, the first a letter or digit.
/// It is safe as a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() {
            return Err(ParseError::new("the id is empty"));
        }
        if text.len() > ID_BYTES_MAX {
            return Err(ParseError::new(format!(
                "the id has {} bytes; at most {ID_BYTES_MAX} are allowed",
                text.len()
            )));
        }
        let first = text.as_bytes()[0];
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@+".contains(&byte);
        if !first.is_ascii_alphanumeric() || !text.bytes().all(fits) {
            return Err(ParseError::new(format!(
                "`{}` is not a valid id: use letters, digits and -_.:@+, and begin with a letter or digit",
                text.escape_debug()
            )));
        }
        Ok(Self(Arc::from(text)))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where a domain stands in the tree: `root`, or `root/…` (D1). Each name is letters, digits and `-_.`,
/// and does not begin with a dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainPath(String);

impl DomainPath {
    /// The root of the tree.
    pub fn root() -> Self {
        Self("root".to_owned())
    }

    /// Is this the root?
    pub fn is_root(&self) -> bool {
        !self.0.contains('/')
    }

    /// The domain above; `None` above the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This domain and those above it, nearest first.
    pub fn ancestry(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::parent)
    }
}

impl FromStr for DomainPath {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = |why: &str| {
            Err(ParseError::new(format!("`{}` is not a valid domain: {why}", text.escape_debug())))
        };
        let mut names = text.split('/');
        if names.next() != Some("root") {
            return bad("it must be `root` or begin with `root/`");
        }
        if text.split('/').count() > DOMAIN_DEPTH_MAX {
            return bad(&format!("it has more than {DOMAIN_DEPTH_MAX} levels"));
        }
        for name in names {
            if name.len() > DOMAIN_NAME_BYTES_MAX {
                return bad(&format!("a name in it has more than {DOMAIN_NAME_BYTES_MAX} bytes"));
            }
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if name.is_empty() || name.starts_with('.') || !name.bytes().all(fits) {
                return bad("each name is letters, digits and -_. and does not begin with a dot");
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for DomainPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
