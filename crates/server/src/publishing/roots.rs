//! Keys and roots: what there is, what has to be done by when, and how a root is replaced (I2).
//!
//! 1. [`PublishingService::draft_root`] drafts the root to sign. Keys for online roles are made now and wait
//!    (`pending`).
//! 2. The holders of the root keys sign it, on whatever machine.
//! 3. [`PublishingService::submit_root`] publishes it together with everything signed under it, then the key files are
//!    moved.
//!
//! Once the root key is offline, this process cannot sign a root. If it crashes after a root was written and before it was
//! published, [`PublishingService::resume_root`] publishes it, at the next start or run of the signing job.

use std::sync::Arc;

use headwater_api::v1::{
    KeysView, ReplacementReason, RepositoryKeysView, RetiredKey, RoleKeysView, RootDraftAnswer,
    RootDraftRequest,
};
use headwater_policy::Repository;
use headwater_publisher::roots::{NewRoots, RootChange, draft_root, publish_under};
use headwater_publisher::{ChangeLock, Error as PublishError};
use headwater_repo::{
    KeyReplacement, PublicKey, Published, Role, SignedRoot, UnsignedRoot, WriteError, error_chain, layout,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::destination::RepositoryDestination;
use super::failures::of_publisher;
use super::key_store::{KeyStore, ONLINE_ROLES, RepositoryKeys};
use super::service::PublishingService;
use super::signing::failed;
use crate::caller::Caller;
use crate::error::{Error, Refusal, Result};
use crate::limits::ROOT_WARNING_DAYS;

impl PublishingService {
    /// The keys of all repositories.
    pub fn keys_view(&self, now: Timestamp) -> KeysView {
        let repositories = Repository::ALL.map(|repository| self.repository_keys_view(repository)).into();
        KeysView { repositories, to_do: self.keys_to_do(now) }
    }

    /// What has to be done about keys, the most urgent first.
    pub(crate) fn keys_to_do(&self, now: Timestamp) -> Vec<String> {
        let mut to_do = Vec::new();
        let views = Repository::ALL.map(|repository| self.repository_keys_view(repository));
        let soon = now + SignedDuration::from_hours(24 * ROOT_WARNING_DAYS);
        let is_near = |view: &&RepositoryKeysView| {
            let root_is_due = view.renew_by <= now || view.root_expires <= soon;
            !view.root_keys_here && root_is_due
        };
        let near: Vec<&RepositoryKeysView> = views.iter().filter(is_near).collect();
        if let Some(first) = near.iter().map(|view| view.root_expires).min() {
            let names: Vec<&str> = near.iter().map(|view| view.repository.as_str()).collect();
            let what = if first <= now {
                format!("has expired at {first}, and clients take nothing from anybody")
            } else {
                format!("expires at {first}; after that clients take nothing from anybody")
            };
            to_do.push(format!(
                "the root of {} {what}: `headwater keys renew --root-keys FOLDER` signs it again with the offline root keys",
                names.join(", ")
            ));
        }
        if self.any_root_key_here() {
            to_do.push(
                "the root keys are in the data folder, and anyone who reads it can sign anything: `headwater keys init --out \
                 FOLDER` moves them offline"
                    .to_owned(),
            );
        }
        to_do
    }

    /// The root to be signed next.
    ///
    /// # Errors
    /// A refusal for what makes no root; the disk.
    pub async fn draft_root(
        &self,
        repository: Repository,
        request: &RootDraftRequest,
        caller: &Caller,
    ) -> Result<RootDraftAnswer> {
        let _change = self.change().await;
        let published = self.published(repository);
        let unsigned = self.root_after(repository, published.root(), request, caller.now)?;
        let requested = serde_json::to_value(request).expect("wire messages have string keys only");
        self.record(caller.audit_entry("keys.draft_root", repository).after(requested)).await?;
        Ok(RootDraftAnswer {
            repository: repository.to_string(),
            previous: json(published.root().bytes())?,
            root: json(&unsigned.to_bytes())?,
        })
    }

    /// The root after `present`.
    pub(crate) fn root_after(
        &self,
        repository: Repository,
        present: &SignedRoot,
        request: &RootDraftRequest,
        now: Timestamp,
    ) -> Result<UnsignedRoot> {
        let mut change = RootChange::default();
        for name in &request.replace {
            let role = ONLINE_ROLES.into_iter().find(|role| role.name() == name).ok_or_else(|| {
                Refusal::invalid(format!("replace: `{name}` is none of targets, snapshot, timestamp"))
            })?;
            change.replace.push((role, self.key_store(repository).pending(role)?));
        }
        if let Some(keys) = &request.root_keys {
            let keys: std::result::Result<Vec<PublicKey>, _> = keys.iter().map(|key| key.parse()).collect();
            change.root_keys = Some(keys.map_err(|error: headwater_repo::KeyError| {
                Refusal::invalid(format!("root_keys: {error}"))
            })?);
        }
        change.root_threshold = request.root_threshold.map(|threshold| threshold as usize);
        let replaces = !change.replace.is_empty() || change.root_keys.is_some();
        change.because = match request.because {
            Some(ReplacementReason::Compromised) if replaces => Some(KeyReplacement::Compromised),
            Some(ReplacementReason::Planned) | None if replaces => Some(KeyReplacement::Planned),
            None => None,
            Some(_) => {
                let reason = "because: this root replaces no key; leave it out, or state which to replace";
                return Err(Refusal::invalid(reason).into());
            }
        };
        draft_root(present, &change, &self.settings.expiry, now).map_err(|error| match error {
            PublishError::Write(error) => bad_root(repository, &error),
            other => of_publisher(repository, other),
        })
    }

    /// Publishes a root that the root keys signed. Root keys that are still in the data folder sign it here.
    ///
    /// # Errors
    /// Refusals for a root that is not the next one, has too few signatures, or names keys that this server does not hold.
    pub async fn submit_root(
        self: &Arc<Self>,
        repository: Repository,
        root: &Value,
        caller: &Caller,
    ) -> Result<RepositoryKeysView> {
        let now = caller.now;
        let change = self.change().await;
        let bytes = crate::db::to_json(root).into_bytes();
        let root = UnsignedRoot::from_bytes(&bytes, Some(self.published(repository).root()))
            .and_then(|unsigned| unsigned.sign_with(&self.keys(repository).signing.ring))
            .map_err(|error| bad_root(repository, &error))?;
        if root.expires() <= now {
            let reason = format!("it expired at {}; draft a new one and have that signed", root.expires());
            return Err(Refusal::Root { repository, reason }.into());
        }
        let version = root.version();
        let new = NewRoots { roots: vec![root], ..NewRoots::default() };
        self.publish_under(&change, self.destination(repository, caller), new, now).await?;
        tracing::info!(%repository, version, "new root published");
        Ok(self.repository_keys_view(repository))
    }

    /// Publishes under new roots, and moves the key files.
    ///
    /// # Errors
    /// Refusals for a root that is not the next one, has too few signatures, or names keys that this server does not hold.
    pub(crate) async fn publish_under(
        &self,
        change: &ChangeLock,
        destination: RepositoryDestination,
        mut new: NewRoots,
        now: Timestamp,
    ) -> Result<()> {
        let repository = destination.repository();
        self.reload_keys(repository)?;
        if repository == Repository::Policy {
            new.targets.push(self.audit_anchor_target());
        }
        let change = change.clone();
        let published = destination.work(move |to| publish_under(to, &change, new, now)).await;
        published.map_err(|error| match error {
            PublishError::Write(
                error @ (WriteError::KeysMissing { .. }
                | WriteError::ForeignKey { .. }
                | WriteError::Invalid(_)),
            ) => bad_root(repository, &error),
            other => of_publisher(repository, other),
        })?;
        self.activate_keys(repository, now)
    }

    /// Publishes under a root that was written, and that a crash or a full disk kept from being published: it is served
    /// already. Returns whether there was one.
    pub(crate) async fn resume_root(
        self: &Arc<Self>,
        change: &ChangeLock,
        repository: Repository,
        now: Timestamp,
    ) -> Result<bool> {
        let present = self.published(repository);
        let next = layout::metadata(Role::Root, present.root().version() + 1);
        let path = self.data.repository(repository).join(&next);
        if !path.exists() {
            return Ok(false);
        }
        let bytes = self.read_object(repository, &next)?;
        let root = UnsignedRoot::from_bytes(&bytes, Some(present.root()))
            .and_then(|unsigned| unsigned.complete())
            .map_err(failed(repository, "a root that was written and not published"))?;
        let new = NewRoots { roots: vec![root], ..NewRoots::default() };
        let destination = self.destination(repository, &Caller::server(now));
        self.publish_under(change, destination, new, now).await?;
        tracing::warn!(%repository, file = next, "a change of keys that had broken off was completed");
        Ok(true)
    }

    /// What the signing job does about keys: ends a change of keys that a full disk broke off, and forgets retired keys
    /// whose time is over.
    pub(crate) async fn end_broken_rotation(
        self: &Arc<Self>,
        repository: Repository,
        now: Timestamp,
    ) -> Result<bool> {
        let change = self.change().await;
        let resumed = self.resume_root(&change, repository, now).await?;
        if !resumed && self.keys(repository).retired.iter().any(|(_, _, until)| *until <= now) {
            self.activate_keys(repository, now)?;
        }
        Ok(resumed)
    }

    /// Puts the key files where they belong under the published root, and reads them.
    pub(crate) fn activate_keys(&self, repository: Repository, now: Timestamp) -> Result<()> {
        self.key_store(repository).activate(self.published(repository).root(), now)?;
        self.reload_keys(repository)
    }

    /// Whether everything that the published root asks of this server can be signed.
    pub(crate) fn check_keys(&self, repository: Repository) -> Result<()> {
        self.key_store(repository).check(&self.keys(repository), self.published(repository).root())
    }

    /// The files of a repository's keys.
    pub(crate) fn key_store(&self, repository: Repository) -> KeyStore {
        KeyStore::new(repository, self.data.keys(repository), self.settings.keys_passphrase.clone())
    }

    /// The keys of a repository.
    pub(crate) fn keys(&self, repository: Repository) -> Arc<RepositoryKeys> {
        self.keys.read().expect("nobody panics while holding this lock")[&repository].clone()
    }

    fn reload_keys(&self, repository: Repository) -> Result<()> {
        let keys = Arc::new(self.key_store(repository).load()?);
        self.keys.write().expect("nobody panics while holding this lock").insert(repository, keys);
        Ok(())
    }

    fn any_root_key_here(&self) -> bool {
        Repository::ALL.into_iter().any(|repository| self.keys(repository).root.is_some())
    }

    fn repository_keys_view(&self, repository: Repository) -> RepositoryKeysView {
        let published = self.published(repository);
        let keys = self.keys(repository);
        let root = published.root();
        let role_view = |role| RoleKeysView {
            role: role_name(role),
            threshold: u32::try_from(root.threshold(role)).unwrap_or(u32::MAX),
            keys: root.key_ids(role).iter().map(ToString::to_string).collect(),
            here: u32::try_from(
                root.key_ids(role).iter().filter(|id| keys.signing.ring.get(id).is_some()).count(),
            )
            .unwrap_or(u32::MAX),
            expires: published.expires(role),
        };
        RepositoryKeysView {
            repository: repository.to_string(),
            root_version: root.version(),
            root_expires: root.expires(),
            renew_by: renew_by(&published, self.settings.expiry.root),
            root_keys_here: keys.signing.ring.reaches(root.key_ids(Role::Root), root.threshold(Role::Root)),
            roles: Role::ALL.map(role_view).into(),
            retired: keys
                .retired
                .iter()
                .map(|(role, id, until)| RetiredKey {
                    role: role_name(*role),
                    key: id.to_string(),
                    until: *until,
                })
                .collect(),
        }
    }
}

fn renew_by(published: &Published, life: SignedDuration) -> Timestamp {
    let expires = published.root().expires();
    expires.checked_sub(life / 2).unwrap_or(expires)
}

fn role_name(role: Role) -> String {
    role.name().to_owned()
}

pub(crate) fn json(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::Corrupt { what: "root metadata", reason: error.to_string() })
}

/// What is wrong with a root, for the caller that submitted it.
pub(crate) fn bad_root(repository: Repository, error: &WriteError) -> Error {
    match error {
        WriteError::KeysMissing { role, .. } if *role != Role::Root => {
            let reason = format!(
                "it names a {role} key that this server does not hold; draft a new one here and have that signed"
            );
            Refusal::Root { repository, reason }.into()
        }
        WriteError::KeysMissing { found: 0, .. } => {
            let reason =
                format!("{}; none of them signed it, so it may be another repository's", error_chain(error));
            Refusal::RootUnsigned { repository, reason }.into()
        }
        WriteError::KeysMissing { .. } => {
            Refusal::RootUnsigned { repository, reason: error_chain(error) }.into()
        }
        error => Refusal::Root { repository, reason: error_chain(error) }.into(),
    }
}
