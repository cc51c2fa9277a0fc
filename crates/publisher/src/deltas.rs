//! Making deltas (C1): a release is published with its full bodies at once; deltas join its manifest as they are made.
//!
//! In rounds: look at what is published ([`ReleaseChain`]) → decide ([`DeltaPlan`]) → make what is missing, the most wanted
//! first, each proven by decoding it ([`encode`]) → join ([`join`]), and again until nothing is missing. When something else is
//! published meanwhile, what is being made is stopped unless it is missing still. A delta that came to nothing is noted,
//! and not tried again. One failure stops no other: what was made has joined before it is reported.

pub(crate) mod chain;
pub(crate) mod current;
mod encode;
mod join;
mod observer;
pub(crate) mod settings;

use std::collections::BTreeSet;
use std::time::Instant;

use headwater_repo::{ComponentName, Digest, Inventory, InventoryItem};
use jiff::{SignedDuration, Timestamp};

pub use self::chain::{ChainState, Planned, ReleaseChain, name_present_deltas, retain_stored};
use self::current::{is_current, load, plan_for, state_now};
use self::encode::{Made, make_side_by_side};
pub use self::observer::{DeltaJob, DeltaObserver, Unobserved};
pub use self::settings::DeltaSettings;
use crate::destination::Destination;
use crate::{Error, Result};

/// How far the deltas of a component's current release are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeltaReport {
    /// What is signed of the component now. `None` if it is not published.
    pub state: Option<ChainState>,
    /// Deltas that were made.
    pub made: u64,
    /// Deltas that the current release names.
    pub deltas: usize,
    /// Bytes that they take.
    pub delta_bytes: u64,
    /// Deltas that are still to be made, because making them was stopped.
    pub missing: usize,
    /// Bodies that are missing or have another size, so that no delta can be made from or to their files: a sentence each.
    pub left_out: BTreeSet<String>,
    /// Bodies that were found damaged while deltas were made of them: a sentence each.
    pub damaged: BTreeSet<String>,
    /// Files that are too large for the memory allowed, by path.
    pub too_large: Vec<String>,
}

/// Makes the deltas that are missing from the current release of a component, as far as nobody stops it. `began` is the
/// moment of the call.
///
/// # Errors
/// No such component; the first failure of the disk, the encoder or signing, after what was made has joined.
pub fn make(
    destination: &dyn Destination,
    component: &ComponentName,
    settings: &DeltaSettings,
    observer: &dyn DeltaObserver,
    began: Timestamp,
) -> Result<DeltaReport> {
    destination.keys()?.check(&destination.published()?)?;
    let clock = Instant::now();
    let report = DeltaReport::default();
    let mut making = Making { destination, settings, observer, tried: Inventory::new(), report };
    loop {
        // Load and decide.
        let chain = load(destination, component, settings.releases)?
            .ok_or_else(|| Error::UnknownComponent(component.clone()))?;
        let mut planned = plan_for(destination, &chain, &making.tried, settings)?;
        // Make.
        let failed = making.round(&chain, &mut planned)?;
        // Save.
        let missing = planned.plan.missing().count();
        let manifest = planned.plan.manifest();
        let elapsed = SignedDuration::try_from(clock.elapsed()).unwrap_or(SignedDuration::ZERO);
        let (stopped, done) = (observer.is_stopped(), missing == 0);
        // What a database keeps needs no signature before it is whole.
        let joined = if stopped && !done && destination.keeps_inventory() {
            true
        } else {
            join::join(destination, &chain, &manifest, done, began + elapsed)?
        };
        if let Some(error) = failed {
            return Err(error);
        }
        // Otherwise something else was published meanwhile: look again.
        if joined && (done || stopped) {
            let mut report = making.report;
            report.too_large = planned.too_large(&chain);
            report.left_out.extend(planned.no_body);
            report.state = state_now(destination, &chain)?;
            report.deltas = manifest.deltas().count();
            report.delta_bytes = manifest.deltas().map(|delta| delta.size).sum();
            report.missing = missing;
            return Ok(report);
        }
    }
}

/// One call of [`make`].
struct Making<'a> {
    destination: &'a dyn Destination,
    settings: &'a DeltaSettings,
    observer: &'a dyn DeltaObserver,
    /// What was made or tried, for a destination that keeps nothing but manifests.
    tried: Inventory,
    report: DeltaReport,
}

impl Making<'_> {
    /// Makes what is missing until it is time to join. Gives the first failure of an encoder, after which it ends.
    fn round(&mut self, chain: &ReleaseChain, planned: &mut Planned) -> Result<Option<Error>> {
        let round = Instant::now();
        let mut failed = None;
        while failed.is_none()
            && !self.observer.is_stopped()
            && round.elapsed() < self.settings.join_interval
            && is_current(self.destination, chain)?
        {
            let missing: Vec<_> = planned.plan.missing().take(self.settings.threads.max(1)).collect();
            if missing.is_empty() {
                break;
            }
            let made = make_side_by_side(self.destination, chain, missing, self.settings, self.observer)?;
            for (pair, made) in made {
                match made {
                    Ok(made) => self.note(pair, made, planned)?,
                    Err(error) => {
                        failed.get_or_insert(error);
                    }
                }
            }
        }
        Ok(failed)
    }

    fn note(&mut self, pair: (Digest, Digest), made: Made, planned: &mut Planned) -> Result<()> {
        let item = match made {
            Made::Delta(delta, held) => {
                let item = InventoryItem::Made(delta);
                self.destination.note_delta(pair, &item)?;
                self.report.made += 1;
                drop(held);
                item
            }
            Made::Useless => {
                self.destination.note_delta(pair, &InventoryItem::Useless)?;
                InventoryItem::Useless
            }
            // For this call alone: with the body it can be made.
            Made::NoBody(reason) => {
                self.report.damaged.insert(reason);
                InventoryItem::Useless
            }
            Made::Stopped => return Ok(()),
        };
        self.tried.insert(pair, item.clone());
        planned.plan.put(pair, item);
        Ok(())
    }
}
