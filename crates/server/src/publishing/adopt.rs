//! Taking the releases of a repository as the truth: the database learns of what was published without it.

use std::sync::Arc;

use headwater_policy::{Class, Repository};
use headwater_publisher::ChangeLock;
use headwater_publisher::deltas::ReleaseChain;
use headwater_publisher::roots::NewRoots;
use headwater_repo::limits::RELEASES_MAX;
use headwater_repo::{ComponentName, Digest, InventoryItem, Role, TargetName, layout};

use super::destination::want_current;
use super::failures::of_publisher;
use super::findings::Hold;
use super::service::PublishingService;
use crate::audit::Record;
use crate::caller::Caller;
use crate::db::releases as rows;
use crate::db::{Tx, client_releases, deltas};
use crate::error::{Refusal, Result};

/// What adopting is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raise {
    /// By how much every number goes up.
    pub by: u64,
    /// Also where database and repositories agree.
    pub always: bool,
}

/// What is published is being adopted: signing goes on, and is stopped again if this is dropped before it has ended well.
#[derive(Debug)]
pub struct Adopting {
    publishing: Arc<PublishingService>,
    hold: Option<Hold>,
}

impl Adopting {
    /// Why signing was stopped; `None` if it was not.
    pub(crate) fn hold(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// It has ended well.
    pub(crate) fn finish(mut self) {
        self.hold = None;
    }
}

impl Drop for Adopting {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            self.publishing.put_hold(hold);
        }
    }
}

impl PublishingService {
    /// Lets signing go on, for who adopts what is published.
    ///
    /// # Errors
    /// [`Refusal::NothingToAdopt`].
    pub(crate) fn begin_adopting(self: &Arc<Self>, raise: Raise) -> Result<Adopting> {
        let hold = self.lift_hold();
        if hold.is_none() && !raise.always {
            return Err(Refusal::NothingToAdopt.into());
        }
        Ok(Adopting { publishing: Arc::clone(self), hold })
    }

    /// The version of a repository's targets.
    pub(crate) fn targets_version(&self, repository: impl Into<Repository>) -> u64 {
        self.published_version(repository, Role::Targets)
    }

    /// Takes the releases of a class as they are signed, and signs them again with every number raised. Returns how many
    /// the database did not know of. `own`: the names that are not the vendor source's; `None` if all are own. The caller
    /// holds [`PublishingService::change`].
    ///
    /// # Errors
    /// A file that is signed is missing; the database, the disk, the keys.
    pub(crate) async fn adopt_class(
        self: &Arc<Self>,
        change: &ChangeLock,
        class: Class,
        own: Option<&[String]>,
        raise: Raise,
        audit_entry: Record,
    ) -> Result<u64> {
        let now = audit_entry.time;
        let published = self.published(class);
        let mut tx = self.db.begin().await?;
        let (mut listed, mut new) = (Vec::new(), 0);
        let names = published.targets().filter_map(|(name, ..)| layout::component_of_release_list(&name));
        for name in names.collect::<Vec<_>>() {
            let chain =
                ReleaseChain::read(self.objects(class), self.store(class), &published, &name, RELEASES_MAX);
            let Some(chain) = chain.map_err(|error| of_publisher(class, error))? else { continue };
            new += self.adopt_releases(&mut tx, class, own, &chain).await?;
            want_current(&mut tx, class, &chain.list, now).await?;
            listed.push(name);
        }
        for row in tx.components(class).await? {
            let Ok(name) = ComponentName::new(row.name) else { continue };
            if !listed.contains(&name) {
                rows::drop_all(&mut tx, class, &name, now).await?;
                client_releases::unwant(&mut tx, class, &name, now).await?;
            }
        }
        rows::lift_sequence_floor(&mut tx, class, raise.by).await?;
        let destination = self.destination(class, &Caller::server(now)).saving(tx, audit_entry);
        let raised = NewRoots { roots: Vec::new(), version_bump: raise.by, targets: Vec::new() };
        self.publish_under(change, destination, raised, now).await?;
        Ok(new)
    }

    /// Notes the releases of a component, their bodies and their deltas.
    async fn adopt_releases(
        &self,
        tx: &mut Tx,
        class: Class,
        own: Option<&[String]>,
        chain: &ReleaseChain,
    ) -> Result<u64> {
        let list = &chain.list;
        let name = list.component();
        let known = tx.releases(class, name).await?;
        if !tx.components(class).await?.iter().any(|row| row.name == name.as_str()) {
            let from_vendor = own.is_some_and(|own| !own.iter().any(|own| own == name.as_str()));
            rows::put_component(tx, class, name, from_vendor).await?;
        }
        let mut new = 0;
        for manifest in chain.manifests() {
            let bodies: Vec<Digest> = manifest.files.iter().map(|file| file.body.sha256).collect();
            let (sequence, version) = (manifest.sequence, manifest.version.as_str());
            rows::put_release(tx, class, name, (sequence, version), &bodies).await?;
            new += u64::from(!known.iter().any(|row| row.sequence == sequence.get()));
        }
        rows::list_again(tx, class, name, list.releases()[0].sequence).await?;
        for (pair, item) in chain.named() {
            if let InventoryItem::Made(delta) = item {
                deltas::put(tx, class, pair, false, Some(&delta)).await?;
            }
        }
        Ok(new)
    }

    /// A target of a repository, as it is signed; `None` if there is none of this name.
    pub(crate) fn signed_target(&self, repository: Repository, name: &TargetName) -> Result<Option<Vec<u8>>> {
        headwater_publisher::target(self.objects(repository), &self.published(repository), name)
            .map_err(|error| of_publisher(repository, error))
    }
}
