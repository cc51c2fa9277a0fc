//! Class settings: the signed policy, then the settings of this client's domain (D1, D2).

use crate::decide::NameOutcome;
use crate::fetch::{ContentError, Verified};
use crate::session::Session;
use crate::update::domain::update_domain;
use crate::update::policy::update_policy;

/// Brings policy and domain settings up to date.
pub(crate) async fn update_settings(
    session: &mut Session,
    verified: &Verified<'_>,
) -> Result<Vec<NameOutcome>, ContentError> {
    let policy = update_policy(session, verified).await?;
    let domain = update_domain(session, verified).await?;
    Ok(vec![policy, domain])
}
