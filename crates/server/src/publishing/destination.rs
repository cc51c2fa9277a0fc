//! A repository of this server as a place to publish: what is saved, what is signed and what is recorded are one
//! step.
//!
//! `headwater-publisher` blocks, and so do the calls here: they run on threads for that, and wait there for the database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use headwater_depot::Store;
use headwater_depot::objects::ObjectStore;
use headwater_policy::{Class, Repository};
use headwater_publisher::deltas::ReleaseChain;
use headwater_publisher::{
    ChangeLock, Destination, Error as PublishError, History, Operation, Purpose, Result as PublishResult,
    SigningKeys, StagedChange,
};
use headwater_repo::{
    ComponentName, Digest, Expiry, Inventory, InventoryItem, Published, ReleaseList, Role, Sequence,
    VersionText,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::failures::of_publisher;
use super::own_components::admit_own;
use super::service::PublishingService;
use super::signing::StagedPublication;
use crate::audit::{Audit, Record};
use crate::caller::Caller;
use crate::db::releases::{self as rows, ReleaseRow};
use crate::db::{Tx, client_releases, deltas};
use crate::error::{Error, Refusal, Result};

/// A repository, changed in somebody's name.
#[derive(Debug)]
pub struct RepositoryDestination {
    publishing: Arc<PublishingService>,
    repository: Repository,
    caller: Caller,
    runtime: Handle,
    /// What the next commit saves and records, if its caller has begun that.
    begun: Mutex<Option<(Tx, Record)>>,
}

impl PublishingService {
    /// A repository, to be published into from a thread that may block.
    #[must_use]
    pub fn destination(
        self: &Arc<Self>,
        repository: impl Into<Repository>,
        caller: &Caller,
    ) -> RepositoryDestination {
        let (publishing, repository) = (Arc::clone(self), repository.into());
        let (caller, runtime, begun) = (caller.clone(), Handle::current(), Mutex::default());
        RepositoryDestination { publishing, repository, caller, runtime, begun }
    }

    /// Publishes on a thread that may block.
    pub(super) async fn with_destination<T: Send + 'static>(
        self: &Arc<Self>,
        repository: impl Into<Repository>,
        caller: &Caller,
        work: impl FnOnce(&RepositoryDestination) -> PublishResult<T> + Send + 'static,
    ) -> Result<T> {
        let repository = repository.into();
        let done = self.destination(repository, caller).work(work).await;
        done.map_err(|error| of_publisher(repository, error))
    }

    /// Saves with a publication what it means, and records it.
    async fn commit_change(
        &self,
        repository: Repository,
        caller: &Caller,
        begun: Option<(Tx, Record)>,
        change: StagedChange<'_>,
    ) -> Result<()> {
        let StagedChange { staged, now, purpose } = change;
        let staged = StagedPublication::new(repository, staged, purpose.is_news());
        let (tx, audit) = match begun {
            Some((tx, audit_entry)) => (tx, audit_entry.into()),
            None => {
                let mut tx = self.db.begin().await?;
                let audit = save_purpose(&mut tx, repository, caller, now, purpose, self).await?;
                (tx, audit)
            }
        };
        self.commit(tx, vec![staged], audit).await?;
        match purpose {
            Purpose::Publish { list, .. } => {
                let (name, version) = (list.component(), &list.current().version);
                tracing::info!(class = %repository, %name, %version, "published");
            }
            Purpose::RollBack { list, .. } => {
                let (name, version) = (list.component(), &list.current().version);
                tracing::info!(class = %repository, %name, %version, "rolled back");
            }
            Purpose::Remove { before } => {
                let name = before.component();
                tracing::info!(class = %repository, %name, "removed from what is published");
            }
            Purpose::JoinDeltas { list } => {
                let (name, release) = (list.component(), list.current().sequence.get());
                tracing::info!(class = %repository, %name, release, "deltas joined");
            }
            Purpose::SignAgain(_) | Purpose::ReplaceRoot { .. } => {}
        }
        if matches!(purpose, Purpose::Publish { .. } | Purpose::RollBack { .. } | Purpose::Remove { .. }) {
            self.delta_worker.wake();
        }
        Ok(())
    }
}

/// What a publication changes in the database, and what the audit log says of it.
async fn save_purpose(
    tx: &mut Tx,
    repository: Repository,
    caller: &Caller,
    now: Timestamp,
    purpose: Purpose<'_>,
    publishing: &PublishingService,
) -> Result<Audit> {
    let subject = |name: &ComponentName| format!("{repository}/{name}");
    Ok(match purpose {
        Purpose::Publish { before, list, bodies } => {
            let (name, current) = (list.component(), list.current());
            let class = class_of(repository)?;
            let row = ReleaseRow { sequence: current.sequence.get(), version: current.version.to_string() };
            rows::put_component(tx, class, name, false).await?;
            rows::insert_release(tx, class, name, &row, bodies).await?;
            want_current(tx, class, list, now).await?;
            let audit_entry = caller.audit_entry("release.publish", subject(name));
            audit_entry.before(json!(before.map(current_of))).after(current_of(list)).into()
        }
        Purpose::RollBack { before, list } => {
            want_current(tx, class_of(repository)?, list, now).await?;
            let audit_entry = caller.audit_entry("release.roll_back", subject(list.component()));
            audit_entry.before(current_of(before)).after(current_of(list)).into()
        }
        Purpose::Remove { before } => {
            let class = class_of(repository)?;
            rows::drop_all(tx, class, before.component(), now).await?;
            client_releases::unwant(tx, class, before.component(), now).await?;
            let audit_entry = caller.audit_entry("release.remove", subject(before.component()));
            audit_entry.before(current_of(before)).into()
        }
        Purpose::JoinDeltas { list } => {
            Caller::server(now).audit_entry("deltas.join", subject(list.component())).into()
        }
        Purpose::SignAgain(role @ (Role::Root | Role::Targets)) => {
            Caller::server(now).audit_entry("repository.sign_again", format!("{role} of {repository}")).into()
        }
        Purpose::SignAgain(Role::Snapshot | Role::Timestamp) => {
            Audit::Exempt("daily routine, and it says nothing new")
        }
        Purpose::ReplaceRoot { version } => {
            let before = publishing.published_version(repository, Role::Root);
            let audit_entry = caller.audit_entry("keys.root", repository);
            audit_entry.before(json!({"version": before})).after(json!({"version": version})).into()
        }
    })
}

/// The class of a repository that has releases.
fn class_of(repository: Repository) -> Result<Class> {
    let reason = || "the policy has no releases".to_owned();
    repository.class().ok_or_else(|| Error::Corrupt { what: "publication", reason: reason() })
}

/// Clients should have the current release from now on, and what left the list goes a while later.
pub(super) async fn want_current(
    tx: &mut Tx,
    class: Class,
    list: &ReleaseList,
    now: Timestamp,
) -> Result<()> {
    let (name, current) = (list.component(), list.current());
    rows::drop_before(tx, class, name, list.releases()[0].sequence, now).await?;
    let version = current.version.as_str();
    Ok(client_releases::want(tx, class, name, current.sequence.get(), version, now).await?)
}

/// The current release, as the audit log describes it.
fn current_of(list: &ReleaseList) -> Value {
    let current = list.current();
    json!({"sequence": current.sequence.get(), "version": current.version.as_str()})
}

impl RepositoryDestination {
    /// What its next commit saves and records, instead of what follows from the purpose alone.
    #[must_use]
    pub(crate) fn saving(self, tx: Tx, audit_entry: Record) -> Self {
        Self { begun: Mutex::new(Some((tx, audit_entry))), ..self }
    }

    /// Which repository it is.
    pub(super) fn repository(&self) -> Repository {
        self.repository
    }

    /// Works with it on a thread that may block.
    pub(super) async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce(&Self) -> PublishResult<T> + Send + 'static,
    ) -> PublishResult<T> {
        tokio::task::spawn_blocking(move || work(&self)).await.expect("publishing does not panic")
    }

    /// The class whose releases are published here.
    fn class(&self) -> PublishResult<Class> {
        class_of(self.repository).map_err(PublishError::of_destination)
    }

    fn admit_own(&self, component: &ComponentName) -> PublishResult<()> {
        let own = self.wait(async {
            let mut db = self.publishing.db.connection().await?;
            self.publishing.own_components(&mut db).await
        })?;
        admit_own(&own, component).map_err(PublishError::of_destination)
    }

    /// Waits for the server's own asynchronous work.
    fn wait<T, E: Into<Error>>(
        &self,
        work: impl Future<Output = std::result::Result<T, E>>,
    ) -> PublishResult<T> {
        self.runtime.block_on(work).map_err(|error| PublishError::of_destination(error.into()))
    }
}

impl Destination for RepositoryDestination {
    fn lock(&self) -> PublishResult<ChangeLock> {
        self.publishing.permit_signing().map_err(PublishError::of_destination)?;
        Ok(self.runtime.block_on(self.publishing.change()))
    }

    fn published(&self) -> PublishResult<Published> {
        Ok(self.publishing.published(self.repository))
    }

    fn timestamp_version(&self) -> PublishResult<u64> {
        Ok(self.publishing.published_version(self.repository, Role::Timestamp))
    }

    fn objects(&self) -> &dyn ObjectStore {
        self.publishing.objects(self.repository)
    }

    fn store(&self) -> &Store {
        self.publishing.store(self.repository)
    }

    fn keys(&self) -> PublishResult<Arc<SigningKeys>> {
        self.publishing.permit_signing().map_err(PublishError::of_destination)?;
        Ok(Arc::clone(&self.publishing.keys(self.repository).signing))
    }

    fn expiry(&self) -> &Expiry {
        &self.publishing.settings.expiry
    }

    fn admit(&self, component: &ComponentName, operation: Operation) -> PublishResult<()> {
        let row = self.wait(self.publishing.db.component(self.class()?, component))?;
        if !row.is_some_and(|row| row.from_vendor) {
            return match operation {
                Operation::Publish if self.class()? == Class::Components => self.admit_own(component),
                Operation::Publish | Operation::Remove => Ok(()),
            };
        }
        let refusal = match operation {
            Operation::Publish => Refusal::NameOfVendor(component.to_string()),
            Operation::Remove => Refusal::invalid(format!(
                "name: {component} comes from the vendor source, and the next sync would bring it back; go back to an \
                 earlier release, or remove the vendor source first"
            )),
        };
        Err(PublishError::of_destination(Error::from(refusal)))
    }

    fn history(&self, component: &ComponentName) -> PublishResult<History> {
        let (class, db) = (self.class()?, &self.publishing.db);
        let corrupt = |what: &'static str, reason: String| {
            PublishError::of_destination(Error::Corrupt { what, reason })
        };
        let release = |row: ReleaseRow| {
            let sequence =
                Sequence::new(row.sequence).map_err(|error| corrupt("sequence", error.to_string()))?;
            let version =
                VersionText::new(row.version).map_err(|error| corrupt("version", error.to_string()))?;
            Ok((sequence, version))
        };
        let releases = self.wait(db.releases(class, component))?;
        let releases = releases.into_iter().map(release).collect::<PublishResult<_>>()?;
        Ok(History { releases, sequence_floor: self.wait(db.sequence_floor(class))? })
    }

    fn inventory(&self, _chain: &ReleaseChain) -> PublishResult<Inventory> {
        self.wait(self.publishing.db.inventory(self.class()?))
    }

    fn note_delta(&self, pair: (Digest, Digest), item: &InventoryItem) -> PublishResult<()> {
        let (delta, is_taken) = match item {
            InventoryItem::Made(delta) => (Some(delta), false),
            InventoryItem::Taken(delta) => (Some(delta), true),
            InventoryItem::Useless => (None, false),
        };
        let class = self.class()?;
        self.wait(async {
            let mut tx = self.publishing.db.begin().await?;
            deltas::put(&mut tx, class, pair, is_taken, delta).await?;
            tx.commit(Audit::Exempt("made from what was published; what is signed of it is recorded")).await
        })
    }

    fn keeps_inventory(&self) -> bool {
        true
    }

    fn clients_by_release(&self, component: &ComponentName) -> PublishResult<BTreeMap<u64, u64>> {
        self.wait(self.publishing.db.clients_at(self.class()?, component))
    }

    fn commit(&self, _lock: &ChangeLock, change: StagedChange<'_>) -> PublishResult<()> {
        let begun = self.begun.lock().expect("nobody panics while holding this lock").take();
        self.wait(self.publishing.commit_change(self.repository, &self.caller, begun, change))
    }
}
