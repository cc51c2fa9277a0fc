//! A component of a destination as it is now.

use headwater_repo::{ComponentName, Inventory, Manifest, Published, ReleaseList};

use super::chain::{ChainState, Planned, ReleaseChain, name_present_deltas, retain_stored};
use super::settings::DeltaSettings;
use crate::Result;
use crate::destination::Destination;

/// Reads a component with at most `releases` others beside the current one. `None` if it is not published.
pub fn load(
    destination: &dyn Destination,
    component: &ComponentName,
    releases: usize,
) -> Result<Option<ReleaseChain>> {
    let published = destination.published()?;
    ReleaseChain::read(destination.objects(), destination.store(), &published, component, releases)
}

/// What is signed of a component now. `None` if its present release is not.
pub fn state_now(destination: &dyn Destination, chain: &ReleaseChain) -> Result<Option<ChainState>> {
    Ok(ReleaseChain::state_of(&destination.published()?, &chain.list))
}

/// Whether a component is still what it was.
pub fn is_current(destination: &dyn Destination, chain: &ReleaseChain) -> Result<bool> {
    Ok(state_now(destination, chain)? == Some(chain.state))
}

/// What is decided for a component. `tried`: what was made or came to nothing in this call.
pub fn plan_for(
    destination: &dyn Destination,
    chain: &ReleaseChain,
    tried: &Inventory,
    settings: &DeltaSettings,
) -> Result<Planned> {
    let clients = destination.clients_by_release(chain.list.component())?;
    let mut inventory = destination.inventory(chain)?;
    retain_stored(&mut inventory, destination.store());
    inventory.extend(tried.iter().map(|(pair, item)| (*pair, item.clone())));
    Ok(chain.plan(destination.store(), inventory, &clients, settings))
}

/// A release that is about to be published after those that are, with the deltas to it that there are.
pub fn with_present_deltas(
    destination: &dyn Destination,
    published: &Published,
    list: Option<&ReleaseList>,
    new: Manifest,
    settings: &DeltaSettings,
) -> Result<Manifest> {
    let is_off = settings.releases == 0 || settings.storage_percent == 0;
    let Some(list) = list.filter(|_| !is_off) else { return Ok(new) };
    let (objects, store) = (destination.objects(), destination.store());
    let chain = ReleaseChain::read(objects, store, published, list.component(), settings.releases)?;
    let Some(chain) = chain else { return Ok(new) };
    let mut inventory = destination.inventory(&chain)?;
    retain_stored(&mut inventory, store);
    let others = chain.manifests().collect();
    Ok(name_present_deltas(&new, others, inventory, settings))
}
