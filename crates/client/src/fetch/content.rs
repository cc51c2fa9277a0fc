//! A repository as verified from one segment, and why its content is not available.

use headwater_depot::{FetchError, StoreError, Walk};
use headwater_policy::Class;
use headwater_repo::Trusted;

use crate::data::RepositoryOwner;
use crate::error::Error;

/// One repository as verified from one segment, with the walk over its sources.
pub struct Verified<'a> {
    pub owner: RepositoryOwner,
    pub class: Class,
    pub trusted: &'a Trusted,
    pub walk: &'a Walk,
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
