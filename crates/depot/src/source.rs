//! Where one source's files are.

use std::fmt;

use headwater_policy::{Repository, SourceUrl};
use headwater_repo::{Digest, layout};

/// One source of a plan, for one repository of the organisation; or any repository of The Update Framework by its two base URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    key: String,
    url: String,
    entry: Option<u32>,
    repository: String,
    metadata: String,
    targets: String,
    /// What the layout's paths of blobs are relative to; `None` if it has no blobs.
    base: Option<String>,
    fleet: bool,
}

impl Source {
    /// The source `key` (as in a plan) whose static layout begins at `base`, named by the entry numbered `entry`.
    ///
    /// The server and update agents are the fleet's own; any other source is public.
    pub fn new(
        key: impl fmt::Display,
        base: &SourceUrl,
        entry: Option<u32>,
        repository: impl Into<Repository>,
    ) -> Self {
        let repository = repository.into();
        let key = key.to_string();
        let url = base.as_str().trim_end_matches('/').to_owned();
        let base = format!("{url}/{repository}");
        Self {
            fleet: key == "server" || key.starts_with("update_agent:"),
            key,
            entry,
            repository: repository.to_string(),
            metadata: format!("{base}/{}", layout::METADATA_FOLDER),
            targets: format!("{base}/{}", layout::TARGETS_FOLDER),
            base: Some(base),
            url,
        }
    }

    /// Any repository of The Update Framework: no name, no blobs, its folders where they are.
    pub fn of_repository(metadata_url: &str, targets_url: &str) -> Self {
        let trimmed = |url: &str| url.trim_end_matches('/').to_owned();
        Self {
            key: format!("url:{metadata_url}"),
            url: trimmed(metadata_url),
            entry: None,
            repository: String::new(),
            metadata: trimmed(metadata_url),
            targets: trimmed(targets_url),
            base: None,
            fleet: false,
        }
    }

    /// The source as in a plan: `update_agent:ID`, `url:…`, `server`, `vendor`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Is it the server or an update agent? Those are spoken to by the fleet's TLS
    /// ([`Fetcher::set_fleet_tls`](crate::Fetcher::set_fleet_tls)).
    pub fn is_fleet(&self) -> bool {
        self.fleet
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The entry that named it, from 1.
    pub fn entry(&self) -> Option<u32> {
        self.entry
    }

    /// The repository asked for: a class, or `policy`; empty for a repository that has no such name.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// `file`: as in `headwater_repo::Wanted`, already percent-encoded.
    pub(crate) fn metadata(&self, file: &str) -> String {
        format!("{}/{file}", self.metadata)
    }

    /// `path`: as in `headwater_repo::TargetDescription`, not percent-encoded yet.
    pub(crate) fn target(&self, path: &str) -> String {
        format!("{}/{}", self.targets, layout::url_path(path))
    }

    pub(crate) fn blob(&self, digest: &Digest) -> Option<String> {
        self.base.as_ref().map(|base| format!("{base}/{}", layout::blob(digest)))
    }
}
