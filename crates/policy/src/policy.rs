//! A policy for which every rule holds: source list, options, and what the entries refer to.

use crate::class::{Class, ClassSet};
use crate::draft::{PolicyDraft, SourceList};
use crate::entry::EntrySource;
use crate::id::ClientId;
use crate::options::{Mode, Options};
use crate::own_components::OwnComponents;
use crate::plan::SourceKey;
use crate::problem::Problem;
use crate::source_url::SourceUrl;
use crate::update_agent::{UpdateAgent, UpdateAgents};

impl PolicyDraft {
    /// The policy, if it can be saved.
    ///
    /// # Errors
    /// All of [`PolicyDraft::problems`].
    pub fn into_policy(self) -> Result<Policy, Vec<Problem>> {
        Policy::new(self)
    }
}

/// A policy that could be saved: every entry names something that exists and can be reached (S2, S3, S5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(PolicyDraft);

impl Policy {
    /// Checks a draft.
    ///
    /// # Errors
    /// All of [`PolicyDraft::problems`].
    pub fn new(draft: PolicyDraft) -> Result<Self, Vec<Problem>> {
        let problems = draft.problems();
        if problems.is_empty() { Ok(Self(draft)) } else { Err(problems) }
    }

    /// Takes a draft that was checked when it was saved, as the signed policy carries it. Update agents move, and one
    /// that has lost a family, or is gone, must not make a whole policy useless to a client: the planner passes over
    /// its entries (`family`, `class`), and the preview warns of them. Never use this on what a person wrote.
    pub fn already_saved(draft: PolicyDraft) -> Self {
        Self(draft)
    }

    /// A draft that begins as this policy (S7).
    pub fn to_draft(&self) -> PolicyDraft {
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

    /// The names of the organisation's own components (P4a).
    pub fn own_components(&self) -> &OwnComponents {
        &self.0.own_components
    }

    /// The same policy, for an organisation with these components of its own.
    #[must_use]
    pub fn with_own_components(mut self, own_components: OwnComponents) -> Self {
        self.0.own_components = own_components;
        self
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
