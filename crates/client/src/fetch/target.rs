//! Targets: signed files that the store keeps.

use headwater_repo::TargetDescription;

use crate::fetch::content::{ContentError, VerifiedRepository};
use crate::session::Context;

/// The bytes of a target: from the store, or fetched and stored (P10).
pub(crate) async fn target(
    context: &Context,
    verified: &VerifiedRepository<'_>,
    description: &TargetDescription,
) -> Result<Vec<u8>, ContentError> {
    Ok(verified.walk.stored_target(&context.store, description).await?)
}

/// Signed content in a form that this program does not know. No other source has another.
pub(crate) fn unusable(error: impl std::fmt::Display) -> ContentError {
    ContentError::Sources(format!("the signed content cannot be used: {error}"))
}
