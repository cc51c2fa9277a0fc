//! Saving and signing as one step.
//!
//! 1. [`Publishing::stage`]: targets, then `N.targets.json`, then `N.snapshot.json` are written. Nothing leads to them yet.
//! 2. [`Publishing::commit`]: one database transaction holds what the use case saves *and* the bytes of the new
//!    `timestamp.json`. This is the moment of publication.
//! 3. The same function copies those bytes to the file. A crash between is repaired by [`Publishing::open_repository`]
//!    at the next start, a full disk by the signing job.
//!
//! A crash before 2 leaves files that the next publication of the same version overwrites and garbage collection
//! removes; a crash after it loses nothing.

use headwater_policy::Class;
use headwater_repo::{Draft, Published, Role, RootDraft, Signed, SignedRoot, Unsigned, WriteError, layout};
use jiff::{SignedDuration, Timestamp};

use super::Publishing;
use crate::audit::{Audit, Record};
use crate::caller::Caller;
use crate::data;
use crate::db::repositories::{self, RepositoryRow};
use crate::db::{Tx, deltas};
use crate::error::{Error, Result};
use crate::limits::RESIGN_LIFE_LEFT_DIVISOR;
use headwater_repo::error_chain;

/// Signed and written, but for the file that leads to it.
#[derive(Debug)]
#[must_use = "what is staged is published by `commit` only"]
pub struct Staged {
    class: Class,
    published: Published,
    timestamp: Vec<u8>,
    /// Whether there is anything new in it for clients.
    news: bool,
}

impl Staged {
    /// The same content as before, said otherwise (signed anew, or with more deltas): not announced to clients, so
    /// that no source that lacks it is held to be stale.
    pub fn without_news(self) -> Self {
        Self { news: false, ..self }
    }

    /// Version of the targets metadata once it is committed.
    pub fn targets_version(&self) -> u64 {
        self.published.version(Role::Targets)
    }
}

impl Publishing {
    /// The next publication of a class, so far as it is now.
    pub(crate) fn draft(&self, class: Class) -> Draft {
        Draft::next(&self.published(class))
    }

    /// Signs a draft and writes all of it but `timestamp.json`.
    pub(crate) fn stage(&self, class: Class, mut draft: Draft, now: Timestamp) -> Result<Staged> {
        if class == Class::Settings {
            self.add_audit_anchor(&mut draft)?;
        }
        let unsigned = draft.finish(now, &self.expiry).map_err(failed(class, "draft"))?;
        self.write(class, &self.sign(class, unsigned)?)
    }

    /// Saves, publishes and records: `tx` holds what the use case saves.
    pub(crate) async fn commit(
        &self,
        mut tx: Tx,
        staged: Vec<Staged>,
        audit: impl Into<Audit>,
    ) -> Result<()> {
        fail::fail_point!("publishing::staged", staged.iter().any(|staged| staged.news), |_| Err(
            Error::Interrupted
        ));
        for staged in &staged {
            repositories::put(&mut tx, &row(staged)).await?;
            if staged.news {
                deltas::announce(&mut tx, staged.class, staged.targets_version()).await?;
            }
        }
        tx.commit(audit).await?;
        {
            let mut published = self.published.write().expect("nobody panics while holding this lock");
            for staged in &staged {
                published.insert(staged.class, staged.published.clone());
                if staged.news {
                    self.note_announced(staged.class, staged.targets_version());
                }
            }
        }
        fail::fail_point!("publishing::saved", staged.iter().any(|staged| staged.news), |_| Err(
            Error::Interrupted
        ));
        for Staged { class, timestamp, .. } in &staged {
            if let Err(error) = self.expose(*class, timestamp) {
                // It is saved, and that is what is to be told. The signing job puts the file in place, and tells in the
                // status as long as it cannot.
                tracing::error!(%class, error = error_chain(&error), "what was published is not yet to be had");
            }
        }
        Ok(())
    }

    /// Records what changes nothing that is stored.
    pub(crate) async fn record(&self, record: Record) -> Result<()> {
        Ok(self.db.begin().await?.commit(record).await?)
    }

    /// Reads what is signed, and puts `timestamp.json` in place where a crash kept it from being so.
    /// Says whether the class has been published at all.
    pub(crate) async fn open_repository(&self, class: Class) -> Result<bool> {
        let Some(row) = self.db.repository(class).await? else { return Ok(false) };
        let read = |role, version| self.data.read_repository(class, &layout::metadata(role, version));
        let published = Published::read(
            &read(Role::Root, row.root_version)?,
            &row.timestamp,
            &read(Role::Snapshot, row.snapshot_version)?,
            &read(Role::Targets, row.targets_version)?,
        )
        .map_err(failed(class, "reading what is signed"))?;
        self.published.write().expect("nobody panics while holding this lock").insert(class, published);
        self.expose(class, &row.timestamp)?;
        Ok(true)
    }

    /// The first root of a class.
    pub(crate) fn first_root(&self, class: Class, now: Timestamp) -> Result<SignedRoot> {
        let keys = self.keys(class);
        let draft = self
            .key_store(class)
            .make()?
            .into_iter()
            .fold(RootDraft::first(), |draft, (role, key)| draft.role(role, 1, [key]));
        draft
            .finish(now, &self.expiry)
            .and_then(|unsigned| unsigned.sign_with(&keys.ring))
            .map_err(failed(class, "making the root"))
    }

    /// Signs anew whatever of a class has half of its life behind it; says what, if anything.
    pub(crate) async fn sign_again(&self, class: Class, now: Timestamp) -> Result<Option<Role>> {
        let _change = self.change().await;
        let published = self.published(class);
        let due = |role, life: SignedDuration| {
            published.expires(role).duration_since(now) * (RESIGN_LIFE_LEFT_DIVISOR as i32) < life
        };
        let keys = self.keys(class);
        let root = published.root();
        let can_renew = keys.ring.reaches(root.key_ids(Role::Root), root.threshold(Role::Root));
        let (role, unsigned) = if due(Role::Root, self.expiry.root) && can_renew {
            let root = RootDraft::next(root)
                .and_then(|draft| draft.finish(now, &self.expiry))
                .and_then(|unsigned| unsigned.sign_with(&keys.ring))
                .map_err(failed(class, "renewing the root"))?;
            let mut draft = Draft::next(&published);
            draft.rotate_root(root).map_err(failed(class, "renewing the root"))?;
            (Role::Root, draft.finish(now, &self.expiry))
        } else if due(Role::Targets, self.expiry.targets) {
            (Role::Targets, Draft::next(&published).finish(now, &self.expiry))
        } else if due(Role::Snapshot, self.expiry.snapshot) {
            (Role::Snapshot, Unsigned::snapshot_again(&published, now, &self.expiry))
        } else if due(Role::Timestamp, self.expiry.timestamp) {
            (Role::Timestamp, Unsigned::timestamp_again(&published, now, &self.expiry))
        } else {
            // A full disk may have kept the file from its place.
            if let Some(row) = self.db.repository(class).await? {
                self.expose(class, &row.timestamp)?;
            }
            return Ok(None);
        };
        let unsigned = unsigned.map_err(failed(class, "signing anew"))?;
        let staged = self.write(class, &self.sign(class, unsigned)?)?;
        let tx = self.db.begin().await?;
        let audit = match role {
            Role::Root | Role::Targets => {
                Caller::server(now).audit_entry("repository.sign_again", format!("{role} of {class}")).into()
            }
            Role::Snapshot | Role::Timestamp => Audit::Exempt("daily routine, and it says nothing new"),
        };
        self.commit(tx, vec![staged.without_news()], audit).await?;
        Ok(Some(role))
    }

    pub(crate) fn sign(&self, class: Class, unsigned: Unsigned) -> Result<Signed> {
        let keys = self.keys(class);
        unsigned.sign_overlapping(&keys.ring, &keys.held).map_err(failed(class, "signing"))
    }

    fn write(&self, class: Class, signed: &Signed) -> Result<Staged> {
        let folder = self.data.repository(class);
        let mut timestamp = Vec::new();
        for file in signed.files() {
            if file.path == layout::TIMESTAMP {
                timestamp.clone_from(&file.bytes);
            } else {
                data::write_file(&folder.join(&file.path), &file.bytes)?;
            }
        }
        Ok(Staged { class, published: signed.published().clone(), timestamp, news: true })
    }

    fn expose(&self, class: Class, timestamp: &[u8]) -> Result<()> {
        let path = self.data.repository(class).join(layout::TIMESTAMP);
        if std::fs::read(&path).is_ok_and(|present| present == timestamp) {
            return Ok(());
        }
        data::write_file(&path, timestamp)
    }
}

fn row(staged: &Staged) -> RepositoryRow {
    RepositoryRow {
        class: staged.class,
        root_version: staged.published.version(Role::Root),
        snapshot_version: staged.published.version(Role::Snapshot),
        targets_version: staged.published.version(Role::Targets),
        timestamp: staged.timestamp.clone(),
    }
}

/// A failure to write metadata as the server's own.
pub(crate) fn failed(class: Class, doing: &'static str) -> impl FnOnce(WriteError) -> Error {
    move |error| Error::Repository { class, doing, reason: error_chain(&error) }
}
