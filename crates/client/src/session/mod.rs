//! What a run works with, in three parts: what its steps read ([`Context`]), what is remembered between runs
//! ([`State`]), and what its steps find ([`Findings`]).

mod changes;
mod context;
mod effective;
mod findings;

pub use changes::Change;
pub(crate) use changes::Fetching;
pub(crate) use context::{Context, Timeout};
pub(crate) use effective::{Effective, addresses, judged_addresses, own_addresses};
pub(crate) use findings::{ClassFindings, Findings};

use headwater_policy::Repository;

use crate::data::{RepositoryOwner, State};
use crate::error::Error;

/// One run.
pub struct Session {
    pub context: Context,
    pub state: State,
    pub findings: Findings,
}

impl Session {
    /// The newest root version of a repository that the policy or the server's answer in this run named; `None` if none
    /// did. The policy has no such minimum: the one that ends the trust in a stolen response-signing key must come through
    /// whatever that key names.
    pub(crate) fn root_named(&self, owner: RepositoryOwner, repository: Repository) -> Option<u64> {
        if owner == RepositoryOwner::Vendor || repository == Repository::Policy {
            return None;
        }
        let name = repository.as_str();
        let policy = self.state.policy.as_ref();
        let of_policy = policy.and_then(|policy| policy.fleet.roots.get(name));
        of_policy.max(self.findings.roots.get(name)).copied()
    }

    /// Writes the state. A trial run stores nothing.
    pub(crate) fn save_state(&self) -> Result<(), Error> {
        if self.context.options.self_trial { Ok(()) } else { self.state.save(&self.context.folder) }
    }
}
