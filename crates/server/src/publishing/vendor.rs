//! The vendor source (C2): taking its releases. Setting it changes the policy, which is the source list's.
//!
//! A sync refreshes the vendor's metadata from where it was (never backwards), fetches what is new and verifies it in full, and
//! signs it as our own component, with the vendor's sequence numbers so that a client may change from one source to
//! the other. One component is one publication: a sync that breaks off keeps what it has. What is fetched of it, and what
//! is made here, is [`take`]'s; whether it is right, [`verify`]'s. A release that is not is rejected: it is named in the result,
//! what it brought is removed, and the next sync tries it again.

mod rejected;
mod stopped;
mod take;
mod verify;

use std::collections::HashMap;

use headwater_api::v1::{SyncProgress, SyncResult, SyncedRelease, VendorView};
use headwater_depot::files;
use headwater_depot::{FetchProgress, FetchSettings, Fetcher, MetadataStore, Source, SourceMemory, Walk};
use headwater_policy::{Class, SourceKey, SourceUrl};
use headwater_publisher::deltas::{ReleaseChain, name_present_deltas};
use headwater_repo::{
    ComponentName, Digest, FileEntry, Inventory, InventoryItem, Manifest, Release, ReleaseList, Sequence,
    TargetName, TargetsDraft, Trusted, layout, roll_back, stage_release,
};
use jiff::Timestamp;
use serde_json::json;

use self::stopped::Stopped;
use super::destination::want_current;
use super::service::PublishingService;
use crate::audit::Audit;
use crate::caller::Caller;
use crate::db::releases::{self as release_rows, ReleaseRow};
use crate::db::vendor::{self as rows, VendorRow};
use crate::db::{Tx, deltas};
use crate::error::{Doing, Refusal, Result};
use crate::limits;

/// One walk over the vendor source.
struct Visit {
    url: String,
    walk: Walk,
    trusted: Trusted,
}

/// A vendor's release list.
struct VendorList {
    list: ReleaseList,
    /// A root of the vendor says that it replaced keys because they were compromised.
    robbed: bool,
}

/// New releases of a component, the oldest first, and when they were published.
type NewReleases = Vec<(Manifest, Timestamp)>;

impl PublishingService {
    /// The vendor source, as set.
    ///
    /// # Errors
    /// [`Refusal::NoVendor`].
    pub async fn vendor_view(&self) -> Result<VendorView> {
        let row = self.db.vendor().await?.ok_or(Refusal::NoVendor)?;
        Ok(self.vendor_shown(row))
    }

    /// Takes what is new at the vendor source. A failure of the vendor's is part of the answer.
    ///
    /// # Errors
    /// A refusal when there is no vendor source; failures of our own.
    pub async fn sync_vendor(&self, caller: &Caller) -> Result<SyncResult> {
        let now = caller.now;
        // One at a time; who asks meanwhile waits, and then finds most of it done.
        let _running = self.vendor_sync.begin().await;
        let vendor = self.db.vendor().await?.ok_or(Refusal::NoVendor)?;
        let clock = std::time::Instant::now();
        let mut result = SyncResult {
            started: now,
            duration_ms: 0,
            releases: Vec::new(),
            rolled_back: Vec::new(),
            bytes: 0,
            error: None,
            skipped: Vec::new(),
            rejected: Vec::new(),
        };
        let stopped = self.vendor_sync.stopped();
        let outcome = tokio::select! {
            outcome = self.sync_from(&vendor, &mut result, caller) => outcome,
            () = stopped => Err(Stopped("the vendor source was removed or replaced meanwhile".to_owned())),
        };
        let root_version = match outcome {
            Ok(version) => version,
            Err(Stopped(reason)) => {
                tracing::warn!(url = vendor.url, reason, "vendor source: sync failed");
                result.error = Some(reason);
                vendor.root_version
            }
        };
        rejected::note_in_error(&mut result);
        self.discard_rejected().await?;
        result.duration_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        let _change = self.change().await;
        // It may have been replaced meanwhile.
        let mut tx = self.db.begin().await?;
        if let Some(present) = tx.vendor().await?.filter(|present| present.url == vendor.url) {
            let row = VendorRow {
                root_version,
                last_started: Some(now),
                last_sync: Some(result.clone()),
                ..present
            };
            rows::put(&mut tx, &row).await?;
            tx.commit(Audit::Exempt("what was taken is recorded with each component")).await?;
        }
        Ok(result)
    }

    async fn sync_from(
        &self,
        vendor: &VendorRow,
        result: &mut SyncResult,
        caller: &Caller,
    ) -> std::result::Result<u64, Stopped> {
        let kept = MetadataStore::open(self.data.vendor())?;
        let trusted = kept.load_or_start(vendor.root.as_bytes())?;
        let url: SourceUrl = vendor.url.parse()?;
        let source = Source::new(SourceKey::Vendor, &url, None, Class::Components);
        let settings = FetchSettings { proxy: self.settings.proxy.clone(), ..FetchSettings::default() };
        // Nothing is remembered of failures: the schedule is the back-off.
        let fetcher = Fetcher::new(settings, SourceMemory::default())?;
        let walk = Walk::new(&fetcher, vec![source], trusted.targets_version().unwrap_or(0), caller.now);
        let refreshed = walk.refresh(&trusted, None).await;
        let trusted = match refreshed {
            Ok(refreshed) => refreshed.trusted,
            Err(unable) => {
                if let Some(progress) = &unable.progress {
                    kept.save(progress.received())?;
                }
                return Err(unable.into());
            }
        };
        kept.save(trusted.received())?;
        let root_version = trusted.root_version();
        let unusable = trusted.unusable_release_lists();
        result.skipped.extend(unusable.iter().map(|name| left_out(name)));
        let visit = Visit { url: vendor.url.clone(), walk, trusted };
        let names: Vec<_> = visit
            .trusted
            .targets()
            .filter_map(|(name, _)| layout::component_of_release_list(&name))
            .collect();
        if names.len() > limits::VENDOR_COMPONENTS_MAX {
            let max = limits::VENDOR_COMPONENTS_MAX;
            return Err(Stopped(format!("it has {} components; at most {max} are allowed", names.len())));
        }
        self.vendor_sync.show(|progress| progress.components = names.len() as u64);
        for (number, name) in (1..).zip(names) {
            self.vendor_sync.show(|progress| {
                *progress = SyncProgress {
                    component: name.to_string(),
                    number,
                    components: progress.components,
                    ..SyncProgress::default()
                };
            });
            match self.sync_component(&visit, &name, result, caller).await {
                Ok(()) => {}
                Err(Stopped(reason)) => {
                    result.skipped.push(format!("{name}: {reason}"));
                    result.error.get_or_insert(format!("{name} could not be taken whole: {reason}"));
                }
            }
        }
        result.bytes = visit.walk.attempts().iter().map(|attempt| attempt.bytes).sum();
        Ok(root_version)
    }

    async fn sync_component(
        &self,
        visit: &Visit,
        name: &ComponentName,
        result: &mut SyncResult,
        caller: &Caller,
    ) -> std::result::Result<(), Stopped> {
        let (now, class) = (caller.now, Class::Components);
        let own = self.db.component(class, name).await?;
        if own.is_some_and(|row| !row.from_vendor) {
            result
                .skipped
                .push(format!("{name}: a component of this name is published by hand; it stays as it is"));
            return Ok(());
        }
        let theirs = &visit.release_list(name).await?;
        let ours = self.release_list(class, name)?;
        let before = ours.as_ref().map(|list| list.current().sequence);
        if let Some(ours) = &ours {
            note_other_content(ours, &theirs.list, result)?;
        }
        let manifests = visit.newer(theirs, ours.as_ref()).await?;
        let current = visit.manifest(&theirs.list, theirs.list.current().sequence).await?;
        let release_chain = self.release_chain(class, name)?;
        let here = release_chain.as_ref().map(|chain| chain.files.clone()).unwrap_or_default();
        let taken = self.take_content(visit, &current, manifests, here, result).await?;
        let Some((taken, mut whole, manifests)) = taken else { return Ok(()) };
        let earlier = others(&manifests, current.sequence);

        let _change = self.change().await;
        let mut tx = self.db.begin().await?;
        if tx.vendor().await?.is_none_or(|present| present.url != visit.url) {
            return Err(Stopped("the vendor source was replaced while it was read".to_owned()));
        }
        let mut inventory = self.present_inventory(&mut tx, class).await?;
        // Deltas of theirs that are new join the release; ours the deltas job joins.
        let is_ours = ours.as_ref().is_some_and(|list| list.release(whole.sequence).is_some());
        let joined = is_ours && taken.only_theirs.iter().any(|pair| !inventory.contains_key(pair));
        put_taken(&mut tx, class, &taken, &mut inventory).await?;
        let known = release_chain.iter().flat_map(ReleaseChain::manifests);
        let beside = known.chain(earlier.iter().copied()).collect();
        whole = name_present_deltas(&whole, beside, inventory, &self.settings.deltas);
        let mut draft = self.draft(class);
        let changed = decide(&mut draft, ours, &manifests, theirs, &whole)?;
        if changed.is_none() && !joined {
            return Ok(());
        }
        draft.add(layout::manifest(name, whole.sequence), whole.to_bytes()?)?;
        let mut staged = self.stage(class, draft, now)?;
        release_rows::put_component(&mut tx, class, name, true).await?;
        note_releases(&mut tx, class, &manifests, &whole).await?;
        let went_back = changed.as_ref().filter(|list| before > Some(list.current().sequence)).map(went_back);
        match changed {
            Some(list) => {
                want_current(&mut tx, class, &list, now).await?;
            }
            None => staged = staged.without_news(),
        }
        let audit_entry = caller
            .audit_entry("vendor.take", format!("{class}/{name}"))
            .after(json!({"sequence": whole.sequence.get(), "version": whole.version.as_str()}));
        self.commit(tx, vec![staged], audit_entry).await?;
        self.delta_worker.wake();
        result.rolled_back.extend(went_back);
        result.releases.extend(manifests.iter().map(|(manifest, _)| synced(manifest)));
        Ok(())
    }

    /// Takes the content of a component's current release and of its new ones. Gives what was taken, the current release with
    /// its bodies here, and the new releases that are right. `None` if the current one is rejected.
    async fn take_content(
        &self,
        visit: &Visit,
        current: &Manifest,
        mut manifests: NewReleases,
        here: HashMap<Digest, FileEntry>,
        result: &mut SyncResult,
    ) -> std::result::Result<Option<(take::Taken, Manifest, NewReleases)>, Stopped> {
        let earlier = others(&manifests, current.sequence);
        let show = |fetched| self.show_fetched(fetched);
        let mut taken = take::take(self, &visit.walk, current, &earlier, here, &show).await?;
        self.vendor_sync.note_rejected(taken.unwanted.drain());
        result.skipped.append(&mut taken.missing);
        let is_rejected = |manifest: &Manifest| {
            taken.rejected.iter().any(|rejected| rejected.sequence == manifest.sequence.get())
        };
        manifests.retain(|(manifest, _)| !is_rejected(manifest));
        result.rejected.append(&mut taken.rejected);
        Ok(taken.current.take().map(|whole| (taken, whole, manifests)))
    }

    /// Stops the sync that runs, because its source is no longer the vendor source. The caller holds the lock of changes,
    /// so that the sync is not in the middle of one.
    pub(crate) fn stop_vendor_sync(&self) {
        self.vendor_sync.stop();
    }

    fn show_fetched(&self, fetched: FetchProgress) {
        self.vendor_sync.show(|progress| {
            (progress.bytes_done, progress.bytes_total) = (fetched.bytes_done, fetched.bytes_total);
        });
    }

    pub(crate) fn vendor_shown(&self, row: VendorRow) -> VendorView {
        VendorView {
            url: row.url,
            root_version: row.root_version,
            schedule_minutes: row.schedule_minutes,
            last_sync: row.last_sync,
            syncing: self.vendor_sync.progress(),
        }
    }

    /// Removes what is kept of the metadata of the vendor source.
    pub(crate) fn forget_vendor_metadata(&self) -> Result<()> {
        let folder = self.data.vendor();
        files::remove_tree(&folder).doing(|| format!("cannot remove {}", folder.display()))
    }
}

/// What an operator reads of a release list that no component may have the name of.
fn left_out(name: &str) -> String {
    let shown: String = name.chars().take(limits::VENDOR_NAME_SHOWN_MAX).collect();
    format!(
        "{shown:?}: no component may have this name, so it was left out; clients that use the vendor source leave it out, too"
    )
}

/// Reports content that is not what was taken under the same number.
///
/// # Errors
/// It is the vendor's current release: nothing can be taken then.
fn note_other_content(
    ours: &ReleaseList,
    theirs: &ReleaseList,
    result: &mut SyncResult,
) -> std::result::Result<(), Stopped> {
    let Some(other) = other_content(ours, theirs) else { return Ok(()) };
    let reason = format!(
        "release {other} has other content than what was taken under that number; clients keep what they have of it. Have \
         the vendor publish it under a new number"
    );
    if other == theirs.current().sequence {
        return Err(Stopped(reason));
    }
    let reason = format!("{}: {reason}", theirs.component());
    result.skipped.push(reason.clone());
    result.error.get_or_insert(reason);
    Ok(())
}

/// The earlier release that is current again.
fn went_back(list: &ReleaseList) -> SyncedRelease {
    let current = list.current();
    SyncedRelease {
        name: list.component().to_string(),
        sequence: current.sequence.get(),
        version: current.version.to_string(),
    }
}

/// The newest release that both lists have under one number and with different content (I2c).
fn other_content(ours: &ReleaseList, theirs: &ReleaseList) -> Option<Sequence> {
    let differs = |sequence: &Sequence| {
        let (here, there) = (ours.release(*sequence), theirs.release(*sequence));
        here.zip(there).is_some_and(|(here, there)| here.identity != there.identity)
    };
    theirs.releases().iter().rev().map(|release| release.sequence).find(differs)
}

/// The releases beside one.
fn others(manifests: &[(Manifest, Timestamp)], current: Sequence) -> Vec<&Manifest> {
    manifests.iter().map(|(manifest, _)| manifest).filter(|manifest| manifest.sequence != current).collect()
}

fn synced(manifest: &Manifest) -> SyncedRelease {
    SyncedRelease {
        name: manifest.component.to_string(),
        sequence: manifest.sequence.get(),
        version: manifest.version.to_string(),
    }
}

/// Notes the deltas that were taken in the inventory.
async fn put_taken(
    tx: &mut Tx,
    class: Class,
    taken: &take::Taken,
    inventory: &mut Inventory,
) -> std::result::Result<(), Stopped> {
    for (pair, delta) in &taken.deltas {
        let only_theirs = taken.only_theirs.contains(pair);
        deltas::put(tx, class, *pair, only_theirs, Some(delta)).await?;
        let delta = delta.clone();
        inventory.insert(
            *pair,
            if only_theirs { InventoryItem::Taken(delta) } else { InventoryItem::Made(delta) },
        );
    }
    Ok(())
}

/// Notes new releases and the bodies that they need; `whole` is the current one, which may be known.
async fn note_releases(
    tx: &mut Tx,
    class: Class,
    manifests: &[(Manifest, Timestamp)],
    whole: &Manifest,
) -> std::result::Result<(), Stopped> {
    let bodies =
        |manifest: &Manifest| manifest.files.iter().map(|file| file.body.sha256).collect::<Vec<Digest>>();
    let name = &whole.component;
    for (manifest, _) in manifests {
        let row = ReleaseRow { sequence: manifest.sequence.get(), version: manifest.version.to_string() };
        release_rows::insert_release(tx, class, name, &row, &bodies(manifest)).await?;
    }
    Ok(release_rows::add_blobs(tx, class, name, whole.sequence, &bodies(whole)).await?)
}

impl Visit {
    /// The vendor's list of a component.
    async fn release_list(&self, name: &ComponentName) -> std::result::Result<VendorList, Stopped> {
        let list = ReleaseList::parse(&self.target(&layout::release_list(name)).await?)?;
        if list.component() != name {
            return Err(Stopped("its release list is another component's".to_owned()));
        }
        Ok(VendorList { list, robbed: self.trusted.has_replaced_compromised_keys() })
    }

    /// The manifests of the vendor's releases that are newer than every one of ours.
    async fn newer(
        &self,
        theirs: &VendorList,
        ours: Option<&ReleaseList>,
    ) -> std::result::Result<Vec<(Manifest, Timestamp)>, Stopped> {
        let newest = ours.and_then(|list| theirs.newest_kept(list));
        let is_new = |sequence: Sequence| {
            newest.is_none_or(|newest| sequence > newest)
                && ours.is_none_or(|list| list.release(sequence).is_none())
        };
        let mut manifests = Vec::new();
        for release in theirs.list.releases().iter().filter(|release| is_new(release.sequence)) {
            manifests.push((self.manifest(&theirs.list, release.sequence).await?, release.published));
        }
        Ok(manifests)
    }

    /// The manifest of one of the vendor's releases of a component.
    async fn manifest(
        &self,
        list: &ReleaseList,
        sequence: Sequence,
    ) -> std::result::Result<Manifest, Stopped> {
        let manifest = Manifest::parse(&self.target(&list.manifest(sequence)).await?)?;
        if manifest.component != *list.component()
            || manifest.sequence != sequence
            || manifest.install.is_some()
        {
            return Err(Stopped(format!("the manifest of release {sequence} is not one of it")));
        }
        if !list.confirms(sequence, &manifest.identity()) {
            return Err(Stopped(format!("the manifest of release {sequence} is not what its list names")));
        }
        Ok(manifest)
    }

    async fn target(&self, name: &TargetName) -> std::result::Result<Vec<u8>, Stopped> {
        let description =
            self.trusted.target(name).ok_or_else(|| Stopped(format!("its metadata lists no {name}")))?;
        Ok(self.walk.target(&description).await?)
    }
}

/// Puts their new releases into our draft, and goes back where they went back. `None` if nothing is new.
fn decide(
    draft: &mut TargetsDraft,
    ours: Option<ReleaseList>,
    manifests: &[(Manifest, Timestamp)],
    theirs: &VendorList,
    current: &Manifest,
) -> std::result::Result<Option<ReleaseList>, Stopped> {
    let mut list = ours;
    let mut changed = follow_withdrawal(draft, &mut list, theirs)?;
    for (manifest, published) in manifests {
        // Of the others our clients need no deltas, and theirs are not here.
        let other = manifest.without_deltas();
        let manifest = if manifest.sequence == current.sequence { current } else { &other };
        list = Some(stage_release(draft, list.as_ref(), manifest, *published)?);
        follow_withdrawal(draft, &mut list, theirs)?;
        changed = true;
    }
    let Some(mut list) = list else { return Ok(None) };
    let (current, stays) = (theirs.list.current().sequence, list.current().sequence);
    if stays > current {
        if !theirs.drops(list.current()) {
            return Err(Stopped(format!(
                "it went back to release {current} without withdrawing release {stays}; clients stay at release {stays} \
                 until it publishes a newer one or withdraws it"
            )));
        }
        if list.release(current).is_none() {
            return Err(Stopped(format!(
                "it went back to release {current}, which is older than all that are listed here; clients stay at \
                 release {stays} until it publishes a newer one"
            )));
        }
        list = roll_back(draft, &list, current)?;
        changed = true;
    }
    Ok(changed.then_some(list))
}

/// Withdraws our current release where they did, before what they published after it: a client whose probe of that fails
/// must not go back to what was withdrawn (P11). Says whether it did.
fn follow_withdrawal(
    draft: &mut TargetsDraft,
    list: &mut Option<ReleaseList>,
    theirs: &VendorList,
) -> std::result::Result<bool, Stopped> {
    let Some(ours) = list.as_ref().filter(|ours| theirs.drops(ours.current())) else { return Ok(false) };
    match theirs.newest_kept(ours).filter(|kept| *kept < ours.current().sequence) {
        None => Ok(false),
        Some(to) => {
            *list = Some(roll_back(draft, ours, to)?);
            Ok(true)
        }
    }
}

impl VendorList {
    /// Whether clients must leave a release that was taken: it is withdrawn, or the vendor's keys were stolen and its present
    /// keys do not confirm it (I2a).
    fn drops(&self, release: &Release) -> bool {
        let Release { sequence, identity, .. } = release;
        self.list.withdrawn().contains(sequence) || (self.robbed && !self.list.confirms(*sequence, identity))
    }

    /// The newest of our releases that clients need not leave. One that fell off the vendor's list is kept, unless its keys
    /// were stolen since.
    fn newest_kept(&self, ours: &ReleaseList) -> Option<Sequence> {
        let is_kept =
            |release: &&Release| !ours.withdrawn().contains(&release.sequence) && !self.drops(release);
        ours.releases().iter().rfind(is_kept).map(|release| release.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_name_that_no_component_may_have_so_much_is_shown() {
        let shown = |length: usize| left_out(&"X".repeat(length)).matches('X').count();
        assert_eq!(shown(limits::VENDOR_NAME_SHOWN_MAX), limits::VENDOR_NAME_SHOWN_MAX);
        assert_eq!(shown(limits::VENDOR_NAME_SHOWN_MAX + 1), limits::VENDOR_NAME_SHOWN_MAX);
    }
}
