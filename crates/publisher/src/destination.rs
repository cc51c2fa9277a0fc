//! Where releases are published: what the operations of this crate need of it.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use headwater_depot::Store;
use headwater_depot::objects::ObjectStore;
use headwater_repo::{
    ComponentName, Digest, Expiry, Inventory, InventoryItem, Published, ReleaseList, Role, Sequence,
    VersionText,
};
use jiff::Timestamp;

use crate::Result;
use crate::deltas::chain::ReleaseChain;
use crate::signing_keys::SigningKeys;
use crate::stage::StagedMetadata;

/// A class repository and what keeps it. Calls block.
pub trait Destination: Sync {
    /// Waits for its turn to change what is published.
    ///
    /// # Errors
    /// The destination's own.
    fn lock(&self) -> Result<ChangeLock>;

    /// What is signed now.
    ///
    /// # Errors
    /// The destination's own; a repository that nothing can be built upon.
    fn published(&self) -> Result<Published>;

    /// The version of the present timestamp: as long as it stays, nothing else was published.
    ///
    /// # Errors
    /// The destination's own.
    fn timestamp_version(&self) -> Result<u64>;

    /// Metadata and targets.
    fn objects(&self) -> &dyn ObjectStore;

    /// Bodies and deltas.
    fn store(&self) -> &Store;

    /// What signs.
    ///
    /// # Errors
    /// The destination's own.
    fn keys(&self) -> Result<Arc<SigningKeys>>;

    /// How long what is signed now is good.
    fn expiry(&self) -> &Expiry;

    /// Whether an operation on a component is admitted at all. Asked before the work and again under the lock.
    ///
    /// # Errors
    /// The destination's own refusal.
    fn admit(&self, component: &ComponentName, operation: Operation) -> Result<()> {
        let _ = (component, operation);
        Ok(())
    }

    /// What is known of a component beside its release list.
    ///
    /// # Errors
    /// The destination's own.
    fn history(&self, component: &ComponentName) -> Result<History>;

    /// The deltas that there are for a component. What the disk lost of them is left out by the caller.
    ///
    /// # Errors
    /// The destination's own.
    fn inventory(&self, chain: &ReleaseChain) -> Result<Inventory>;

    /// Notes a delta that was made, or that it came to nothing.
    ///
    /// # Errors
    /// The destination's own.
    fn note_delta(&self, pair: (Digest, Digest), item: &InventoryItem) -> Result<()>;

    /// Whether what is noted outlasts this process. If not, only what a manifest names does.
    fn keeps_inventory(&self) -> bool;

    /// How many clients have each release of a component, by sequence, as far as that is known.
    ///
    /// # Errors
    /// The destination's own.
    fn clients_by_release(&self, component: &ComponentName) -> Result<BTreeMap<u64, u64>> {
        let _ = component;
        Ok(BTreeMap::new())
    }

    /// Publishes what was staged, in one step: readers see the old state or the new one.
    ///
    /// # Errors
    /// The destination's own; nothing is published then.
    fn commit(&self, lock: &ChangeLock, change: StagedChange<'_>) -> Result<()>;
}

/// Held from loading to commit; one at a time. It ends with its last clone.
#[derive(Clone)]
pub struct ChangeLock {
    _held: Arc<dyn Any + Send + Sync>,
}

impl ChangeLock {
    /// What is held, which ends with this.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self { _held: Arc::new(held) }
    }
}

impl fmt::Debug for ChangeLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangeLock")
    }
}

/// An operation that a destination may have rules for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A new release.
    Publish,
    /// Taking a component out.
    Remove,
}

/// What there was of a component.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Releases that there ever were, as far as that is known.
    pub releases: Vec<(Sequence, VersionText)>,
    /// The sequence up to which none is given any more; 0 if there is no such.
    pub sequence_floor: u64,
}

/// Staged metadata with what it is for.
#[derive(Debug)]
pub struct StagedChange<'a> {
    /// What is signed and written.
    pub staged: StagedMetadata,
    /// The moment of the change.
    pub now: Timestamp,
    /// What it is for.
    pub purpose: Purpose<'a>,
}

/// What a publication is for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// A release is the current one now.
    Publish {
        /// The list before, unless it is the first release.
        before: Option<&'a ReleaseList>,
        /// The list with it.
        list: &'a ReleaseList,
        /// The bodies that it needs.
        bodies: &'a [Digest],
    },
    /// An earlier release is the current one again.
    RollBack {
        /// The list before.
        before: &'a ReleaseList,
        /// The list now.
        list: &'a ReleaseList,
    },
    /// A component is taken out.
    Remove {
        /// Its list before.
        before: &'a ReleaseList,
    },
    /// Deltas join the current release.
    JoinDeltas {
        /// The list, which stays.
        list: &'a ReleaseList,
    },
    /// The same content is signed again, from this role on.
    SignAgain(Role),
    /// A root replaces keys.
    ReplaceRoot {
        /// Its version.
        version: u64,
    },
}

impl Purpose<'_> {
    /// Whether there is anything in it for clients to fetch.
    #[must_use]
    pub fn is_news(&self) -> bool {
        match self {
            Self::Publish { .. } | Self::RollBack { .. } | Self::Remove { .. } | Self::ReplaceRoot { .. } => {
                true
            }
            Self::JoinDeltas { .. } | Self::SignAgain(_) => false,
        }
    }
}
