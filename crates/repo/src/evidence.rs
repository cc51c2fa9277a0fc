//! What vouches for a number below which nothing is accepted: the keys whose signatures set it. After a theft the number
//! falls with them, as The Update Framework's own versions do (specification 5.3.11).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sigstore_tuf::{Metadata, Targets};

use crate::digest::Digest;
use crate::key_replacement::KeyReplacement;
use crate::names::Role;
use crate::signers::{key_digests, signers};
use crate::trusted::Trusted;

/// The keys that signed the targets metadata which names something, and the root under which they were enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Version of that root.
    root: u64,
    /// The keys by what they are, not by the ids that a root gives them.
    keys: BTreeSet<Digest>,
}

/// What evidence is worth under a later root of the same repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its keys still reach the threshold.
    Holds,
    /// They do not, and every root since replaced keys as planned.
    Replaced,
    /// They do not, and a root since then says that keys were compromised.
    Compromised,
}

impl Trusted {
    /// What vouches for the loaded targets metadata; `None` before it is loaded.
    pub fn evidence(&self) -> Option<Evidence> {
        let bytes = self.received().targets.as_deref()?;
        let metadata = Metadata::<Targets>::from_slice(bytes).ok()?;
        let root = self.set.root();
        let keys = signers(&metadata, &root.keys, root.role(Role::Targets.name())?);
        Some(Evidence { root: root.version, keys })
    }

    /// What evidence is worth under the trusted root.
    pub fn standing(&self, evidence: &Evidence) -> Standing {
        let root = self.set.root();
        let Some(role) = root.role(Role::Targets.name()) else { return Standing::Replaced };
        if key_digests(&root.keys, role).intersection(&evidence.keys).count() >= role.threshold {
            return Standing::Holds;
        }
        if self.was_compromised_after(evidence.root) { Standing::Compromised } else { Standing::Replaced }
    }

    /// Whether a root that was followed says that it replaces keys because they were compromised.
    pub fn has_replaced_compromised_keys(&self) -> bool {
        self.was_compromised_after(0)
    }

    /// Whether a root after that version says that it replaces keys because they were compromised.
    fn was_compromised_after(&self, version: u64) -> bool {
        let later = self.received().roots.range(version.saturating_add(1)..);
        later
            .map(|(_, root)| KeyReplacement::of_root(root))
            .any(|why| why == Some(KeyReplacement::Compromised))
    }
}
