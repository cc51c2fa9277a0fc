//! Whether a draft is saved (S7).

use crate::diff::{PolicyDiff, diff_policies};
use crate::policy::Policy;

/// What becomes of a draft; `C` is a difference of what it is a draft of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaveDecision<C = PolicyDiff> {
    /// It becomes this version.
    Publish {
        /// The new version.
        version: u64,
        /// What it changes.
        changes: C,
    },
    /// It equals the current version: nothing to do.
    Unchanged,
    /// Somebody else saved since the draft was begun. Nobody is overwritten silently.
    Outdated {
        /// The version that the draft was begun from.
        base: u64,
        /// The version that is current.
        current: u64,
        /// What changed in between; `None` if the base is not known any more.
        changes: Option<C>,
    },
}

/// Decides whether `draft`, begun from version `base` (0: none yet), is saved over `current`. `base_policy` is the
/// policy at `base`, to show what changed since.
pub fn decide_save(
    draft: &Policy,
    base: u64,
    base_policy: Option<&Policy>,
    current: Option<(u64, &Policy)>,
) -> SaveDecision {
    let Some((version, policy)) = current else {
        return SaveDecision::Publish { version: 1, changes: PolicyDiff::default() };
    };
    let since = || base_policy.map(|before| diff_policies(before, policy));
    decide(base, version, since, || diff_policies(policy, draft), PolicyDiff::is_empty)
}

/// What is the same for all drafts: `since` is what changed from version `base` to `version`, `mine` what the draft changes.
pub(crate) fn decide<C>(
    base: u64,
    version: u64,
    since: impl FnOnce() -> Option<C>,
    mine: impl FnOnce() -> C,
    is_empty: impl FnOnce(&C) -> bool,
) -> SaveDecision<C> {
    if base != version {
        return SaveDecision::Outdated { base, current: version, changes: since() };
    }
    let changes = mine();
    if is_empty(&changes) {
        SaveDecision::Unchanged
    } else {
        SaveDecision::Publish { version: version + 1, changes }
    }
}
