//! Reading what [`super::decide`] decides on.

use std::collections::HashSet;

use headwater_depot::objects::ObjectStore;
use headwater_policy::Repository;
use headwater_repo::{KeyRing, Published, Role, Trusted, error_chain, layout};
use jiff::Timestamp;
use serde_json::Value;

use super::{Facts, Recorded, Served};
use crate::db::repositories::RepositoryRow;
use crate::error::Result;
use crate::publishing::failures::store_failed;

/// What was read of one repository, with the states that can be built upon.
#[derive(Debug)]
pub(in crate::publishing) struct RepositoryState {
    /// What is decided on.
    pub facts: Facts,
    /// The database's publication, if all of its metadata is there.
    pub recorded: Option<Published>,
    /// The newest publication that the folder shows, if it is another and whole.
    pub found: Option<Published>,
}

/// The files of one repository.
pub(in crate::publishing) struct Folder<'a> {
    /// The repository.
    pub repository: Repository,
    /// Its files.
    pub objects: &'a dyn ObjectStore,
    /// Its keys: a state without a timestamp is verified with them.
    pub ring: &'a KeyRing,
}

impl RepositoryState {
    /// Reads a repository and compares it with its row.
    ///
    /// # Errors
    /// When the disk fails; what is missing or wrong is in the facts.
    pub(in crate::publishing) fn read(
        folder: &Folder<'_>,
        row: Option<&RepositoryRow>,
        now: Timestamp,
    ) -> Result<Self> {
        let Some(row) = row else {
            let facts =
                Facts { repository: folder.repository, recorded: None, served: Served::Missing, later: None };
            return Ok(Self { facts, recorded: None, found: None });
        };
        let (recorded, metadata_missing) = folder.recorded(row)?;
        let target_missing = match &recorded {
            Some(published) => folder.missing_target(published)?,
            None => None,
        };
        let timestamp = version_of(&row.timestamp).unwrap_or(0);
        let (served, mut found) = folder.served(row)?;
        let mut later = None;
        if let Some((file, published)) = folder.later(row, now)? {
            later = Some(file);
            found = found.or(published);
        }
        let recorded_facts = Recorded { timestamp, metadata_missing, target_missing };
        let facts = Facts { repository: folder.repository, recorded: Some(recorded_facts), served, later };
        Ok(Self { facts, recorded, found })
    }
}

impl Folder<'_> {
    fn get(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.objects.get(path, None).map_err(|error| store_failed(self.repository, error))
    }

    /// The database's publication, or the first file of it that is missing or another.
    fn recorded(&self, row: &RepositoryRow) -> Result<(Option<Published>, Option<String>)> {
        let versions = [
            (Role::Root, row.root_version),
            (Role::Snapshot, row.snapshot_version),
            (Role::Targets, row.targets_version),
        ];
        let mut files = Vec::new();
        for (role, version) in versions {
            let path = layout::metadata(role, version);
            match self.get(&path)? {
                Some(bytes) => files.push(bytes),
                None => return Ok((None, Some(path))),
            }
        }
        match Published::read(&files[0], &row.timestamp, &files[1], &files[2]) {
            Ok(published) => Ok((Some(published), None)),
            Err(error) => {
                let path = layout::metadata(Role::Snapshot, row.snapshot_version);
                Ok((None, Some(format!("{path}, as it was signed ({}),", error_chain(&error)))))
            }
        }
    }

    fn missing_target(&self, published: &Published) -> Result<Option<String>> {
        let prefix = format!("{}/", layout::TARGETS_FOLDER);
        let listed = self.objects.list(&prefix).map_err(|error| store_failed(self.repository, error))?;
        let there: HashSet<&str> = listed.iter().map(|object| object.path.as_str()).collect();
        let mut targets = published.targets().map(|(name, _, digest)| layout::target(&name, &digest));
        Ok(targets.find(|path| !there.contains(path.as_str())))
    }

    /// What the timestamp in the folder is, and what it leads to.
    fn served(&self, row: &RepositoryRow) -> Result<(Served, Option<Published>)> {
        let Some(bytes) = self.get(layout::TIMESTAMP)? else { return Ok((Served::Missing, None)) };
        if bytes == row.timestamp {
            return Ok((Served::Same, None));
        }
        let mut reason = "it is no metadata".to_owned();
        for root in self.roots_newest_first()? {
            let verified = Trusted::from_root(&root).and_then(|mut trusted| {
                trusted.update_timestamp(&bytes, Timestamp::MIN).map(|()| trusted.timestamp_version())
            });
            match verified {
                Ok(version) => {
                    let served = Served::Other { timestamp: version.unwrap_or(0) };
                    return Ok((served, self.led_to(&root, &bytes)?));
                }
                Err(error) => reason = error_chain(&error),
            }
        }
        Ok((Served::Unverified(reason), None))
    }

    /// The publication that a timestamp leads to, if it is whole.
    fn led_to(&self, root: &[u8], timestamp: &[u8]) -> Result<Option<Published>> {
        let Some(snapshot) = self.pinned(timestamp, Role::Snapshot)? else { return Ok(None) };
        let Some(targets) = self.pinned(&snapshot, Role::Targets)? else { return Ok(None) };
        Ok(Published::read(root, timestamp, &snapshot, &targets).ok())
    }

    fn pinned(&self, metadata: &[u8], role: Role) -> Result<Option<Vec<u8>>> {
        let file = format!("{role}.json");
        let version =
            parsed(metadata).and_then(|document| document["signed"]["meta"][&file]["version"].as_u64());
        version.map_or(Ok(None), |version| self.get(&layout::metadata(role, version)))
    }

    /// Metadata that a publication after the next one made: a killed publication leaves the next one's at most.
    fn later(&self, row: &RepositoryRow, now: Timestamp) -> Result<Option<(String, Option<Published>)>> {
        let root = layout::metadata(Role::Root, row.root_version + 2);
        if self.get(&root)?.is_some() {
            return Ok(Some((root, None)));
        }
        let prefix = format!("{}/", layout::METADATA_FOLDER);
        let listed = self.objects.list(&prefix).map_err(|error| store_failed(self.repository, error))?;
        let version = |path: &str| -> Option<u64> {
            path.strip_prefix(&prefix)?.strip_suffix(".snapshot.json")?.parse().ok()
        };
        let newest = listed.iter().filter_map(|object| version(&object.path)).max().unwrap_or(0);
        if newest <= row.snapshot_version + 1 {
            return Ok(None);
        }
        let path = layout::metadata(Role::Snapshot, newest);
        let Some(snapshot) = self.get(&path)? else { return Ok(None) };
        let Some(targets) = self.pinned(&snapshot, Role::Targets)? else { return Ok(None) };
        let assumed = version_of(&row.timestamp).unwrap_or(0);
        for root in self.roots_newest_first()? {
            let read = Published::read_without_timestamp(&root, &snapshot, &targets, assumed, self.ring, now);
            if let Ok(published) = read {
                return Ok(Some((path, Some(published))));
            }
        }
        Ok(None)
    }

    /// Every root in the folder, without gaps from the first on.
    fn roots_newest_first(&self) -> Result<Vec<Vec<u8>>> {
        let mut roots = Vec::new();
        while let Some(root) = self.get(&layout::metadata(Role::Root, roots.len() as u64 + 1))? {
            roots.push(root);
        }
        roots.reverse();
        Ok(roots)
    }
}

fn parsed(metadata: &[u8]) -> Option<Value> {
    serde_json::from_slice(metadata).ok()
}

fn version_of(metadata: &[u8]) -> Option<u64> {
    parsed(metadata)?["signed"]["version"].as_u64()
}

/// When metadata expires, unverified.
pub(in crate::publishing) fn expires_of(metadata: &[u8]) -> Option<Timestamp> {
    parsed(metadata)?["signed"]["expires"].as_str()?.parse().ok()
}
