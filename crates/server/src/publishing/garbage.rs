//! Collecting what nothing leads to any more: blobs of dropped releases and of failed publications, metadata and
//! targets that are no longer current.

use std::collections::{BTreeSet, HashSet};

use headwater_depot::objects::ObjectInfo;
use headwater_policy::{Class, Repository};
use headwater_repo::{Role, layout};
use jiff::{SignedDuration, Timestamp};

use super::failures::store_failed;
use super::service::PublishingService;
use crate::audit::Audit;
use crate::db::{deltas, releases};
use crate::error::Result;
use crate::limits::{BLOB_GRACE_SECONDS, OLD_METADATA_GRACE_SECONDS};

impl PublishingService {
    /// Collects garbage; returns a sentence with what was removed, or with why nothing may be.
    ///
    /// # Errors
    /// When the database or the disk fails.
    pub async fn collect_garbage(&self, now: Timestamp) -> Result<String> {
        let _change = self.change().await;
        // Adopting, which holds the same turn, may have failed while this waited: then signing is stopped again.
        if let Some(reason) = self.deletes_nothing(now) {
            return Ok(reason);
        }
        for class in Class::ALL {
            self.mark_deltas(class, now).await?;
        }
        let mut tx = self.db.begin().await?;
        let before = now - SignedDuration::from_secs(BLOB_GRACE_SECONDS);
        releases::forget_blobs(&mut tx, before).await?;
        deltas::forget(&mut tx, before).await?;
        tx.commit(Audit::Exempt("nothing that a release list leads to")).await?;
        let (mut blobs, mut bytes, mut files) = (0, 0, 0);
        for repository in Repository::ALL {
            let keep: HashSet<_> = match repository.class() {
                Some(class) => self.db.blobs(class).await?.into_iter().collect(),
                None => HashSet::new(),
            };
            let store = self.store(repository).clone();
            let collected = tokio::task::spawn_blocking(move || store.collect(&keep))
                .await
                .expect("collecting does not panic")
                .map_err(|error| store_failed(repository, error))?;
            blobs += collected.removed;
            bytes += collected.bytes;
            files += self.collect_metadata(repository, now)?;
        }
        Ok(format!("{blobs} blobs ({bytes} bytes) and {files} old metadata files removed"))
    }

    fn collect_metadata(&self, repository: Repository, now: Timestamp) -> Result<u64> {
        let published = self.published(repository);
        let mut keep: BTreeSet<String> = [Role::Timestamp, Role::Snapshot, Role::Targets]
            .map(|role| layout::metadata(role, published.version(role)))
            .into();
        keep.extend(published.targets().map(|(name, _, digest)| layout::target(&name, &digest)));
        let objects = self.objects(repository);
        let failed = |error| store_failed(repository, error);
        let mut removed = 0;
        for part in [layout::METADATA_FOLDER, layout::TARGETS_FOLDER] {
            for object in objects.list(&format!("{part}/")).map_err(failed)? {
                let is_root = object.path.ends_with(".root.json") && part == layout::METADATA_FOLDER;
                if !is_root && !keep.contains(&object.path) && is_old(&object, now) {
                    removed += u64::from(objects.delete(&object.path).map_err(failed)?);
                }
            }
        }
        Ok(removed)
    }
}

fn is_old(object: &ObjectInfo, now: Timestamp) -> bool {
    let grace = SignedDuration::from_secs(OLD_METADATA_GRACE_SECONDS);
    Timestamp::try_from(object.modified).is_ok_and(|stored| now.duration_since(stored) > grace)
}
