//! The typed settings of this client's domain: what Headwater itself obeys. They travel with the policy (P5a, D2), and are
//! in effect from here on, so that no wrong interval, hook or limit outlives its correction.

use headwater_api::report::{ClassResult, Reason};
use headwater_api::settings::TypedSettingsDocument;
use headwater_repo::{Sequence, Standing, TargetName};

use crate::decide::{Decision, NameOutcome, decide_document};
use crate::error::Error;
use crate::fetch::{ContentError, VerifiedRepository, target, unusable};
use crate::identity::domain_keys;
use crate::session::Session;
use crate::update::document::read_document;

/// Brings the typed settings of the domain up to date.
pub(crate) async fn update_typed_settings(
    session: &mut Session,
    verified: &VerifiedRepository<'_>,
) -> Result<NameOutcome, ContentError> {
    let domain = session.context.effective.domain.clone();
    let outcome = |result, message, fault| NameOutcome {
        name: format!("settings of {domain}"),
        result,
        message,
        fault,
    };
    let found = TargetName::new(format!("settings/{domain}.json"))
        .ok()
        .and_then(|name| verified.trusted.target(&name));
    let Some(description) = found else {
        let message =
            format!("the signed policy has no domain {domain}; the previous settings stay in effect");
        return Ok(outcome(ClassResult::Current, message, None));
    };
    let had = session.state.settings.as_ref().filter(|had| had.domain == domain);
    // The version is a minimum as long as the keys that vouch for it reach their threshold (I2a).
    let vouched = session.state.settings_evidence.as_ref();
    let holds = vouched.is_some_and(|evidence| verified.trusted.standing(evidence) == Standing::Holds);
    let is_same = description.sha256.is_some() && description.sha256 == session.state.settings_digest;
    if had.is_some() && is_same {
        if !holds {
            session.state.settings_evidence = verified.trusted.evidence();
            session.save_state()?;
        }
        return Ok(outcome(ClassResult::Current, String::new(), None));
    }
    let have = had.filter(|_| holds).and_then(|had| Sequence::new(had.version).ok());
    let bytes = target(&session.context, verified, &description).await?;
    let bytes = match domain_keys::decrypted(&session.context.folder, &bytes) {
        Ok(bytes) => bytes,
        Err(Error::Sealed(why)) => return Ok(outcome(ClassResult::Failed, why, None)),
        Err(error) => return Err(error.into()),
    };
    let document: TypedSettingsDocument = read_document(&format!("the settings of {domain}"), &bytes)?;
    if document.domain != domain {
        return Err(unusable(format!("the settings of {domain} are those of {}", document.domain)));
    }
    let offered = Sequence::new(document.version).map_err(unusable)?;
    if let Decision::Backwards { have } = decide_document(have, offered, None) {
        let message = format!("kept settings {have} of {domain}; the source has the older {offered}");
        return Ok(outcome(ClassResult::Current, message, Some(Reason::Backwards)));
    }
    let changed = session.context.effective.settings != document.settings;
    session.context.effective.settings = document.settings.clone();
    session.state.settings = Some(document);
    session.state.settings_digest = description.sha256;
    session.state.settings_evidence = verified.trusted.evidence();
    session.save_state()?;
    if !changed {
        return Ok(outcome(ClassResult::Current, String::new(), None));
    }
    let message = format!("settings of {domain} updated to version {offered}");
    Ok(outcome(ClassResult::Updated, message, None))
}
