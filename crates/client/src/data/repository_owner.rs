//! Whose repository it is.

use headwater_policy::Repository;
use serde::{Deserialize, Serialize};

/// Who publishes a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepositoryOwner {
    /// The organisation: the policy and one repository for each class, at the server, its update agents and mirrors.
    Organisation,
    /// The vendor: one repository of components with its own root.
    Vendor,
}

impl RepositoryOwner {
    /// The name by which the client knows a repository, in its data folder and in its state.
    pub fn name_of(self, repository: impl Into<Repository>) -> &'static str {
        match self {
            Self::Organisation => repository.into().as_str(),
            Self::Vendor => "vendor",
        }
    }
}
