//! Saving and signing as one step.
//!
//! 1. [`PublishingService::stage`]: targets, then `N.targets.json`, then `N.snapshot.json` are written. Nothing leads
//!    to them yet.
//! 2. [`PublishingService::commit`]: one database transaction holds what the use case saves *and* the bytes of the new
//!    `timestamp.json`. This is the moment of publication.
//! 3. The same function copies those bytes to the file. A crash between is repaired by [`PublishingService::open_repositories`]
//!    at the next start, a full disk by the signing job.
//!
//! A crash before 2 leaves files that the next publication of the same version overwrites and garbage collection
//! removes; a crash after it loses nothing.

use std::sync::Arc;

use headwater_policy::Repository;
use headwater_publisher::{Destination as _, Refresh, sign_again, stage};
use headwater_repo::{Published, Role, RootDraft, SignedRoot, TargetsDraft, WriteError, error_chain, layout};
use jiff::Timestamp;

use super::failures::{of_publisher, store_failed};
use super::service::PublishingService;
use crate::audit::{Audit, Record};
use crate::caller::Caller;
use crate::db::repositories::{self, RepositoryRow};
use crate::db::{Tx, deltas};
use crate::error::{Error, Result};

/// Signed and written, but for the file that leads to it.
#[derive(Debug)]
#[must_use = "what is staged is published by `commit` only"]
pub struct StagedPublication {
    repository: Repository,
    published: Published,
    timestamp: Vec<u8>,
    /// Whether there is anything new in it for clients.
    news: bool,
}

impl StagedPublication {
    /// What `headwater-publisher` staged for a repository.
    pub(super) fn new(
        repository: Repository,
        staged: headwater_publisher::StagedMetadata,
        news: bool,
    ) -> Self {
        Self { repository, published: staged.published, timestamp: staged.timestamp, news }
    }

    /// The same content as before, signed again or with more deltas: not announced to clients, so that no source without
    /// it counts as stale.
    pub fn without_news(self) -> Self {
        Self { news: false, ..self }
    }

    /// Version of the targets metadata once it is committed.
    pub fn targets_version(&self) -> u64 {
        self.published.version(Role::Targets)
    }
}

impl PublishingService {
    /// The next publication of a repository, so far as it is now.
    pub(crate) fn draft(&self, repository: impl Into<Repository>) -> TargetsDraft {
        TargetsDraft::next(&self.published(repository))
    }

    /// Signs a draft and writes all of it but `timestamp.json`.
    pub(crate) fn stage(
        &self,
        repository: impl Into<Repository>,
        mut draft: TargetsDraft,
        now: Timestamp,
    ) -> Result<StagedPublication> {
        let repository = repository.into();
        self.permit_signing()?;
        if repository == Repository::Policy {
            let (name, content) = self.audit_anchor_target();
            draft.add(name, content).map_err(failed(repository, "draft"))?;
        }
        let unsigned = draft.finish(now, &self.settings.expiry).map_err(failed(repository, "draft"))?;
        let keys = Arc::clone(&self.keys(repository).signing);
        let staged = stage(self.objects(repository), &keys, unsigned)
            .map_err(|error| of_publisher(repository, error))?;
        Ok(StagedPublication::new(repository, staged, true))
    }

    /// Saves, publishes and records: `tx` holds what the use case saves.
    pub(crate) async fn commit(
        &self,
        mut tx: Tx,
        staged: Vec<StagedPublication>,
        audit: impl Into<Audit>,
    ) -> Result<()> {
        if !staged.is_empty() {
            self.permit_signing()?;
        }
        fail::fail_point!("publishing::staged", staged.iter().any(|staged| staged.news), |_| Err(
            Error::Interrupted
        ));
        for staged in &staged {
            repositories::put(&mut tx, &row(staged)).await?;
            if staged.news {
                deltas::announce(&mut tx, staged.repository, staged.targets_version()).await?;
            }
        }
        tx.commit(audit).await?;
        {
            let mut published = self.published.write().expect("nobody panics while holding this lock");
            for staged in &staged {
                published.insert(staged.repository, staged.published.clone());
                if staged.news {
                    self.note_announced(staged.repository, staged.targets_version());
                }
            }
        }
        fail::fail_point!("publishing::saved", staged.iter().any(|staged| staged.news), |_| Err(
            Error::Interrupted
        ));
        for StagedPublication { repository, timestamp, .. } in &staged {
            if let Err(error) = self.publish_timestamp(*repository, timestamp) {
                // It is saved, and the caller learns that. The signing job puts the file in place, and shows in the
                // status as long as it cannot.
                tracing::error!(%repository, error = error_chain(&error), "what was published is not served yet");
            }
        }
        Ok(())
    }

    /// Records what changes nothing that is stored.
    pub(crate) async fn record(&self, record: Record) -> Result<()> {
        Ok(self.db.begin().await?.commit(record).await?)
    }

    /// Reads what is signed in a data folder in the making, and puts `timestamp.json` in place where a crash kept it from
    /// being so. Returns whether the repository has been published at all. [`PublishingService::open_repositories`] is for a
    /// server's folder.
    pub(crate) async fn open_repository(&self, repository: Repository) -> Result<bool> {
        let Some(row) = self.db.repository(repository).await? else { return Ok(false) };
        let read = |role, version| self.read_object(repository, &layout::metadata(role, version));
        let published = Published::read(
            &read(Role::Root, row.root_version)?,
            &row.timestamp,
            &read(Role::Snapshot, row.snapshot_version)?,
            &read(Role::Targets, row.targets_version)?,
        )
        .map_err(failed(repository, "reading what is signed"))?;
        self.published.write().expect("nobody panics while holding this lock").insert(repository, published);
        self.publish_timestamp(repository, &row.timestamp)?;
        Ok(true)
    }

    /// The first root of a repository.
    pub(crate) fn first_root(&self, repository: Repository, now: Timestamp) -> Result<SignedRoot> {
        let keys = self.keys(repository);
        let draft = self
            .key_store(repository)
            .make()?
            .into_iter()
            .fold(RootDraft::first(), |draft, (role, key)| draft.role(role, 1, [key]));
        draft
            .finish(now, &self.settings.expiry)
            .and_then(|unsigned| unsigned.sign_with(&keys.signing.ring))
            .map_err(failed(repository, "making the root"))
    }

    /// Signs again whatever of a repository has half of its life behind it. Gives the role that it began at.
    pub(crate) async fn sign_again(
        self: &Arc<Self>,
        repository: Repository,
        now: Timestamp,
    ) -> Result<Option<Role>> {
        let server = Caller::server(now);
        let signed = self.with_destination(repository, &server, move |destination| {
            let lock = destination.lock()?;
            sign_again(destination, &lock, &destination.published()?, Refresh::Due, now)
        });
        let signed = signed.await?;
        if signed.is_none() {
            // A full disk may have kept the file from its place.
            let _change = self.change().await;
            if let Some(row) = self.db.repository(repository).await? {
                self.publish_timestamp(repository, &row.timestamp)?;
            }
        }
        Ok(signed)
    }

    pub(super) fn publish_timestamp(&self, repository: Repository, timestamp: &[u8]) -> Result<()> {
        let objects = self.objects(repository);
        let failed = |error| store_failed(repository, error);
        if objects.get(layout::TIMESTAMP, None).map_err(failed)?.is_some_and(|present| present == timestamp) {
            return Ok(());
        }
        objects.replace(layout::TIMESTAMP, timestamp).map_err(failed)
    }
}

fn row(staged: &StagedPublication) -> RepositoryRow {
    RepositoryRow {
        repository: staged.repository,
        root_version: staged.published.version(Role::Root),
        snapshot_version: staged.published.version(Role::Snapshot),
        targets_version: staged.published.version(Role::Targets),
        timestamp: staged.timestamp.clone(),
    }
}

/// A failure to write metadata as the server's own.
pub(crate) fn failed(
    repository: impl Into<Repository>,
    doing: &'static str,
) -> impl FnOnce(WriteError) -> Error {
    let repository = repository.into();
    move |error| Error::Repository { repository, doing, reason: error_chain(&error) }
}
