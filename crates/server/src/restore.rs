//! A server lost or stolen, made again from a backup and the root keys; no client has to be visited (I2).
//!
//! 1. [`Restore::begin`]: the backup is unpacked beside the data folder and checked.
//! 2. [`Restore::drafts`]: a root for each repository that gives all online roles new keys; its holders sign it.
//! 3. [`Restore::publish`]: everything is signed again under it.
//! 4. [`Restore::finish`]: the folder gets its name. Until then there is no data folder that a server could start on.
//!
//! The backup is older than what clients have seen, and the lost server's keys may be in wrong hands. So what clients
//! compare goes beyond anything that the lost server can have signed: the new root makes them forget the floors of the
//! replaced keys (specification 5.3.11), and the versions of metadata, policy and domains and the numbers of releases are
//! raised by the seconds since 1970, which no server signs as fast as.

mod revocations;

use std::fs;
use std::path::{Path, PathBuf};

use headwater_api::v1::{ReplacementReason, RootDraftAnswer, RootDraftRequest};
use headwater_depot::files;
use headwater_policy::{Class, Repository};
use headwater_publisher::roots::NewRoots;
use headwater_repo::{Passphrase, SignedRoot, UnsignedRoot, error_chain};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::config::Config;
use crate::data::{self, files_below, staging};
use crate::db::releases;
use crate::error::{Doing, Error, Result};
use crate::publishing::{ONLINE_ROLES, bad_root, root_json};
use crate::services::Services;
use crate::start::open_restored;
use crate::upkeep::{Listing, unpack};

/// Present while drafts are out to be signed; holds the backup's listing.
const WAITING: &str = "restore.json";

/// A data folder in the making.
#[derive(Debug)]
pub struct Restore {
    services: Services,
    folder: PathBuf,
    data: PathBuf,
    listing: Listing,
}

impl Restore {
    /// Unpacks the backup beside the data folder that `config` names; `keys` is a copy of the lost data folder's `keys`, for
    /// a backup without them. One that waits for signatures is taken up again with `waiting`.
    ///
    /// # Errors
    /// [`Error::Backup`] where there is something already, or the backup is not good; the disk.
    pub async fn begin(
        backup: &Path,
        config: Config,
        passphrase: Option<&Passphrase>,
        keys: Option<&Path>,
        waiting: bool,
        now: Timestamp,
    ) -> Result<Self> {
        let data = config.data.clone();
        let folder = staging(&data);
        if data.exists() && fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(refused(format!("{} is not empty: give a new folder", data.display())));
        }
        let is_waiting = folder.join(WAITING).exists();
        let listing = match (is_waiting, waiting) {
            (true, true) => read_listing(&folder)?,
            (true, false) => {
                return Err(refused(format!(
                    "a restore in {} waits for signed roots: bring them with --signed-root, or remove that folder to begin again",
                    folder.display()
                )));
            }
            (false, true) => {
                return Err(refused(
                    "no restore waits for signed roots: begin one with --export-root".to_owned(),
                ));
            }
            (false, false) => {
                files::remove_tree(&folder).doing(|| format!("cannot remove {}", folder.display()))?;
                unpack(backup, &folder, passphrase)?
            }
        };
        if let Some(keys) = keys.filter(|_| !is_waiting) {
            copy_keys(keys, &folder.join("keys"))?;
        }
        if !folder.join("keys").is_dir() {
            return Err(refused(
                "the backup has no keys, and endpoints would not know this server: give a copy of the lost data folder's \
                 keys with --keys"
                    .to_owned(),
            ));
        }
        let services = open_restored(Config { data: folder.clone(), ..config }, now).await?;
        Ok(Self { services, folder, data, listing })
    }

    /// When the backup was made.
    pub fn made(&self) -> Timestamp {
        self.listing.made
    }

    /// Whether bodies of releases came with it.
    pub fn has_bodies(&self) -> bool {
        self.listing.bodies
    }

    /// The roots to be signed. `newer` are root files of any repository that the lost server published after the backup;
    /// they are taken as far as they follow. `because`: whether the lost server's keys may be in wrong hands.
    ///
    /// # Errors
    /// The disk.
    pub async fn drafts(
        &self,
        newer: &[(Repository, Vec<u8>)],
        because: ReplacementReason,
        now: Timestamp,
    ) -> Result<Vec<RootDraftAnswer>> {
        let mut drafts = Vec::new();
        for repository in Repository::ALL {
            let roots = self.follow(repository, newer);
            let request = RootDraftRequest {
                replace: ONLINE_ROLES.map(|role| role.name().to_owned()).into(),
                because: Some(because),
                ..RootDraftRequest::default()
            };
            let last = roots
                .last()
                .cloned()
                .unwrap_or_else(|| self.services.publishing.published(repository).root().clone());
            let unsigned = self.services.publishing.root_after(repository, &last, &request, now)?;
            drafts.push(RootDraftAnswer {
                repository: repository.to_string(),
                previous: root_json(last.bytes())?,
                root: root_json(&unsigned.to_bytes())?,
            });
        }
        Ok(drafts)
    }

    /// Notes that the drafts are given away, so that their keys stay.
    ///
    /// # Errors
    /// The disk.
    pub fn wait(self) -> Result<PathBuf> {
        let text = serde_json::to_vec(&self.listing).expect("our own messages have string keys only");
        data::write_file(&self.folder.join(WAITING), &text)?;
        Ok(self.folder)
    }

    /// Publishes a repository under its signed root.
    ///
    /// # Errors
    /// Refusals for a root without enough signatures or is none of [`Self::drafts`]; the disk.
    pub async fn publish(
        &self,
        repository: Repository,
        root: &Value,
        newer: &[(Repository, Vec<u8>)],
        now: Timestamp,
    ) -> Result<u64> {
        let mut roots = self.follow(repository, newer);
        let published = self.services.publishing.published(repository);
        let last = roots.last().cloned().unwrap_or_else(|| published.root().clone());
        let bytes = crate::db::to_json(root).into_bytes();
        let root = UnsignedRoot::from_bytes(&bytes, Some(&last))
            .and_then(|unsigned| unsigned.sign_with(&self.services.publishing.keys(repository).signing.ring))
            .map_err(|error| bad_root(repository, &error))?;
        if published.root().version() >= root.version() {
            return Ok(root.version());
        }
        let version = root.version();
        roots.push(root);
        self.publish_repository(repository, roots, now).await?;
        Ok(version)
    }

    /// Publishes a repository under new roots, beyond anything that the lost server can have signed.
    async fn publish_repository(
        &self,
        repository: Repository,
        roots: Vec<SignedRoot>,
        now: Timestamp,
    ) -> Result<()> {
        let Services { publishing, source_list, db, .. } = &self.services;
        let change = publishing.change().await;
        let step = version_step(now);
        let made = self.listing.made;
        let caller = Caller::server(now);
        let audit_entry =
            caller.audit_entry("repository.restore", repository).after(json!({"backup_of": made}));
        let class = match repository {
            Repository::Policy => {
                let comment = format!("restored from a backup of {made:.0}");
                return source_list.publish_raised_policy(&change, roots, step, comment, audit_entry).await;
            }
            Repository::Class(Class::Settings) => {
                return source_list.publish_raised_settings(&change, roots, step, audit_entry).await;
            }
            Repository::Class(class) => class,
        };
        let mut tx = db.begin().await?;
        releases::lift_sequence_floor(&mut tx, class, step).await?;
        let destination = publishing.destination(repository, &caller).saving(tx, audit_entry);
        let new = NewRoots { roots, version_bump: step, targets: Vec::new() };
        publishing.publish_under(&change, destination, new, now).await
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// The disk.
    pub async fn finish(self) -> Result<()> {
        let Self { services, folder, data, .. } = self;
        services.db.close().await;
        drop(services);
        let waiting = folder.join(WAITING);
        if waiting.exists() {
            fs::remove_file(&waiting).doing(|| format!("cannot remove {}", waiting.display()))?;
        }
        if data.exists() {
            fs::remove_dir(&data).doing(|| format!("cannot replace {}", data.display()))?;
        }
        fs::rename(&folder, &data).doing(|| format!("cannot move {} to {}", folder.display(), data.display()))
    }

    /// The newer roots of a repository, as far as each follows from the one before.
    fn follow(&self, repository: Repository, newer: &[(Repository, Vec<u8>)]) -> Vec<SignedRoot> {
        let mut last = self.services.publishing.published(repository).root().clone();
        let mut roots = Vec::new();
        loop {
            let next = newer.iter().filter(|(of, _)| *of == repository).find_map(|(_, bytes)| {
                UnsignedRoot::from_bytes(bytes, Some(&last)).and_then(|root| root.complete()).ok()
            });
            let Some(next) = next else { return roots };
            last = next.clone();
            roots.push(next);
        }
    }
}

fn read_listing(folder: &Path) -> Result<Listing> {
    let path = folder.join(WAITING);
    let text = fs::read(&path).doing(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text)
        .map_err(|error| refused(format!("{}: {}", path.display(), error_chain(&error))))
}

fn copy_keys(from: &Path, to: &Path) -> Result<()> {
    let doing = || format!("cannot read {}", from.display());
    for path in files_below(from).doing(doing)? {
        let bytes = fs::read(&path).doing(doing)?;
        data::write_file(&to.join(path.strip_prefix(from).expect("it is below")), &bytes)?;
    }
    Ok(())
}

fn refused(reason: String) -> Error {
    Error::Backup { reason }
}

/// By how much everything that clients compare goes up.
fn version_step(now: Timestamp) -> u64 {
    u64::try_from(now.as_second()).unwrap_or(0)
}
