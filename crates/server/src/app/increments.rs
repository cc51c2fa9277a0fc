//! Making increments (C1): a release is published with its full bodies at once; increments join its manifest as they are
//! made.
//!
//! For one component after the other: load what there is → decide (`repo`'s [`Assortment`]) → make what lacks, one after the
//! other ([`workshop`]), and note it. When nothing lacks, or after a while, the manifest is signed anew, and it begins again.
//! When something else is published, what is being made is stopped, unless it lacks still. What was made is in the
//! database at once, so that a server that is stopped or killed goes on where it was. Increments that came to nothing are
//! noted too, and not tried again. What no manifest names any more is collected as garbage.

mod view;
mod workshop;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use headwater_delta::limits::INCREMENT_FILE_MAX;
use headwater_policy::Class;
use headwater_repo::{
    Assortment, ComponentName, Digest, Earlier, FileEntry, Increment, Lacking, Manifest, ReleaseList,
    Sequence, Stock, Stocked, expected_ages, layout, supply,
};
use jiff::{SignedDuration, Timestamp};

use super::App;
use crate::access::By;
use crate::audit::Audit;
use crate::db::increments as rows;
use crate::error::{Error, Result, told};
use crate::limits::{
    INCREMENT_ENCODER_MEMORY_FACTOR, INCREMENT_ENCODER_MEMORY_FIXED, INCREMENTS_JOIN_INTERVAL,
};
pub use workshop::Workshop;
use workshop::{Job, Outcome};

/// A component as it is signed now, with the releases that clients may come from.
pub(crate) struct Lineup {
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

impl App {
    /// Makes every increment that lacks, as far as nobody stops it. Says in a sentence what was done. Where that fails for
    /// one component or program, the others are looked at all the same.
    ///
    /// # Errors
    /// The first failure, after all were looked at: of the database, the disk or signing.
    pub async fn make_increments(self: &Arc<Self>, now: Timestamp) -> Result<String> {
        if let Some(setting) = self.increments_off() {
            return Ok(format!("switched off ({setting} = 0)"));
        }
        let _only = self.workshop.only_one().await;
        let clock = Instant::now();
        let (mut made, mut components, mut failed) = (0, 0, None);
        for class in [Class::Components, Class::Programs] {
            for row in self.db.components(class).await? {
                if self.workshop.is_stopped() {
                    return Ok(format!("stopped after {made} increments"));
                }
                let name = ComponentName::new(row.name)
                    .map_err(|error| Error::Corrupt { what: "component name", reason: error.to_string() })?;
                components += 1;
                let looked = self.increments_of(class, &name, now, clock).await;
                self.workshop.note_look(class, &name, looked.as_ref().err().map(told));
                match looked {
                    Ok(count) => made += count,
                    Err(error) => {
                        tracing::warn!(%class, %name, %error, "no increments could be made");
                        failed.get_or_insert(error);
                    }
                }
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(format!("{made} increments made; {components} components and programs looked at"))
    }

    /// The setting that says that none are made here.
    pub(crate) fn increments_off(&self) -> Option<&'static str> {
        let config = &self.config;
        let releases = (config.increments_releases == 0).then_some("increments_releases");
        releases.or_else(|| (config.increments_storage_percent == 0).then_some("increments_storage_percent"))
    }

    /// Breaks off making increments, until [`Self::resume_increments`] or the next start.
    pub fn pause_increments(&self) {
        self.workshop.pause();
    }

    /// Goes on making increments.
    pub fn resume_increments(&self) {
        self.workshop.resume();
    }

    async fn increments_of(
        self: &Arc<Self>,
        class: Class,
        name: &ComponentName,
        began: Timestamp,
        clock: Instant,
    ) -> Result<u64> {
        let mut made = 0;
        loop {
            // Load and decide.
            let Some((lineup, mut assortment)) = self.assortment_now(class, name).await? else {
                return Ok(made);
            };
            // Make.
            let since = Instant::now();
            while since.elapsed() < INCREMENTS_JOIN_INTERVAL && self.is_signed(class, &lineup) {
                let lacking: Vec<Lacking> =
                    assortment.lacking().take(self.config.increments_threads).collect();
                if lacking.is_empty() {
                    break;
                }
                let outcomes = self.make_wanted(class, &lineup, lacking).await?;
                made += self.note_outcomes(class, outcomes, &mut assortment).await?;
                if self.workshop.is_stopped() {
                    return Ok(made);
                }
            }
            // Save, unless somebody published meanwhile.
            let now = began + SignedDuration::try_from(clock.elapsed()).unwrap_or(SignedDuration::ZERO);
            let joined = self.join(class, name, &lineup, assortment.manifest(), now).await?;
            if joined && assortment.lacking().next().is_none() {
                if let Some(signed) = self.signed(class, &lineup.list) {
                    let too_large = too_large(&lineup, &assortment);
                    for path in &too_large {
                        tracing::warn!(%class, %name, path, "no increment: making it takes more memory than increments_memory_mib; raise it");
                    }
                    self.workshop.note_done(class, name, signed, too_large);
                }
                return Ok(made);
            }
        }
    }

    /// What a component is now, and what is decided for it; none where nothing is to be made. In threads of low priority,
    /// for a release may have many files.
    async fn assortment_now(
        self: &Arc<Self>,
        class: Class,
        name: &ComponentName,
    ) -> Result<Option<(Lineup, Assortment)>> {
        let (app, of) = (Arc::clone(self), name.clone());
        let lineup = workshop::politely(move || {
            let lineup = app.lineup(class, &of)?;
            Ok::<_, Error>(lineup.filter(|lineup| app.done(class, &of, lineup).is_none()))
        })?;
        let Some(lineup) = lineup.await? else { return Ok(None) };
        let known = self.db.clients_at(class, name).await?;
        let stock = self.db.stock(class).await?;
        let app = Arc::clone(self);
        let decided = workshop::politely(move || {
            let assortment = app.assortment(&lineup, &known, app.there(class, stock));
            (lineup, assortment)
        })?;
        Ok(Some(decided.await))
    }

    /// Where nothing is to be made, and all that is signed is there: the files that are too large for increments.
    fn done(&self, class: Class, name: &ComponentName, lineup: &Lineup) -> Option<Vec<String>> {
        let store = self.store(class);
        let there = |increment: &Increment| store.has_whole(&increment.sha256, increment.size);
        self.workshop.done(class, name, lineup.state).filter(|_| lineup.current.increments().all(there))
    }

    /// Makes increments side by side. When something else is published, those that lack no more are stopped.
    async fn make_wanted(
        self: &Arc<Self>,
        class: Class,
        lineup: &Lineup,
        lacking: Vec<Lacking>,
    ) -> Result<Vec<(Job, Result<Outcome>)>> {
        let name = lineup.list.component();
        let mut making = pin!(self.workshop.make((class, name), self.store(class), &lineup.files, lacking));
        loop {
            tokio::select! {
                outcomes = &mut making => return outcomes,
                () = self.workshop.told() => {}
            }
            if self.is_signed(class, lineup) {
                continue;
            }
            match self.assortment_now(class, name).await {
                Ok(now) => self.workshop.stop_but(|job| {
                    let mut lacking = now.iter().flat_map(|(_, assortment)| assortment.lacking());
                    lacking.any(|lacking| (lacking.base, lacking.result) == (job.base, job.result))
                }),
                Err(error) => tracing::warn!(%class, %name, %error, "what is being made is made to its end"),
            }
        }
    }

    /// Notes what came of jobs. Says how many increments were made.
    async fn note_outcomes(
        &self,
        class: Class,
        outcomes: Vec<(Job, Result<Outcome>)>,
        assortment: &mut Assortment,
    ) -> Result<u64> {
        let (mut made, mut failed) = (0, None);
        for (Job { base, result, .. }, outcome) in outcomes {
            let increment = match outcome {
                Ok(Outcome::Made(increment, held)) => Some((increment, held)),
                Ok(Outcome::Useless) => None,
                Ok(Outcome::Stopped) => continue,
                Err(error) => {
                    failed.get_or_insert(error);
                    continue;
                }
            };
            let mut tx = self.db.begin().await?;
            let put = increment.as_ref().map(|(increment, _)| increment);
            rows::put(&mut tx, class, (base, result), false, put).await?;
            tx.commit(Audit::Exempt("made from what was published; what is signed of it is recorded"))
                .await?;
            made += u64::from(increment.is_some());
            let stocked = increment.map_or(Stocked::Useless, |(increment, _)| Stocked::Made(increment));
            assortment.put((base, result), stocked);
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
    fn is_signed(&self, class: Class, lineup: &Lineup) -> bool {
        self.signed(class, &lineup.list) == Some(lineup.state)
    }

    /// What a component is now; none where it has no release, or one release only.
    pub(crate) fn lineup(&self, class: Class, name: &ComponentName) -> Result<Option<Lineup>> {
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
        for release in list.nearest_first().into_iter().take(self.config.increments_releases) {
            others.extend(read(release.sequence)?);
        }
        let store = self.store(class);
        let mut files = HashMap::new();
        for file in others.iter().chain([&current]).flat_map(|manifest| &manifest.files) {
            if store.has_whole(&file.body.sha256, file.body.size) {
                files.insert(file.sha256, file.clone());
            }
        }
        Ok(Some(Lineup { list, current, others, files, state }))
    }

    /// The stock of a class, less what was lost from the disk.
    pub(crate) async fn stock_there(&self, class: Class) -> Result<Stock> {
        Ok(self.there(class, self.db.stock(class).await?))
    }

    fn there(&self, class: Class, mut stock: Stock) -> Stock {
        let store = self.store(class);
        stock.retain(|_, stocked| match stocked {
            Stocked::Made(increment) | Stocked::Taken(increment) => {
                store.has_whole(&increment.sha256, increment.size)
            }
            Stocked::Useless => true,
        });
        stock
    }

    /// What is decided for a component. `known`: how many clients have each release.
    fn assortment(&self, lineup: &Lineup, known: &BTreeMap<u64, u64>, stock: Stock) -> Assortment {
        let at = |manifest: &Manifest| known.get(&manifest.sequence.get()).copied().unwrap_or(0);
        let weights = expected_ages(&lineup.others.iter().map(at).collect::<Vec<_>>());
        let earlier = lineup.others.iter().zip(weights);
        let earlier: Vec<Earlier<'_>> =
            earlier.map(|(manifest, weight)| Earlier { manifest, weight }).collect();
        let memory_max = self.config.increments_memory_bytes;
        let makeable = |base: &Digest, result: &Digest| {
            let size = |file: &Digest| lineup.files.get(file).map(|file| file.size);
            let (Some(base), Some(result)) = (size(base), size(result)) else { return false };
            let memory = base.saturating_add(result).saturating_mul(INCREMENT_ENCODER_MEMORY_FACTOR);
            let memory = memory.saturating_add(INCREMENT_ENCODER_MEMORY_FIXED);
            base.max(result) <= INCREMENT_FILE_MAX && memory <= memory_max
        };
        let percent = self.config.increments_storage_percent;
        Assortment::of(&lineup.current, &earlier, stock, &makeable, percent)
    }

    /// A release that is about to be signed, naming what is in stock for it.
    pub(crate) fn named_from_stock(
        &self,
        lineup: Option<&Lineup>,
        new: &[&Manifest],
        current: &Manifest,
        stock: &Stock,
    ) -> Manifest {
        let known = lineup.into_iter().flat_map(|lineup| lineup.others.iter().chain([&lineup.current]));
        let mut others: Vec<&Manifest> =
            known.chain(new.iter().copied()).filter(|other| other.sequence != current.sequence).collect();
        others.sort_by_key(|other| (other.sequence.get().abs_diff(current.sequence.get()), other.sequence));
        others.truncate(self.config.increments_releases);
        let weights = expected_ages(&vec![0; others.len()]);
        let earlier: Vec<Earlier<'_>> =
            others.into_iter().zip(weights).map(|(manifest, weight)| Earlier { manifest, weight }).collect();
        let percent = self.config.increments_storage_percent;
        supply(current, &earlier, stock, &|_, _| false, percent).manifest
    }

    /// Signs the manifest with its increments, if that is anything new; and takes them out of the other releases', whose
    /// increments nobody needs once the current one has its own. False: the release is not the current one any more.
    async fn join(
        &self,
        class: Class,
        name: &ComponentName,
        lineup: &Lineup,
        manifest: Manifest,
        now: Timestamp,
    ) -> Result<bool> {
        let stale: Vec<&Manifest> = lineup.others.iter().filter(|other| other.has_increments()).collect();
        if manifest == lineup.current && stale.is_empty() {
            return Ok(self.is_signed(class, lineup));
        }
        let _change = self.change().await;
        if !self.is_signed(class, lineup) {
            return Ok(false);
        }
        let mut draft = self.draft(class);
        let failed = super::signing::failed;
        for manifest in stale.into_iter().map(Manifest::without_increments).chain([manifest]) {
            let bytes = manifest.to_bytes().map_err(|error| failed(class, "increments")(error.into()))?;
            let target = layout::manifest(name, manifest.sequence);
            draft.add(target, bytes).map_err(failed(class, "increments"))?;
        }
        let staged = self.stage(class, draft, now)?.without_news();
        let tx = self.db.begin().await?;
        let did = By::server(now).did("increments.join", format!("{class}/{name}"));
        self.commit(tx, vec![staged], did).await?;
        tracing::info!(%class, %name, release = lineup.list.current().sequence.get(), "increments joined");
        Ok(true)
    }

    /// Notes which increments are named by what is signed, so that the others go a while later.
    pub(crate) async fn mark_increments(&self, class: Class, now: Timestamp) -> Result<()> {
        if class == Class::Settings {
            return Ok(());
        }
        let mut named = BTreeSet::new();
        for row in self.db.components(class).await? {
            let Ok(name) = ComponentName::new(row.name) else { continue };
            let Some(lineup) = self.lineup(class, &name)? else { continue };
            for manifest in lineup.others.iter().chain([&lineup.current]) {
                named.extend(manifest.increments().map(|increment| increment.sha256));
            }
        }
        let stock = self.db.stock(class).await?;
        let mut tx = self.db.begin().await?;
        for (pair, stocked) in &stock {
            let is_named = match stocked {
                Stocked::Made(increment) | Stocked::Taken(increment) => named.contains(&increment.sha256),
                Stocked::Useless => false,
            };
            rows::mark(&mut tx, class, *pair, is_named, now).await?;
        }
        tx.commit(Audit::Exempt("what is signed decides it")).await
    }
}

/// Files to which there are no increments from what is here, for lack of memory, by path.
fn too_large(lineup: &Lineup, assortment: &Assortment) -> Vec<String> {
    let here = |(base, result): (Digest, Digest)| {
        lineup.files.get(&base).and(lineup.files.get(&result)).map(|file| file.path.to_string())
    };
    assortment.not_makeable().filter_map(here).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What a job works on, as [`Assortment`] asked for it.
impl From<Lacking> for Job {
    fn from(lacking: Lacking) -> Self {
        let Lacking { base, result, body, weight: _ } = lacking;
        Self { base, result, body }
    }
}
