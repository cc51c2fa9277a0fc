//! A policy for which every rule holds: source list, options, and what the entries refer to.

use std::fmt;
use std::str::FromStr;

use crate::address::FamilySet;
use crate::class::{Class, ClassSet};
use crate::draft::{Draft, SourceList};
use crate::entry::EntrySource;
use crate::id::ClientId;
use crate::plan::SourceKey;
use crate::problem::{ParseError, Problem};
use crate::source_url::SourceUrl;
use crate::update_agent::{UpdateAgent, UpdateAgents};

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

/// When clients fall back to the vendor source though components do not fall back to the server (P5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VendorFallback {
    /// If the domain allows it, or the vendor source is not on the list: what OfficeScan documents.
    #[default]
    Documented,
    /// Only if the domain allows it.
    PrivilegeOnly,
    /// Never.
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

/// For which classes clients fall back to the server once the list is exhausted (S9, P2).
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

/// A policy that could be saved: every entry names something that exists and can be reached (S2, S3, S5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(Draft);

impl Policy {
    /// Checks a draft.
    ///
    /// # Errors
    /// All of [`Draft::problems`].
    pub fn new(draft: Draft) -> Result<Self, Vec<Problem>> {
        let problems = draft.problems();
        if problems.is_empty() { Ok(Self(draft)) } else { Err(problems) }
    }

    /// Takes a draft that was checked when it was saved, as the signed settings carry it. Update agents move, and one
    /// that has lost a family, or is gone, must not make a whole policy useless to a client: the planner passes over
    /// its entries (`family`, `class`), and the preview warns of them. Never use this on what a person wrote.
    pub fn already_saved(draft: Draft) -> Self {
        Self(draft)
    }

    /// A draft that begins as this policy (S7).
    pub fn to_draft(&self) -> Draft {
        self.0.clone()
    }

    /// Whether the source list is consulted (S1).
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// The options beside the list (S9).
    pub fn options(&self) -> Options {
        self.0.options
    }

    /// The organisation's own server.
    pub fn server(&self) -> &SourceUrl {
        &self.0.server
    }

    /// The vendor source, if there is one.
    pub fn vendor(&self) -> Option<&SourceUrl> {
        self.0.vendor.as_ref()
    }

    /// The update agents that entries may name, in order of id.
    pub fn update_agents(&self) -> &UpdateAgents {
        &self.0.update_agents
    }

    /// The source list.
    pub fn entries(&self) -> &SourceList {
        &self.0.entries
    }

    /// The update agent that `id` is: known, and sharing at least one class (U2).
    pub fn update_agent(&self, id: &ClientId) -> Option<&UpdateAgent> {
        self.update_agents().get(id).filter(|agent| agent.is_active())
    }

    /// Which source an entry's is: a URL equal to the server's or the vendor source's is that source.
    pub fn source_key(&self, source: &EntrySource) -> SourceKey {
        match source {
            EntrySource::UpdateAgent(id) => SourceKey::UpdateAgent(id.clone()),
            EntrySource::Vendor => SourceKey::Vendor,
            EntrySource::Url { url, .. } if url == self.server() => SourceKey::Server,
            EntrySource::Url { url, .. } if Some(url) == self.vendor() => SourceKey::Vendor,
            EntrySource::Url { url, .. } => SourceKey::Url(url.clone()),
        }
    }

    /// What a source gives (P4); a vendor source that there is not gives nothing.
    pub fn gives(&self, source: &EntrySource) -> ClassSet {
        match (self.source_key(source), source) {
            (SourceKey::Server, _) => ClassSet::ALL,
            (SourceKey::Vendor, _) | (_, EntrySource::Vendor) => {
                self.vendor().map_or(ClassSet::NONE, |_| ClassSet::only(Class::Components))
            }
            (_, EntrySource::Url { classes, .. }) => *classes,
            (_, EntrySource::UpdateAgent(id)) => {
                self.update_agents().get(id).map_or(ClassSet::NONE, UpdateAgent::classes)
            }
        }
    }
}

/// What an entry is checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It is saved: each family that it selects must be met, and the vendor source that it names must exist.
    Save,
    /// A plan is made from what may have been saved long ago, and addresses change: clients that lack the source's
    /// families pass over the entry (`family`), and all do if there is no vendor source (`class`).
    Plan,
}

/// What is wrong with the source of an entry that selects clients of the families `selected`: it does not exist, or
/// those clients can never reach it (S5). A name may have both families; the vendor source named as such stands where
/// the policy says, so its families are a warning only (see `preview`).
pub fn check_source(
    number: u32,
    selected: FamilySet,
    source: &EntrySource,
    update_agents: &UpdateAgents,
    vendor: Option<&SourceUrl>,
    occasion: Occasion,
) -> Vec<Problem> {
    let (families, name) = match source {
        EntrySource::UpdateAgent(id) => match update_agents.get(id) {
            Some(agent) => (agent.families(), format!("update agent {id}")),
            None => {
                let message = format!(
                    "there is no update agent `{id}`; give that client the role first, or name another"
                );
                return vec![Problem::of_entry(number, message)];
            }
        },
        EntrySource::Url { url, .. } => (url.families(), format!("the URL {url}")),
        EntrySource::Vendor if vendor.is_none() && occasion == Occasion::Save => {
            let message = "it names the vendor source, but the policy has none; give `vendor` a URL, or name another source";
            return vec![Problem::of_entry(number, message)];
        }
        EntrySource::Vendor => return Vec::new(),
    };
    if occasion == Occasion::Plan {
        return Vec::new();
    }
    let unmet = selected.iter().filter(|family| !families.contains(*family));
    let problem = |family| {
        let message = format!(
            "{name} has no {family} address, but the entry selects {family} clients, which could never reach it; name \
             another source, or select no {family} clients"
        );
        Problem::of_entry(number, message)
    };
    unmet.map(problem).collect()
}
