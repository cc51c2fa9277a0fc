//! A component as it is signed now, with the releases that clients may come from, and what is decided for it. Nothing here
//! changes anything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use headwater_delta::limits::DELTA_FILE_MAX;
use headwater_depot::Store;
use headwater_depot::objects::ObjectStore;
use headwater_repo::{
    ComponentName, DeltaPlan, Digest, Earlier, FileEntry, Inventory, InventoryItem, Manifest, Published,
    ReleaseList, expected_ages, layout,
};

use super::settings::DeltaSettings;
use crate::limits::{ENCODER_MEMORY_FACTOR, ENCODER_MEMORY_FIXED};
use crate::read::{manifest, release_list};
use crate::{Error, Result};

/// What is signed of a component: the digests of its release list and of its current release's manifest.
pub type ChainState = (Digest, Digest);

/// A component's current release, and the others, the nearest first. Withdrawn ones count: clients may have them.
#[derive(Debug, Clone)]
pub struct ReleaseChain {
    /// Its release list.
    pub list: ReleaseList,
    /// The current release's manifest.
    pub current: Manifest,
    /// The others', the nearest to the current one first.
    pub others: Vec<Manifest>,
    /// Files whose bodies are here, by digest.
    pub files: HashMap<Digest, FileEntry>,
    /// What was looked at: as long as it stays, nothing else is to be done.
    pub state: ChainState,
}

impl ReleaseChain {
    /// Reads a component as `published` has it, with at most `releases` others. `None` if it is not published.
    ///
    /// # Errors
    /// A signed file cannot be read.
    pub fn read(
        objects: &dyn ObjectStore,
        store: &Store,
        published: &Published,
        component: &ComponentName,
        releases: usize,
    ) -> Result<Option<Self>> {
        let Some(list) = release_list(objects, published, component)? else { return Ok(None) };
        let read = |sequence| manifest(objects, published, component, sequence);
        let current = read(list.current().sequence)?;
        let nearest = list.nearest_first();
        let others = nearest.into_iter().take(releases).map(|release| read(release.sequence));
        let others = others.collect::<Result<Vec<_>>>()?;
        let Some(state) = Self::state_of(published, &list) else {
            return Err(Error::NotPublished(layout::release_list(component)));
        };
        let files = files_there(store, others.iter().chain([&current]));
        Ok(Some(Self { list, current, others, files, state }))
    }

    /// All of its manifests.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.others.iter().chain([&self.current])
    }

    /// The deltas that its manifests name.
    pub fn named(&self) -> Inventory {
        let mut named = Inventory::new();
        for manifest in self.manifests() {
            let files = manifest.files.iter().map(|file| (file.sha256, &file.deltas));
            let between = manifest.intermediates.iter().map(|file| (file.sha256, &file.deltas));
            for (result, deltas) in files.chain(between) {
                for delta in deltas {
                    named.insert((delta.base, result), InventoryItem::Made(delta.clone()));
                }
            }
        }
        named
    }

    /// What is signed of a component. `None` if its list or the list's current release is not.
    #[must_use]
    pub fn state_of(published: &Published, list: &ReleaseList) -> Option<ChainState> {
        let digest = |name| published.target(&name).map(|(_, digest)| digest);
        let list_digest = digest(layout::release_list(list.component()))?;
        Some((list_digest, digest(list.manifest(list.current().sequence))?))
    }

    /// What is decided for the component. `inventory`: the deltas that there are; `clients`: how many clients have each release, by
    /// sequence.
    #[must_use]
    pub fn plan(
        &self,
        store: &Store,
        inventory: Inventory,
        clients: &BTreeMap<u64, u64>,
        settings: &DeltaSettings,
    ) -> Planned {
        let made_from: HashSet<Digest> = self
            .others
            .iter()
            .take(settings.made_from)
            .flat_map(|manifest| &manifest.files)
            .map(|file| file.sha256)
            .collect();
        let entries = self.manifests().flat_map(|manifest| &manifest.files);
        let sizes: HashMap<Digest, u64> = entries.map(|file| (file.sha256, file.size)).collect();
        let makeable = |base: &Digest, result: &Digest| {
            let (Some(one), Some(other)) = (sizes.get(base), sizes.get(result)) else { return false };
            let there = self.files.contains_key(base) && self.files.contains_key(result);
            there && made_from.contains(base) && fits(*one, *other, settings.memory_bytes_max)
        };
        let weights = expected_clients(&self.others, clients);
        let earlier: Vec<Earlier<'_>> =
            self.others.iter().zip(weights).map(|(manifest, weight)| Earlier { manifest, weight }).collect();
        let plan = DeltaPlan::of(&self.current, &earlier, inventory, &makeable, settings.storage_percent);
        let no_body = plan
            .not_makeable()
            .filter(|(base, _)| made_from.contains(base))
            .flat_map(|(base, result)| [base, result])
            .filter(|file| !self.files.contains_key(file))
            .filter_map(|file| no_body(store, self, &file))
            .collect();
        Planned { plan, no_body }
    }
}

/// Leaves out of an inventory what the disk lost.
pub fn retain_stored(inventory: &mut Inventory, store: &Store) {
    inventory.retain(|_, item| match item {
        InventoryItem::Made(delta) | InventoryItem::Taken(delta) => {
            store.has_whole(&delta.sha256, delta.size)
        }
        InventoryItem::Useless => true,
    });
}

fn files_there<'a>(
    store: &Store,
    manifests: impl Iterator<Item = &'a Manifest>,
) -> HashMap<Digest, FileEntry> {
    let mut files: HashMap<Digest, FileEntry> = HashMap::new();
    for file in manifests.flat_map(|manifest| &manifest.files) {
        if store.has_whole(&file.body.sha256, file.body.size) {
            files.insert(file.sha256, file.clone());
        }
    }
    files
}

/// A plan, and why it asks for no more.
#[derive(Debug)]
pub struct Planned {
    /// What is decided.
    pub plan: DeltaPlan,
    /// Bodies that are missing or damaged, of files that deltas could be made from or to: a sentence each.
    pub no_body: BTreeSet<String>,
}

impl Planned {
    /// Files to which there are no deltas from what is here, for lack of memory, by path.
    #[must_use]
    pub fn too_large(&self, chain: &ReleaseChain) -> Vec<String> {
        let here = |(base, result): (Digest, Digest)| {
            chain.files.get(&base).and(chain.files.get(&result)).map(|file| file.path.to_string())
        };
        self.plan.not_makeable().filter_map(here).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Whether making a delta between files of these sizes keeps to the memory allowed.
fn fits(base: u64, result: u64, memory_bytes_max: u64) -> bool {
    let memory = base.saturating_add(result).saturating_mul(ENCODER_MEMORY_FACTOR);
    base.max(result) <= DELTA_FILE_MAX && memory.saturating_add(ENCODER_MEMORY_FIXED) <= memory_bytes_max
}

/// Why there is no body to work with.
fn no_body(store: &Store, chain: &ReleaseChain, file: &Digest) -> Option<String> {
    let entry = chain.manifests().flat_map(|manifest| &manifest.files).find(|entry| entry.sha256 == *file)?;
    Some(body_problem(store, entry))
}

/// What is wrong with a body that cannot be used.
pub(super) fn body_problem(store: &Store, entry: &FileEntry) -> String {
    let digest = &entry.body.sha256;
    let problem = if store.has(digest) { "is not what was signed" } else { "is not there" };
    format!("{}, a body of {}, {problem}", store.location(digest), entry.path)
}

fn expected_clients(others: &[Manifest], known: &BTreeMap<u64, u64>) -> Vec<u64> {
    let at = |manifest: &Manifest| known.get(&manifest.sequence.get()).copied().unwrap_or(0);
    expected_ages(&others.iter().map(at).collect::<Vec<_>>())
}

/// A release that is about to be signed as `current`, with the deltas of the inventory that lead to it. `others`: the
/// releases beside it, in any order.
#[must_use]
pub fn name_present_deltas(
    current: &Manifest,
    mut others: Vec<&Manifest>,
    inventory: Inventory,
    settings: &DeltaSettings,
) -> Manifest {
    others.retain(|other| other.sequence != current.sequence);
    others.sort_by_key(|other| (other.sequence.get().abs_diff(current.sequence.get()), other.sequence));
    others.truncate(settings.releases);
    let weights = expected_ages(&vec![0; others.len()]);
    let earlier: Vec<Earlier<'_>> =
        others.into_iter().zip(weights).map(|(manifest, weight)| Earlier { manifest, weight }).collect();
    DeltaPlan::of(current, &earlier, inventory, &|_, _| false, settings.storage_percent).manifest()
}
