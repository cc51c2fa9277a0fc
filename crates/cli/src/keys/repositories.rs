//! The repositories whose roots a command changes: the server's four, or a static one. The ceremony is the same.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use headwater_api::v1::{
    CaRotated, KeyRotated, KeysView, ReplacementReason, RepositoryKeysView, RoleKeysView, RootDraftAnswer,
    RootDraftRequest, RootRequest,
};
use headwater_policy::{Class, Repository};
use headwater_publisher::folder::{KeyFolder, StaticFolder};
use headwater_publisher::roots::RootChange;
use headwater_repo::{Expiry, KeyReplacement, PublicKey, Role};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;

use super::roots::Carried;
use crate::api_client::{ApiClient, ServerLocation};
use crate::repository::{apart, ceremony};
use crate::terminal::failure::Failure;
use crate::values::repository_parser;

/// The server, or a static repository.
#[derive(Debug, Args)]
pub struct RepositoriesArguments {
    #[command(flatten)]
    server: ServerLocation,
    /// A static repository instead of the server
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, requires = "online_keys")]
    repository: Option<PathBuf>,
    /// The folder of the static repository's online keys
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, requires = "repository")]
    online_keys: Option<PathBuf>,
    /// Only this repository [default: all of the server; components of a static repository]
    #[arg(long, value_parser = repository_parser())]
    only: Option<Repository>,
}

/// What a static repository holds by default.
const COMPONENTS: Repository = Repository::Class(Class::Components);

/// Opened repositories.
pub enum Repositories {
    /// The server, by its console listener.
    Server(ApiClient, Option<Repository>),
    /// A static repository and its key folder.
    Static(StaticFolder, KeyFolder, Repository),
}

impl RepositoriesArguments {
    /// Opens them.
    pub fn open(&self) -> Result<Repositories, Failure> {
        match (&self.repository, &self.online_keys) {
            (Some(folder), Some(keys)) => {
                let repository = self.only.unwrap_or(COMPONENTS);
                let keys = apart::open_key_folder(keys, folder, false)?;
                let folder = StaticFolder::new(folder, repository.as_str());
                Ok(Repositories::Static(folder, keys, repository))
            }
            _ => Ok(Repositories::Server(ApiClient::new(&self.server)?, self.only)),
        }
    }

    /// Refuses a folder of keys inside a published folder.
    pub fn refuse_keys_in(&self, keys: &Path) -> Result<(), Failure> {
        match &self.repository {
            Some(served) => apart::refuse_keys_in(served, keys),
            None => apart::refuse_keys_in_repository(keys),
        }
    }

    /// Whether --only is given.
    pub fn names_one(&self) -> bool {
        self.only.is_some()
    }

    /// Which repositories these are.
    pub fn repositories(&self) -> Vec<Repository> {
        match (self.only, &self.repository) {
            (Some(only), _) => vec![only],
            (None, Some(_)) => vec![COMPONENTS],
            (None, None) => Repository::ALL.to_vec(),
        }
    }
}

impl Repositories {
    /// The present keys.
    pub async fn view(&self) -> Result<KeysView, Failure> {
        match self {
            Self::Server(api, only) => {
                let mut view: KeysView = api.get("/api/v1/keys").await?;
                view.repositories.retain(|view| only.is_none_or(|only| only.as_str() == view.repository));
                Ok(view)
            }
            Self::Static(folder, keys, repository) => {
                let repositories = vec![static_view(folder, keys, *repository)?];
                Ok(KeysView { repositories, to_do: Vec::new() })
            }
        }
    }

    /// The root to sign.
    pub async fn draft(
        &self,
        repository: Repository,
        request: &RootDraftRequest,
        now: Timestamp,
    ) -> Result<Carried, Failure> {
        match self {
            Self::Server(api, _) => {
                let path = format!("/api/v1/keys/{repository}/draft");
                let draft: RootDraftAnswer = api.call(Method::POST, &path, request).await?;
                Carried::read(&draft)
            }
            Self::Static(folder, keys, _) => {
                let change = root_change(keys, request)?;
                let root = ceremony::next_root(folder, keys, &change, &Expiry::default(), now)?;
                let previous = folder.published()?.root().clone();
                Ok(Carried { repository: self.only(), previous, root })
            }
        }
    }

    /// Publishes under a root. Returns its version.
    pub async fn submit(&self, carried: &Carried, now: Timestamp) -> Result<u64, Failure> {
        match self {
            Self::Server(api, _) => {
                let root: Value = carried.draft().root;
                let path = format!("/api/v1/keys/{}/root", carried.repository);
                let view: RepositoryKeysView = api.call(Method::POST, &path, &RootRequest { root }).await?;
                Ok(view.root_version)
            }
            Self::Static(folder, keys, repository) => {
                if carried.repository != *repository {
                    return Err(Failure::bad_input(format!(
                        "this is a root of {}, but the repository is one of {repository}",
                        carried.repository
                    )));
                }
                // It must follow the root of the repository, not one that the file names.
                let bytes = carried.root.to_bytes();
                let root = ceremony::read_root(folder, &bytes)?;
                ceremony::replace_root(folder.clone(), keys, root, Expiry::default(), now)
            }
        }
    }

    /// Replaces the fleet's CA.
    pub async fn rotate_ca(&self, at_once: bool) -> Result<CaRotated, Failure> {
        match self {
            Self::Server(api, _) => {
                api.ask(Method::POST, &format!("/api/v1/keys/ca/rotate?at_once={at_once}")).await
            }
            Self::Static(..) => Err(Failure::bad_input("a static repository has no fleet and no CA")),
        }
    }

    /// Replaces the `response-signing` or the `enrolment-encryption` key.
    pub async fn rotate_fleet_key(&self, which: &str) -> Result<KeyRotated, Failure> {
        match self {
            Self::Server(api, _) => api.ask(Method::POST, &format!("/api/v1/keys/{which}/rotate")).await,
            Self::Static(..) => {
                Err(Failure::bad_input("a static repository has no fleet, and so no such key"))
            }
        }
    }

    fn only(&self) -> Repository {
        match self {
            Self::Static(_, _, repository) => *repository,
            Self::Server(_, only) => only.unwrap_or(COMPONENTS),
        }
    }
}

/// What a request changes, with keys that wait in the key folder.
fn root_change(keys: &KeyFolder, request: &RootDraftRequest) -> Result<RootChange, Failure> {
    let mut change = RootChange::default();
    for name in &request.replace {
        let role = Role::ALL.into_iter().find(|role| role.name() == name);
        let role = role.ok_or_else(|| Failure::bad_input(format!("there is no role {name}")))?;
        change.replace.push((role, ceremony::replacement(keys, role)?));
    }
    if let Some(root_keys) = &request.root_keys {
        let root_keys: Result<Vec<PublicKey>, _> = root_keys.iter().map(|key| key.parse()).collect();
        change.root_keys = Some(root_keys.map_err(|error| Failure::bad_input(error.to_string()))?);
    }
    change.root_threshold = request.root_threshold.map(|threshold| threshold as usize);
    change.because = request.because.map(|because| match because {
        ReplacementReason::Compromised => KeyReplacement::Compromised,
        ReplacementReason::Planned => KeyReplacement::Planned,
    });
    Ok(change)
}

fn static_view(
    folder: &StaticFolder,
    keys: &KeyFolder,
    repository: Repository,
) -> Result<RepositoryKeysView, Failure> {
    let published = folder.published()?;
    let (root, ring) = (published.root(), keys.ring()?);
    let role_view = |role| RoleKeysView {
        role: Role::name(role).to_owned(),
        threshold: u32::try_from(root.threshold(role)).unwrap_or(u32::MAX),
        keys: root.key_ids(role).iter().map(ToString::to_string).collect(),
        here: u32::try_from(root.key_ids(role).iter().filter(|id| ring.get(id).is_some()).count())
            .unwrap_or(u32::MAX),
        expires: published.expires(role),
    };
    Ok(RepositoryKeysView {
        repository: repository.to_string(),
        root_version: root.version(),
        root_expires: root.expires(),
        renew_by: root.expires().checked_sub(Expiry::default().root / 2).unwrap_or(root.expires()),
        root_keys_here: ring.reaches(root.key_ids(Role::Root), root.threshold(Role::Root)),
        roles: Role::ALL.map(role_view).into(),
        retired: Vec::new(),
    })
}
