//! What administrators see of deltas: which there are, which are being made, which are still to be made.

use std::collections::{BTreeMap, BTreeSet};

use headwater_api::v1::{DeltaBeingMade, DeltaView, DeltasOfComponent, DeltasStanding, DeltasView};
use headwater_policy::Class;
use headwater_publisher::deltas::ReleaseChain;
use headwater_repo::{ComponentName, Delta, Digest, Inventory, InventoryItem, Manifest, NeededDeltas};

use super::delta_worker::DeltaInProgress;
use crate::error::Result;
use crate::publishing::service::PublishingService;

impl PublishingService {
    /// How far the deltas of every component and program are.
    ///
    /// # Errors
    /// When the database or the disk fails.
    pub async fn deltas_view(&self) -> Result<DeltasView> {
        let mut items = Vec::new();
        for class in [Class::Components, Class::Programs] {
            let inventory = self.present_inventory(&mut self.db.connection().await?, class).await?;
            for row in self.db.components(class).await? {
                let Ok(name) = ComponentName::new(row.name) else { continue };
                let Some(release_chain) = self.release_chain(class, &name)? else { continue };
                let look = self.look(class, &name, &release_chain, &inventory).await?;
                let NeededDeltas { manifest, missing } = look.needed_deltas;
                let deltas = || release_chain.current.deltas();
                items.push(DeltasOfComponent {
                    class: class.to_string(),
                    name: name.to_string(),
                    release: release_chain.current.sequence.get(),
                    version: release_chain.current.version.to_string(),
                    deltas: deltas().count() as u64,
                    delta_bytes: deltas().map(|delta| delta.size).sum(),
                    body_bytes: release_chain.current.files.iter().map(|file| file.body.size).sum(),
                    missing: missing.len() as u64,
                    // Also before the job has come by, as after a start: what is signed says it.
                    done: missing.is_empty() && manifest == release_chain.current,
                    too_large: look.too_large,
                    failure: self.delta_worker.failure(class, &name),
                });
            }
        }
        let being_made = |delta: &DeltaInProgress| DeltaBeingMade {
            class: delta.class.to_string(),
            name: delta.job.component.to_string(),
            path: delta.job.path.to_string(),
            base: delta.job.base.to_string(),
            result: delta.job.result.to_string(),
            permille: delta.job.permille(),
        };
        let making = self.delta_worker.in_progress.borrow().iter().map(being_made).collect();
        Ok(DeltasView { paused: self.delta_worker.is_stopped(), making, items })
    }

    /// Every delta of a component's current release, and its files that are too large for any.
    pub(crate) async fn deltas_of_release(
        &self,
        class: Class,
        name: &ComponentName,
    ) -> Result<(Vec<DeltaView>, Vec<String>)> {
        let Some(release_chain) = self.release_chain(class, name)? else {
            return Ok((Vec::new(), Vec::new()));
        };
        let inventory = self.present_inventory(&mut self.db.connection().await?, class).await?;
        let Look { needed_deltas, too_large } = self.look(class, name, &release_chain, &inventory).await?;
        let being_made = |delta: &DeltaInProgress| ((delta.job.base, delta.job.result), delta.job.permille());
        let making = self.delta_worker.in_progress.borrow().iter().map(being_made).collect();
        let store = self.store(class);
        let there = |delta: &Delta| store.has_whole(&delta.sha256, delta.size);
        Ok((views(&release_chain, &there, &needed_deltas, &making), too_large))
    }

    /// How far the deltas of a component's current release are. `inventory`: the class's, as it is there.
    pub(crate) async fn deltas_standing(
        &self,
        class: Class,
        name: &ComponentName,
        inventory: &Inventory,
    ) -> Result<DeltasStanding> {
        let standing = |state: &str, made: u64, missing: u64| {
            Ok(DeltasStanding { state: state.to_owned(), made, missing })
        };
        let Some(release_chain) = self.release_chain(class, name)? else { return standing("none", 0, 0) };
        let Look { needed_deltas: NeededDeltas { manifest, missing }, too_large } =
            self.look(class, name, &release_chain, inventory).await?;
        let being_made = |delta: &DeltaInProgress| {
            missing.iter().any(|it| (it.base, it.result) == (delta.job.base, delta.job.result))
        };
        let (made, wanted) = (manifest.deltas().count() as u64, missing.len() as u64);
        let state = match (made, wanted) {
            _ if release_chain.others.is_empty() => "none",
            _ if self.delta_worker.failure(class, name).is_some() => "failed",
            (_, 1..) if self.delta_worker.in_progress.borrow().iter().any(being_made) => "making",
            (_, 1..) => "queued",
            (1.., 0) => "made",
            (0, 0) if !too_large.is_empty() => "too_large",
            (0, 0) if some_useless(&release_chain, inventory) => "none_smaller",
            (0, 0) => "none",
        };
        standing(state, made, wanted)
    }

    /// What there is and what is missing, as the job would find it now.
    async fn look(
        &self,
        class: Class,
        name: &ComponentName,
        release_chain: &ReleaseChain,
        inventory: &Inventory,
    ) -> Result<Look> {
        let off = self.deltas_off().map(|_| Vec::new());
        if let Some(too_large) = off.or_else(|| self.done(class, name, release_chain)) {
            let needed_deltas = NeededDeltas { manifest: release_chain.current.clone(), missing: Vec::new() };
            return Ok(Look { needed_deltas, too_large });
        }
        let known = self.db.clients_at(class, name).await?;
        let store = self.store(class);
        let planned = release_chain.plan(store, inventory.clone(), &known, &self.settings.deltas);
        let needed_deltas =
            NeededDeltas { manifest: planned.plan.manifest(), missing: planned.plan.missing().collect() };
        Ok(Look { needed_deltas, too_large: planned.too_large(release_chain) })
    }
}

/// What a look at a component finds.
struct Look {
    needed_deltas: NeededDeltas,
    /// Paths of files.
    too_large: Vec<String>,
}

/// Whether a delta to one of the files was tried and is not smaller than the body.
fn some_useless(release_chain: &ReleaseChain, inventory: &Inventory) -> bool {
    let of_current = |result: &Digest| release_chain.current.files.iter().any(|file| file.sha256 == *result);
    let mut useless = inventory.iter().filter(|(_, item)| **item == InventoryItem::Useless);
    useless.any(|((_, result), _)| of_current(result))
}

/// A delta by the files that it leads from and to.
type Pair = (Digest, Digest);

/// By file; those to the current release first, and of these that from the nearest release first.
fn views(
    release_chain: &ReleaseChain,
    there: &dyn Fn(&Delta) -> bool,
    needed_deltas: &NeededDeltas,
    making: &BTreeMap<Pair, u32>,
) -> Vec<DeltaView> {
    let places = places(release_chain);
    let view = |(base, result): Pair, state: &str, permille: u32, size: Option<u64>| DeltaView {
        path: places.get(&result).map(|(_, path)| path.clone()),
        from: places.get(&base).map(|(sequence, _)| *sequence),
        to: places.get(&result).map(|(sequence, _)| *sequence),
        base: base.to_string(),
        result: result.to_string(),
        state: state.to_owned(),
        permille,
        size,
    };
    let (joined, lost): (BTreeMap<Pair, &Delta>, _) =
        named(&release_chain.current).into_iter().partition(|(_, delta)| there(delta));
    let made = named(&needed_deltas.manifest);
    let of_joined = joined.iter().map(|(pair, delta)| view(*pair, "joined", 1000, Some(delta.size)));
    let wanted: BTreeSet<Pair> =
        needed_deltas.missing.iter().map(|missing| (missing.base, missing.result)).collect();
    let of_lost = lost
        .iter()
        .filter(|(pair, _)| !wanted.contains(pair))
        .map(|(pair, delta)| view(*pair, "lost", 0, Some(delta.size)));
    let of_made = made
        .iter()
        .filter(|(pair, _)| !joined.contains_key(pair))
        .map(|(pair, delta)| view(*pair, "made", 1000, Some(delta.size)));
    let of_missing = needed_deltas.missing.iter().map(|missing| {
        let pair = (missing.base, missing.result);
        match making.get(&pair) {
            Some(permille) => view(pair, "making", *permille, None),
            None => view(pair, "queued", 0, None),
        }
    });
    let mut views: Vec<DeltaView> = of_joined.chain(of_lost).chain(of_made).chain(of_missing).collect();
    let current = release_chain.current.sequence.get();
    let away = |sequence: Option<u64>| sequence.map_or(u64::MAX, |sequence| sequence.abs_diff(current));
    views.sort_by_cached_key(|view| {
        let file = (view.path.is_none(), view.path.clone());
        (file, away(view.to), away(view.from), view.base.clone(), view.result.clone())
    });
    views
}

/// The deltas that a manifest names.
fn named(manifest: &Manifest) -> BTreeMap<Pair, &Delta> {
    let files = manifest.files.iter().map(|file| (file.sha256, &file.deltas));
    let between = manifest.intermediates.iter().map(|file| (file.sha256, &file.deltas));
    files
        .chain(between)
        .flat_map(|(result, deltas)| deltas.iter().map(move |delta| ((delta.base, result), delta)))
        .collect()
}

/// Where each file is: in the current release, or else in the newest other one.
fn places(release_chain: &ReleaseChain) -> BTreeMap<Digest, (u64, String)> {
    let mut manifests: Vec<&Manifest> = release_chain.others.iter().collect();
    manifests.sort_by_key(|manifest| manifest.sequence);
    manifests.push(&release_chain.current);
    let files = manifests.into_iter().flat_map(|manifest| {
        let place = move |path: String| (manifest.sequence.get(), path);
        manifest.files.iter().map(move |file| (file.sha256, place(file.path.to_string())))
    });
    files.collect()
}
