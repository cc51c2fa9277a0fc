//! A repository as verified from one segment, and why its content is not available.

use headwater_depot::{FetchError, StoreError, Walk};
use headwater_policy::{OwnComponents, Repository};
use headwater_repo::Trusted;

use crate::data::{RepositoryOwner, Voucher};
use crate::error::Error;

/// Which names of a repository are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All that it may give.
    All,
    /// The organisation's own components alone: the vendor source served the others in this run (P4a).
    OwnComponents,
}

/// One repository as verified from one segment, with the walk over its sources.
pub struct VerifiedRepository<'a> {
    pub owner: RepositoryOwner,
    pub repository: Repository,
    pub scope: Scope,
    pub trusted: &'a Trusted,
    pub walk: &'a Walk,
}

impl VerifiedRepository<'_> {
    /// Whether a name is taken from here. The vendor source gives no component that the organisation has of its own,
    /// whatever it has under that name (P4a).
    pub(crate) fn gives(&self, own: &OwnComponents, name: &str) -> bool {
        match (self.owner, self.scope) {
            (RepositoryOwner::Vendor, _) => !own.contains(name),
            (RepositoryOwner::Organisation, Scope::All) => true,
            (RepositoryOwner::Organisation, Scope::OwnComponents) => own.contains(name),
        }
    }

    /// What vouches for what its metadata names.
    ///
    /// # Errors
    ///
    /// The metadata is not whole, which a refresh does not leave behind.
    pub(crate) fn voucher(&self) -> Result<Voucher, Error> {
        let incomplete = || Error::Internal("verified metadata has no targets".to_owned());
        let evidence = self.trusted.evidence().ok_or_else(incomplete)?;
        Ok(Voucher { owner: self.owner, evidence })
    }
}

/// Why content is not available.
#[derive(Debug)]
pub enum ContentError {
    /// No source of the segment has it; the next segment may.
    Sources(String),
    /// The run cannot continue.
    Run(Error),
}

impl From<Error> for ContentError {
    fn from(error: Error) -> Self {
        Self::Run(error)
    }
}

impl From<StoreError> for ContentError {
    fn from(error: StoreError) -> Self {
        Self::Run(error.into())
    }
}

impl From<FetchError> for ContentError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Disk(error) => Self::Run(error.into()),
            other @ (FetchError::NoSource { .. } | FetchError::EmptyPlan { .. }) => {
                Self::Sources(other.to_string())
            }
        }
    }
}
