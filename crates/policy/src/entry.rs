//! One entry of the source list: a selector and a source (S3).

use std::fmt;

use crate::class::ClassSet;
use crate::id::ClientId;
use crate::selector::Selector;
use crate::source_url::SourceUrl;

/// What an entry names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EntrySource {
    /// An update agent, by its identity.
    UpdateAgent(ClientId),
    /// A URL typed in, with the classes that it gives (P4). One that is equal to the server's or the vendor
    /// source's is that source and gives what that source gives.
    Url {
        /// Where it is.
        url: SourceUrl,
        /// What it gives.
        classes: ClassSet,
    },
    /// The vendor source, wherever the policy has it.
    Vendor,
}

impl fmt::Display for EntrySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpdateAgent(id) => write!(f, "update agent {id}"),
            Self::Url { url, classes } if *classes == ClassSet::ALL => write!(f, "{url}"),
            Self::Url { url, classes } => {
                let classes: Vec<_> = classes.iter().map(|class| class.as_str()).collect();
                write!(f, "{url} ({})", classes.join(", "))
            }
            Self::Vendor => f.write_str("the vendor source"),
        }
    }
}

/// One line of the source list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Which clients it selects.
    pub selector: Selector,
    /// What it names.
    pub source: EntrySource,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.selector, self.source)
    }
}
