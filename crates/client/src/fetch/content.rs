//! A repository as verified from one segment, and why its content is not available.

use headwater_depot::{FetchError, StoreError, Walk};
use headwater_policy::Repository;
use headwater_repo::Trusted;

use crate::data::{RepositoryOwner, Voucher};
use crate::error::Error;

/// One repository as verified from one segment, with the walk over its sources.
pub struct VerifiedRepository<'a> {
    pub owner: RepositoryOwner,
    pub repository: Repository,
    pub trusted: &'a Trusted,
    pub walk: &'a Walk,
}

impl VerifiedRepository<'_> {
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
