//! What administrators see of increments: which there are, which are being made, which are still to be made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater_api::v1::{
    IncrementBeingMade, IncrementView, IncrementsOfComponent, IncrementsStanding, IncrementsView,
};
use headwater_policy::Class;
use headwater_repo::{ComponentName, Digest, Increment, Manifest, Stock, Stocked, Supply};

use super::workshop::Progress;
use super::{Lineup, too_large};
use crate::app::App;
use crate::error::Result;

impl App {
    /// How far the increments of every component and program are.
    ///
    /// # Errors
    /// When the database or the disk fails.
    pub async fn increments_view(&self) -> Result<IncrementsView> {
        let mut items = Vec::new();
        for class in [Class::Components, Class::Programs] {
            let stock = self.stock_there(class).await?;
            for row in self.db.components(class).await? {
                let Ok(name) = ComponentName::new(row.name) else { continue };
                let Some(lineup) = self.lineup(class, &name)? else { continue };
                let look = self.look(class, &name, &lineup, &stock).await?;
                let Supply { manifest, lacking } = look.supply;
                let increments = || lineup.current.increments();
                items.push(IncrementsOfComponent {
                    class: class.to_string(),
                    name: name.to_string(),
                    release: lineup.current.sequence.get(),
                    version: lineup.current.version.to_string(),
                    increments: increments().count() as u64,
                    increment_bytes: increments().map(|increment| increment.size).sum(),
                    body_bytes: lineup.current.files.iter().map(|file| file.body.size).sum(),
                    lacking: lacking.len() as u64,
                    // Also before the job has come by, as after a start: what is signed says it.
                    done: lacking.is_empty() && manifest == lineup.current,
                    too_large: look.too_large,
                    failure: self.workshop.failure(class, &name),
                });
            }
        }
        let being_made = |progress: &Arc<Progress>| IncrementBeingMade {
            class: progress.component.0.to_string(),
            name: progress.component.1.to_string(),
            path: progress.path.to_string(),
            base: progress.job.base.to_string(),
            result: progress.job.result.to_string(),
            permille: progress.permille(),
        };
        let making = self.workshop.state().working.iter().map(being_made).collect();
        Ok(IncrementsView { paused: self.workshop.is_stopped(), making, items })
    }

    /// Every increment of a component's current release, and its files that are too large for any.
    pub(crate) async fn increments_of_release(
        &self,
        class: Class,
        name: &ComponentName,
    ) -> Result<(Vec<IncrementView>, Vec<String>)> {
        let Some(lineup) = self.lineup(class, name)? else { return Ok((Vec::new(), Vec::new())) };
        let stock = self.stock_there(class).await?;
        let Look { supply, too_large } = self.look(class, name, &lineup, &stock).await?;
        let being_made =
            |progress: &Arc<Progress>| ((progress.job.base, progress.job.result), progress.permille());
        let making = self.workshop.state().working.iter().map(being_made).collect();
        let store = self.store(class);
        let there = |increment: &Increment| store.has_whole(&increment.sha256, increment.size);
        Ok((views(&lineup, &there, &supply, &making), too_large))
    }

    /// How far the increments of a component's current release are. `stock`: the class's, as it is there.
    pub(crate) async fn increments_standing(
        &self,
        class: Class,
        name: &ComponentName,
        stock: &Stock,
    ) -> Result<IncrementsStanding> {
        let standing = |state: &str, made: u64, lacking: u64| {
            Ok(IncrementsStanding { state: state.to_owned(), made, lacking })
        };
        let Some(lineup) = self.lineup(class, name)? else { return standing("none", 0, 0) };
        let Look { supply: Supply { manifest, lacking }, too_large } =
            self.look(class, name, &lineup, stock).await?;
        let being_made = |progress: &Arc<Progress>| {
            lacking.iter().any(|it| (it.base, it.result) == (progress.job.base, progress.job.result))
        };
        let (made, wanted) = (manifest.increments().count() as u64, lacking.len() as u64);
        let state = match (made, wanted) {
            _ if lineup.others.is_empty() => "none",
            _ if self.workshop.failure(class, name).is_some() => "failed",
            (_, 1..) if self.workshop.state().working.iter().any(being_made) => "making",
            (_, 1..) => "queued",
            (1.., 0) => "made",
            (0, 0) if !too_large.is_empty() => "too_large",
            (0, 0) if some_useless(&lineup, stock) => "none_smaller",
            (0, 0) => "none",
        };
        standing(state, made, wanted)
    }

    /// What there is and what lacks, as the job would find it now.
    async fn look(&self, class: Class, name: &ComponentName, lineup: &Lineup, stock: &Stock) -> Result<Look> {
        let off = self.increments_off().map(|_| Vec::new());
        if let Some(too_large) = off.or_else(|| self.done(class, name, lineup)) {
            let supply = Supply { manifest: lineup.current.clone(), lacking: Vec::new() };
            return Ok(Look { supply, too_large });
        }
        let known = self.db.clients_at(class, name).await?;
        let assortment = self.assortment(lineup, &known, stock.clone());
        let supply = Supply { manifest: assortment.manifest(), lacking: assortment.lacking().collect() };
        Ok(Look { supply, too_large: too_large(lineup, &assortment) })
    }
}

/// What a look at a component finds.
struct Look {
    supply: Supply,
    /// Paths of files.
    too_large: Vec<String>,
}

/// Whether an increment to one of the files was tried and is not smaller than the body.
fn some_useless(lineup: &Lineup, stock: &Stock) -> bool {
    let of_current = |result: &Digest| lineup.current.files.iter().any(|file| file.sha256 == *result);
    let mut useless = stock.iter().filter(|(_, stocked)| **stocked == Stocked::Useless);
    useless.any(|((_, result), _)| of_current(result))
}

/// An increment by the files that it leads from and to.
type Pair = (Digest, Digest);

/// By file; those to the current release first, and of these that from the nearest release first.
fn views(
    lineup: &Lineup,
    there: &dyn Fn(&Increment) -> bool,
    supply: &Supply,
    making: &BTreeMap<Pair, u32>,
) -> Vec<IncrementView> {
    let places = places(lineup);
    let view = |(base, result): Pair, state: &str, permille: u32, size: Option<u64>| IncrementView {
        path: places.get(&result).map(|(_, path)| path.clone()),
        from: places.get(&base).map(|(sequence, _)| *sequence),
        to: places.get(&result).map(|(sequence, _)| *sequence),
        base: base.to_string(),
        result: result.to_string(),
        state: state.to_owned(),
        permille,
        size,
    };
    let (joined, lost): (BTreeMap<Pair, &Increment>, _) =
        named(&lineup.current).into_iter().partition(|(_, increment)| there(increment));
    let made = named(&supply.manifest);
    let of_joined = joined.iter().map(|(pair, increment)| view(*pair, "joined", 1000, Some(increment.size)));
    let wanted: BTreeSet<Pair> =
        supply.lacking.iter().map(|lacking| (lacking.base, lacking.result)).collect();
    let of_lost = lost
        .iter()
        .filter(|(pair, _)| !wanted.contains(pair))
        .map(|(pair, increment)| view(*pair, "lost", 0, Some(increment.size)));
    let of_made = made
        .iter()
        .filter(|(pair, _)| !joined.contains_key(pair))
        .map(|(pair, increment)| view(*pair, "made", 1000, Some(increment.size)));
    let of_lacking = supply.lacking.iter().map(|lacking| {
        let pair = (lacking.base, lacking.result);
        match making.get(&pair) {
            Some(permille) => view(pair, "making", *permille, None),
            None => view(pair, "queued", 0, None),
        }
    });
    let mut views: Vec<IncrementView> = of_joined.chain(of_lost).chain(of_made).chain(of_lacking).collect();
    let current = lineup.current.sequence.get();
    let away = |sequence: Option<u64>| sequence.map_or(u64::MAX, |sequence| sequence.abs_diff(current));
    views.sort_by_cached_key(|view| {
        let file = (view.path.is_none(), view.path.clone());
        (file, away(view.to), away(view.from), view.base.clone(), view.result.clone())
    });
    views
}

/// The increments that a manifest names.
fn named(manifest: &Manifest) -> BTreeMap<Pair, &Increment> {
    let files = manifest.files.iter().map(|file| (file.sha256, &file.increments));
    let between = manifest.intermediates.iter().map(|file| (file.sha256, &file.increments));
    files
        .chain(between)
        .flat_map(|(result, increments)| {
            increments.iter().map(move |increment| ((increment.base, result), increment))
        })
        .collect()
}

/// Where each file is: in the current release, or else in the newest other one.
fn places(lineup: &Lineup) -> BTreeMap<Digest, (u64, String)> {
    let mut manifests: Vec<&Manifest> = lineup.others.iter().collect();
    manifests.sort_by_key(|manifest| manifest.sequence);
    manifests.push(&lineup.current);
    let files = manifests.into_iter().flat_map(|manifest| {
        let place = move |path: String| (manifest.sequence.get(), path);
        manifest.files.iter().map(move |file| (file.sha256, place(file.path.to_string())))
    });
    files.collect()
}
