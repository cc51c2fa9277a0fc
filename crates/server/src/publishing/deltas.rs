//! Making deltas (C1): a release is published with its full bodies at once; deltas join its manifest as they are
//! made.
//!
//! For one component after the other: load what there is → decide (`repo`'s [`DeltaPlan`]) → make what lacks, one after the
//! other ([`delta_worker`]), and note it. When nothing lacks, or after a while, the manifest is signed anew, and it begins again.
//! When something else is published, what is being made is stopped, unless it lacks still. What was made is in the
//! database at once, so that a server that is stopped or killed goes on where it was. Deltas that came to nothing are
//! noted too, and not tried again. What no manifest names any more is collected as garbage.

mod delta_worker;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use headwater_delta::limits::DELTA_FILE_MAX;
use headwater_policy::Class;
use headwater_repo::{
    ComponentName, Delta, DeltaPlan, Digest, Earlier, FileEntry, Inventory, InventoryItem, Manifest,
    MissingDelta, ReleaseList, Sequence, expected_ages, layout, needed_deltas,
};
use jiff::{SignedDuration, Timestamp};

use super::Publishing;
use crate::audit::Audit;
use crate::caller::Caller;
use crate::db::deltas as rows;
use crate::error::{Error, Result, summary};
use crate::limits::{DELTA_ENCODER_MEMORY_FACTOR, DELTA_ENCODER_MEMORY_FIXED, DELTAS_JOIN_INTERVAL};
pub use delta_worker::DeltaWorker;
use delta_worker::{Job, Outcome};

/// A component as it is signed now, with the releases that clients may come from.
pub(crate) struct ReleaseChain {
    list: ReleaseList,
    /// The current release's manifest.
    pub current: Manifest,
    /// The others', the nearest to the current one first.
    pub others: Vec<Manifest>,
    /// Files whose bodies are here, by digest.
    pub files: HashMap<Digest, FileEntry>,
    /// What was looked at: as long as it stays, nothing is to be done anew.
    pub state: (Digest, Digest),
}

impl Publishing {
    /// Makes every delta that lacks, as far as nobody stops it. Says in a sentence what was done. Where that fails for
    /// one component or program, the others are looked at all the same.
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
                let looked = self.deltas_of(class, &name, now, clock).await;
                self.delta_worker.note_look(class, &name, looked.as_ref().err().map(summary));
                match looked {
                    Ok(count) => made += count,
                    Err(error) => {
                        tracing::warn!(%class, %name, %error, "no deltas could be made");
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

    /// The setting that says that none are made here.
    pub(crate) fn deltas_off(&self) -> Option<&'static str> {
        let config = &self.config;
        let releases = (config.deltas_releases == 0).then_some("deltas_releases");
        releases.or_else(|| (config.deltas_storage_percent == 0).then_some("deltas_storage_percent"))
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

    /// Breaks off making deltas, until [`Self::resume_deltas`] or the next start.
    pub fn pause_deltas(&self) {
        self.delta_worker.pause();
    }

    /// Goes on making deltas.
    pub fn resume_deltas(&self) {
        self.delta_worker.resume();
    }

    async fn deltas_of(
        self: &Arc<Self>,
        class: Class,
        name: &ComponentName,
        began: Timestamp,
        clock: Instant,
    ) -> Result<u64> {
        let mut made = 0;
        loop {
            // Load and decide.
            let Some((release_chain, mut delta_plan)) = self.current_delta_plan(class, name).await? else {
                return Ok(made);
            };
            // Make.
            let since = Instant::now();
            while since.elapsed() < DELTAS_JOIN_INTERVAL && self.is_signed(class, &release_chain) {
                let missing: Vec<MissingDelta> =
                    delta_plan.missing().take(self.config.deltas_threads).collect();
                if missing.is_empty() {
                    break;
                }
                let outcomes = self.make_wanted(class, &release_chain, missing).await?;
                made += self.note_outcomes(class, outcomes, &mut delta_plan).await?;
                if self.delta_worker.is_stopped() {
                    return Ok(made);
                }
            }
            // Save, unless somebody published meanwhile.
            let now = began + SignedDuration::try_from(clock.elapsed()).unwrap_or(SignedDuration::ZERO);
            let joined = self.join(class, name, &release_chain, delta_plan.manifest(), now).await?;
            if joined && delta_plan.missing().next().is_none() {
                if let Some(signed) = self.signed(class, &release_chain.list) {
                    let too_large = too_large(&release_chain, &delta_plan);
                    for path in &too_large {
                        tracing::warn!(%class, %name, path, "no delta: making it takes more memory than deltas_memory_mib; raise it");
                    }
                    self.delta_worker.note_done(class, name, signed, too_large);
                }
                return Ok(made);
            }
        }
    }

    /// What a component is now, and what is decided for it; none where nothing is to be made. In threads of low priority,
    /// for a release may have many files.
    async fn current_delta_plan(
        self: &Arc<Self>,
        class: Class,
        name: &ComponentName,
    ) -> Result<Option<(ReleaseChain, DeltaPlan)>> {
        let (this, of) = (Arc::clone(self), name.clone());
        let release_chain = delta_worker::politely(move || {
            let release_chain = this.release_chain(class, &of)?;
            Ok::<_, Error>(
                release_chain.filter(|release_chain| this.done(class, &of, release_chain).is_none()),
            )
        })?;
        let Some(release_chain) = release_chain.await? else { return Ok(None) };
        let known = self.db.clients_at(class, name).await?;
        let inventory = self.db.inventory(class).await?;
        let this = Arc::clone(self);
        let decided = delta_worker::politely(move || {
            let delta_plan = this.delta_plan(&release_chain, &known, this.there(class, inventory));
            (release_chain, delta_plan)
        })?;
        Ok(Some(decided.await))
    }

    /// Where nothing is to be made, and all that is signed is there: the files that are too large for deltas.
    fn done(&self, class: Class, name: &ComponentName, release_chain: &ReleaseChain) -> Option<Vec<String>> {
        let store = self.store(class);
        let there = |delta: &Delta| store.has_whole(&delta.sha256, delta.size);
        self.delta_worker
            .done(class, name, release_chain.state)
            .filter(|_| release_chain.current.deltas().all(there))
    }

    /// Makes deltas side by side. When something else is published, those that lack no more are stopped.
    async fn make_wanted(
        self: &Arc<Self>,
        class: Class,
        release_chain: &ReleaseChain,
        missing: Vec<MissingDelta>,
    ) -> Result<Vec<(Job, Result<Outcome>)>> {
        let name = release_chain.list.component();
        let mut making =
            pin!(self.delta_worker.make((class, name), self.store(class), &release_chain.files, missing));
        loop {
            tokio::select! {
                outcomes = &mut making => return outcomes,
                () = self.delta_worker.told() => {}
            }
            if self.is_signed(class, release_chain) {
                continue;
            }
            match self.current_delta_plan(class, name).await {
                Ok(now) => self.delta_worker.stop_but(|job| {
                    let mut missing = now.iter().flat_map(|(_, delta_plan)| delta_plan.missing());
                    missing.any(|missing| (missing.base, missing.result) == (job.base, job.result))
                }),
                Err(error) => tracing::warn!(%class, %name, %error, "what is being made is made to its end"),
            }
        }
    }

    /// Notes what came of jobs. Says how many deltas were made.
    async fn note_outcomes(
        &self,
        class: Class,
        outcomes: Vec<(Job, Result<Outcome>)>,
        delta_plan: &mut DeltaPlan,
    ) -> Result<u64> {
        let (mut made, mut failed) = (0, None);
        for (Job { base, result, .. }, outcome) in outcomes {
            let delta = match outcome {
                Ok(Outcome::Made(delta, held)) => Some((delta, held)),
                Ok(Outcome::Useless) => None,
                Ok(Outcome::Stopped) => continue,
                Err(error) => {
                    failed.get_or_insert(error);
                    continue;
                }
            };
            let mut tx = self.db.begin().await?;
            let put = delta.as_ref().map(|(delta, _)| delta);
            rows::put(&mut tx, class, (base, result), false, put).await?;
            tx.commit(Audit::Exempt("made from what was published; what is signed of it is recorded"))
                .await?;
            made += u64::from(delta.is_some());
            let item = delta.map_or(InventoryItem::Useless, |(delta, _)| InventoryItem::Made(delta));
            delta_plan.put((base, result), item);
        }
        failed.map_or(Ok(made), Err)
    }

    /// What is signed of a component: its release list and its current release, by their digests. None: it is no more.
    fn signed(&self, class: Class, list: &ReleaseList) -> Option<(Digest, Digest)> {
        let published = self.published.read().expect("nobody panics while holding this lock");
        let digest = |name| published.get(&class)?.target(&name).map(|(_, digest)| digest);
        Some((
            digest(layout::release_list(list.component()))?,
            digest(list.manifest(list.current().sequence))?,
        ))
    }

    /// Whether a component is still what it was.
    fn is_signed(&self, class: Class, release_chain: &ReleaseChain) -> bool {
        self.signed(class, &release_chain.list) == Some(release_chain.state)
    }

    /// What a component is now; none where it has no release, or one release only.
    pub(crate) fn release_chain(&self, class: Class, name: &ComponentName) -> Result<Option<ReleaseChain>> {
        let Some(list) = self.release_list(class, name)? else { return Ok(None) };
        let read = |sequence: Sequence| -> Result<Option<Manifest>> {
            let Some(bytes) = self.target(class, &list.manifest(sequence))? else { return Ok(None) };
            let corrupt = |error: headwater_repo::ContentError| Error::Corrupt {
                what: "release manifest",
                reason: error.to_string(),
            };
            Manifest::parse(&bytes).map(Some).map_err(corrupt)
        };
        let Some(state) = self.signed(class, &list) else { return Ok(None) };
        let Some(current) = read(list.current().sequence)? else { return Ok(None) };
        let mut others = Vec::new();
        for release in list.nearest_first().into_iter().take(self.config.deltas_releases) {
            others.extend(read(release.sequence)?);
        }
        let store = self.store(class);
        let mut files = HashMap::new();
        for file in others.iter().chain([&current]).flat_map(|manifest| &manifest.files) {
            if store.has_whole(&file.body.sha256, file.body.size) {
                files.insert(file.sha256, file.clone());
            }
        }
        Ok(Some(ReleaseChain { list, current, others, files, state }))
    }

    /// The inventory of a class, less what was lost from the disk.
    pub(crate) async fn present_inventory(&self, class: Class) -> Result<Inventory> {
        Ok(self.there(class, self.db.inventory(class).await?))
    }

    fn there(&self, class: Class, mut inventory: Inventory) -> Inventory {
        let store = self.store(class);
        inventory.retain(|_, item| match item {
            InventoryItem::Made(delta) | InventoryItem::Taken(delta) => {
                store.has_whole(&delta.sha256, delta.size)
            }
            InventoryItem::Useless => true,
        });
        inventory
    }

    /// What is decided for a component. `known`: how many clients have each release.
    fn delta_plan(
        &self,
        release_chain: &ReleaseChain,
        known: &BTreeMap<u64, u64>,
        inventory: Inventory,
    ) -> DeltaPlan {
        let at = |manifest: &Manifest| known.get(&manifest.sequence.get()).copied().unwrap_or(0);
        let weights = expected_ages(&release_chain.others.iter().map(at).collect::<Vec<_>>());
        let earlier = release_chain.others.iter().zip(weights);
        let earlier: Vec<Earlier<'_>> =
            earlier.map(|(manifest, weight)| Earlier { manifest, weight }).collect();
        let memory_max = self.config.deltas_memory_bytes;
        let makeable = |base: &Digest, result: &Digest| {
            let size = |file: &Digest| release_chain.files.get(file).map(|file| file.size);
            let (Some(base), Some(result)) = (size(base), size(result)) else { return false };
            let memory = base.saturating_add(result).saturating_mul(DELTA_ENCODER_MEMORY_FACTOR);
            let memory = memory.saturating_add(DELTA_ENCODER_MEMORY_FIXED);
            base.max(result) <= DELTA_FILE_MAX && memory <= memory_max
        };
        let percent = self.config.deltas_storage_percent;
        DeltaPlan::of(&release_chain.current, &earlier, inventory, &makeable, percent)
    }

    /// A release that is about to be signed, naming what is in inventory for it.
    pub(crate) fn named_from_stock(
        &self,
        release_chain: Option<&ReleaseChain>,
        new: &[&Manifest],
        current: &Manifest,
        inventory: &Inventory,
    ) -> Manifest {
        let known = release_chain
            .into_iter()
            .flat_map(|release_chain| release_chain.others.iter().chain([&release_chain.current]));
        let mut others: Vec<&Manifest> =
            known.chain(new.iter().copied()).filter(|other| other.sequence != current.sequence).collect();
        others.sort_by_key(|other| (other.sequence.get().abs_diff(current.sequence.get()), other.sequence));
        others.truncate(self.config.deltas_releases);
        let weights = expected_ages(&vec![0; others.len()]);
        let earlier: Vec<Earlier<'_>> =
            others.into_iter().zip(weights).map(|(manifest, weight)| Earlier { manifest, weight }).collect();
        let percent = self.config.deltas_storage_percent;
        needed_deltas(current, &earlier, inventory, &|_, _| false, percent).manifest
    }

    /// Signs the manifest with its deltas, if that is anything new; and takes them out of the other releases', whose
    /// deltas nobody needs once the current one has its own. False: the release is not the current one any more.
    async fn join(
        &self,
        class: Class,
        name: &ComponentName,
        release_chain: &ReleaseChain,
        manifest: Manifest,
        now: Timestamp,
    ) -> Result<bool> {
        let stale: Vec<&Manifest> = release_chain.others.iter().filter(|other| other.has_deltas()).collect();
        if manifest == release_chain.current && stale.is_empty() {
            return Ok(self.is_signed(class, release_chain));
        }
        let _change = self.change().await;
        if !self.is_signed(class, release_chain) {
            return Ok(false);
        }
        let mut draft = self.draft(class);
        let failed = super::signing::failed;
        for manifest in stale.into_iter().map(Manifest::without_deltas).chain([manifest]) {
            let bytes = manifest.to_bytes().map_err(|error| failed(class, "deltas")(error.into()))?;
            let target = layout::manifest(name, manifest.sequence);
            draft.add(target, bytes).map_err(failed(class, "deltas"))?;
        }
        let staged = self.stage(class, draft, now)?.without_news();
        let tx = self.db.begin().await?;
        let audit_entry = Caller::server(now).audit_entry("deltas.join", format!("{class}/{name}"));
        self.commit(tx, vec![staged], audit_entry).await?;
        tracing::info!(%class, %name, release = release_chain.list.current().sequence.get(), "deltas joined");
        Ok(true)
    }

    /// Notes which deltas are named by what is signed, so that the others go a while later.
    pub(crate) async fn mark_deltas(&self, class: Class, now: Timestamp) -> Result<()> {
        if class == Class::Settings {
            return Ok(());
        }
        let mut named = BTreeSet::new();
        for row in self.db.components(class).await? {
            let Ok(name) = ComponentName::new(row.name) else { continue };
            let Some(release_chain) = self.release_chain(class, &name)? else { continue };
            for manifest in release_chain.others.iter().chain([&release_chain.current]) {
                named.extend(manifest.deltas().map(|delta| delta.sha256));
            }
        }
        let inventory = self.db.inventory(class).await?;
        let mut tx = self.db.begin().await?;
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

/// Files to which there are no deltas from what is here, for lack of memory, by path.
fn too_large(release_chain: &ReleaseChain, delta_plan: &DeltaPlan) -> Vec<String> {
    let here = |(base, result): (Digest, Digest)| {
        release_chain.files.get(&base).and(release_chain.files.get(&result)).map(|file| file.path.to_string())
    };
    delta_plan.not_makeable().filter_map(here).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What a job works on, as [`DeltaPlan`] asked for it.
impl From<MissingDelta> for Job {
    fn from(missing: MissingDelta) -> Self {
        let MissingDelta { base, result, body, weight: _ } = missing;
        Self { base, result, body }
    }
}
