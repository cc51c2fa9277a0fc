//! Making deltas (C1) at a server: which components are looked at, how often, and what is remembered of it.
//!
//! How deltas are decided on, made and joined is `headwater-publisher`'s. What was made is in the database at once, so that
//! a server that is stopped or killed continues where it was. Deltas that came to nothing are noted too, and not tried
//! again. What no manifest names any more is collected as garbage.

mod delta_worker;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use headwater_policy::Class;
use headwater_publisher::deltas::{ReleaseChain, make, retain_stored};
use headwater_publisher::{Destination, Error as PublishError};
use headwater_repo::{ComponentName, Delta, Inventory, InventoryItem, error_chain};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::failures::of_publisher;
use super::service::PublishingService;
use crate::audit::Audit;
use crate::caller::Caller;
use crate::db::{Connection, deltas as rows};
use crate::error::{Error, Result, summary};
pub use delta_worker::{DeltaInProgress, DeltaWorker};
use delta_worker::{Observer, in_background};

impl PublishingService {
    /// Makes every missing delta, as far as nobody stops it, and reports in a sentence. A failure for one component or program
    /// stops no other.
    ///
    /// # Errors
    /// The first failure, after all were looked at: of the database, the disk or signing.
    pub async fn make_deltas(self: &Arc<Self>, now: Timestamp) -> Result<String> {
        if let Some(setting) = self.deltas_off() {
            return Ok(format!("switched off ({setting} = 0)"));
        }
        let _only = self.delta_worker.only_one().await;
        let clock = Instant::now();
        let (mut made, mut components, mut failed) = (0, 0, None);
        for class in [Class::Components, Class::Programs] {
            for row in self.db.components(class).await? {
                if self.delta_worker.is_stopped() {
                    return Ok(format!("stopped after {made} deltas"));
                }
                let name = ComponentName::new(row.name)
                    .map_err(|error| Error::Corrupt { what: "component name", reason: error.to_string() })?;
                components += 1;
                let elapsed = SignedDuration::try_from(clock.elapsed()).unwrap_or(SignedDuration::ZERO);
                let looked = self.deltas_of(class, &name, now + elapsed).await;
                self.delta_worker.note_look(class, &name, looked.as_ref().err().map(summary));
                match looked {
                    Ok(count) => made += count,
                    Err(error) => {
                        tracing::warn!(%class, %name, error = error_chain(&error), "no deltas could be made");
                        failed.get_or_insert(error);
                    }
                }
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(format!("{made} deltas made; {components} components and programs looked at"))
    }

    /// The setting that switches them off. `None` if they are made here.
    pub(crate) fn deltas_off(&self) -> Option<&'static str> {
        let deltas = &self.settings.deltas;
        let releases = (deltas.releases == 0).then_some("deltas_releases");
        releases.or_else(|| (deltas.storage_percent == 0).then_some("deltas_storage_percent"))
    }

    /// Makes the missing deltas; `None` while that is paused or waits after a failure.
    pub(crate) async fn make_due_deltas(self: &Arc<Self>, now: Timestamp) -> Option<Result<String>> {
        if self.delta_worker.is_stopped() || self.delta_worker.rests(now) {
            return None;
        }
        let made = self.make_deltas(now).await;
        self.delta_worker.note_try(made.is_err(), now);
        Some(made)
    }

    /// Waits until somebody asks for missing deltas to be made.
    pub(crate) async fn deltas_requested(&self) {
        self.delta_worker.woken().await;
    }

    /// Asks for missing deltas to be made.
    pub(crate) fn request_deltas(&self) {
        self.delta_worker.wake();
    }

    /// Stops making deltas, until [`Self::resume_deltas`] or the next start.
    pub fn pause_deltas(&self) {
        self.delta_worker.pause();
    }

    /// The deltas that are being made, whenever one begins, gets further or ends.
    pub fn deltas_in_progress(&self) -> watch::Receiver<Vec<DeltaInProgress>> {
        self.delta_worker.in_progress.subscribe()
    }

    /// Continues to make deltas.
    pub fn resume_deltas(&self) {
        self.delta_worker.resume();
    }

    /// Makes the deltas of one component in threads of low priority, for a release may have many files. Gives how many.
    async fn deltas_of(self: &Arc<Self>, class: Class, name: &ComponentName, now: Timestamp) -> Result<u64> {
        let destination = self.destination(class, &Caller::server(now));
        let (this, name, settings) = (Arc::clone(self), name.clone(), self.settings.deltas);
        let made = in_background(self.settings.deltas_niceness, move || {
            let destination: &dyn Destination = &destination;
            let (objects, store) = (destination.objects(), destination.store());
            let chain =
                ReleaseChain::read(objects, store, &destination.published()?, &name, settings.releases)?;
            let Some(chain) = chain else { return Ok(None) };
            if this.done(class, &name, &chain).is_some() {
                return Ok(None);
            }
            let observer = Observer { worker: &this.delta_worker, class };
            match make(destination, &name, &settings, &observer, now) {
                Ok(report) => Ok(Some((name, report))),
                // It was removed meanwhile.
                Err(PublishError::UnknownComponent(_)) => Ok(None),
                Err(error) => Err(error),
            }
        })?;
        let Some((name, report)) = made.await.map_err(|error| of_publisher(class, error))? else {
            return Ok(0);
        };
        if !report.damaged.is_empty() {
            let reason = report.damaged.into_iter().collect::<Vec<_>>().join("; ");
            return Err(Error::Corrupt { what: "content", reason });
        }
        if let (0, Some(state)) = (report.missing, report.state) {
            for path in &report.too_large {
                tracing::warn!(%class, %name, path, "no delta: making it takes more memory than deltas_memory_mib; raise it");
            }
            self.delta_worker.note_done(class, &name, state, report.too_large);
        }
        Ok(report.made)
    }

    /// Where nothing is to be made, and all that is signed is there: the files that are too large for deltas.
    fn done(&self, class: Class, name: &ComponentName, chain: &ReleaseChain) -> Option<Vec<String>> {
        let store = self.store(class);
        let there = |delta: &Delta| store.has_whole(&delta.sha256, delta.size);
        self.delta_worker.done(class, name, chain.state).filter(|_| chain.current.deltas().all(there))
    }

    /// What a component is now. `None` if it is not published.
    pub(super) fn release_chain(&self, class: Class, name: &ComponentName) -> Result<Option<ReleaseChain>> {
        let (objects, store, published) = (self.objects(class), self.store(class), self.published(class));
        let chain = ReleaseChain::read(objects, store, &published, name, self.settings.deltas.releases);
        chain.map_err(|error| of_publisher(class, error))
    }

    /// The inventory of a class, without what was lost from the disk.
    pub(super) async fn present_inventory(&self, db: &mut Connection, class: Class) -> Result<Inventory> {
        let mut inventory = db.inventory(class).await?;
        retain_stored(&mut inventory, self.store(class));
        Ok(inventory)
    }

    /// Notes which deltas are named by what is signed, so that the others go a while later.
    pub(crate) async fn mark_deltas(&self, class: Class, now: Timestamp) -> Result<()> {
        if class == Class::Settings {
            return Ok(());
        }
        let mut named = BTreeSet::new();
        let mut tx = self.db.begin().await?;
        for row in tx.components(class).await? {
            let Ok(name) = ComponentName::new(row.name) else { continue };
            let Some(chain) = self.release_chain(class, &name)? else { continue };
            for manifest in chain.manifests() {
                named.extend(manifest.deltas().map(|delta| delta.sha256));
            }
        }
        let inventory = tx.inventory(class).await?;
        for (pair, item) in &inventory {
            let is_named = match item {
                InventoryItem::Made(delta) | InventoryItem::Taken(delta) => named.contains(&delta.sha256),
                InventoryItem::Useless => false,
            };
            rows::mark(&mut tx, class, *pair, is_named, now).await?;
        }
        Ok(tx.commit(Audit::Exempt("what is signed decides it")).await?)
    }
}
