//! What a plan is: the sources to try, and why others are not among them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::class::Class;
use crate::id::ClientId;
use crate::partial::Partial;
use crate::problem::ParseError;
use crate::repository::Repository;
use crate::selector::Selector;
use crate::source_url::SourceUrl;
use crate::unserved::Unserved;

/// Which source: two steps with the same key are the same source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceKey {
    /// An update agent.
    UpdateAgent(ClientId),
    /// A URL that is neither the server's nor the vendor source's.
    Url(SourceUrl),
    /// The organisation's own server.
    Server,
    /// The vendor source.
    Vendor,
}

impl fmt::Display for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpdateAgent(id) => write!(f, "update_agent:{id}"),
            Self::Url(url) => write!(f, "url:{url}"),
            Self::Server => f.write_str("server"),
            Self::Vendor => f.write_str("vendor"),
        }
    }
}

impl FromStr for SourceKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.split_once(':') {
            Some(("update_agent", id)) => id.parse().map(Self::UpdateAgent),
            Some(("url", url)) => url.parse().map(Self::Url),
            None if text == "server" => Ok(Self::Server),
            None if text == "vendor" => Ok(Self::Vendor),
            _ => Err(ParseError::new(format!("`{}` is no source of a plan", text.escape_debug()))),
        }
    }
}

/// Why a source is in a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepReason {
    /// An entry selects the client (P2).
    Selected {
        /// The client's address that it selects.
        address: IpAddr,
        /// The entry's selector.
        selector: Selector,
    },
    /// After the entries that select the client, this class falls back to the server (P2).
    ServerFallback,
    /// Standard mode: every client goes to the server (P3).
    StandardMode,
    /// Update agents go to the server alone (P3).
    UpdateAgentsFromServerOnly,
    /// The domain lets its clients download from the vendor source, and `vendor_fallback` is not `never` (P5).
    VendorAllowed,
    /// The vendor source is not on the list, and `vendor_fallback` is `documented` (P5).
    VendorNotListed,
    /// The client is an update agent, the vendor source is the list's first entry, and `vendor_fallback` is `documented` (P5).
    VendorFirstEntry,
    /// Of the policy's plan: by an earlier list, this client got the policy from a plan with this source (P5a).
    Former,
    /// Of the policy's plan: the server, asked if a signed answer names a newer policy than the others gave (P5a).
    LastResort,
}

impl fmt::Display for StepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selected { address, selector } => write!(f, "the entry selects {selector}, and {address} is in it"),
            Self::ServerFallback => f.write_str("server fallback; it comes after every entry that is for this client"),
            Self::StandardMode => f.write_str("standard mode: every client updates from the server"),
            Self::UpdateAgentsFromServerOnly => f.write_str("update agents update from the server only"),
            Self::VendorAllowed => f.write_str("the domain lets its clients download from the vendor source"),
            Self::VendorNotListed => f.write_str(
                "no server fallback for components, and the vendor source is not on the list (vendor_fallback is documented)",
            ),
            Self::VendorFirstEntry => f.write_str(
                "an update agent, and the vendor source is the list's first entry (vendor_fallback is documented)",
            ),
            Self::Former => f.write_str("this client got the policy by an earlier list with this source"),
            Self::LastResort => {
                f.write_str("last resort: asked if it names, at a check-in, a newer policy than the others gave")
            }
        }
    }
}

/// One source of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which source.
    pub source: SourceKey,
    /// Where this client reaches it.
    pub url: SourceUrl,
    /// The entry that names it, from 1; `None` if no entry does.
    pub entry: Option<u32>,
    /// Why it is in the plan.
    pub reason: StepReason,
}

/// Why an entry was passed over; tested in this order; the first that holds is the reason given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SkipReason {
    /// It selects none of the client's addresses (P1).
    Selector,
    /// Its source does not give the class (P4), or not the policy.
    Class,
    /// Its source has no address of a family that the client has (P6).
    Family,
    /// Its source is the client itself (P6).
    OwnSelf,
    /// It would lead in a circle through update agents (P6).
    Loop,
    /// Its source is in the plan already (P6).
    Repeat,
}

impl SkipReason {
    /// The word in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Selector => "selector",
            Self::Class => "class",
            Self::Family => "family",
            Self::OwnSelf => "self",
            Self::Loop => "loop",
            Self::Repeat => "repeat",
        }
    }

    /// A sentence for people (S10).
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Selector => "it selects none of the client's addresses",
            Self::Class => "its source does not give this class",
            Self::Family => "its source has no address of a family that the client has",
            Self::OwnSelf => "its source is the client itself",
            Self::Loop => "it would lead in a circle through update agents",
            Self::Repeat => "its source is in the plan already",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An entry that was passed over, and why (S10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// The entry, from 1.
    pub entry: u32,
    /// Why.
    pub reason: SkipReason,
}

/// The sources that one client tries for one repository, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What to try, first to last.
    pub steps: Vec<Step>,
    /// The entries passed over, in list order; empty where the list is not consulted (P3).
    pub skipped: Vec<Skipped>,
    /// Why there is no step; `None` if there is one (P4a).
    pub unserved: Option<Unserved>,
    /// The organisation's own components that no source of the plan has; `None` if one has them, or if there is no step.
    pub partial: Option<Partial>,
}

/// A client's plans for all repositories (S10).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plans {
    /// For the policy (P5a).
    pub policy: Plan,
    /// For class settings.
    pub settings: Plan,
    /// For class components.
    pub components: Plan,
    /// For class programs.
    pub programs: Plan,
}

impl Plans {
    /// The plan for one repository.
    pub fn get(&self, repository: impl Into<Repository>) -> &Plan {
        match repository.into() {
            Repository::Policy => &self.policy,
            Repository::Class(Class::Settings) => &self.settings,
            Repository::Class(Class::Components) => &self.components,
            Repository::Class(Class::Programs) => &self.programs,
        }
    }
}
