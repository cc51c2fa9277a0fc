//! Whether a draft is saved (S7).

use crate::diff::{PolicyDiff, diff_policies};
use crate::policy::Policy;

/// What becomes of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaveDecision {
    /// It becomes this version.
    Publish {
        /// The new version.
        version: u64,
        /// What it changes.
        changes: PolicyDiff,
    },
    /// It says what the current version says: nothing to do.
    Unchanged,
    /// Somebody else saved since the draft was begun. Nobody is overwritten silently.
    Outdated {
        /// The version that the draft was begun from.
        base: u64,
        /// The version that is current.
        current: u64,
        /// What changed in between; none: the base is not known any more.
        changes: Option<PolicyDiff>,
    },
}

/// Decides whether `draft`, begun from version `base` (0: none yet), is saved over `current`. `base_policy` is the
/// policy at `base`, for telling what changed since.
pub fn decide_save(
    draft: &Policy,
    base: u64,
    base_policy: Option<&Policy>,
    current: Option<(u64, &Policy)>,
) -> SaveDecision {
    let Some((version, policy)) = current else {
        return SaveDecision::Publish { version: 1, changes: PolicyDiff::default() };
    };
    if base != version {
        let changes = base_policy.map(|before| diff_policies(before, policy));
        return SaveDecision::Outdated { base, current: version, changes };
    }
    let changes = diff_policies(policy, draft);
    if changes.is_empty() {
        SaveDecision::Unchanged
    } else {
        SaveDecision::Publish { version: version + 1, changes }
    }
}
