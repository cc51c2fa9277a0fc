//! The identity of a run: enrolled at its start, renewed when due, and shown to a server that refuses this client.

use std::collections::BTreeSet;

use headwater_api::report::Reason;
use headwater_policy::DomainPath;
use headwater_repo::error_chain;

use crate::check_in::{check_in, clock_warning};
use crate::enrol::{load_or_enrol, renew_if_due};
use crate::error::Error;
use crate::identity::{domain_keys, machine};
use crate::session::Session;

/// Enrols the client if it is not enrolled, and renews its certificate if that is due. A client whose identity is damaged
/// or lost continues without: sources that need no certificate still serve it.
pub(crate) async fn establish(session: &mut Session) -> Result<(), Error> {
    let Session { context, state, findings } = session;
    let established = load_or_enrol(&context.config, &context.folder, &context.bundle, state).await;
    let identity = match established {
        Err(error @ (Error::Malformed { .. } | Error::NotEnrolled(_))) if state.policy.is_some() => {
            let why = error_chain(&error);
            findings
                .warnings
                .push(format!("{why}. Until then only sources that need no certificate serve this client"));
            return Ok(());
        }
        established => established?,
    };
    if !context.options.self_trial {
        machine::adopt(&context.folder, &context.config.machine_id)?;
    }
    if let Some(warning) = machine::warning(&context.folder, &context.config.machine_id) {
        tracing::warn!("{warning}");
        findings.warnings.push(warning);
    }
    let anchors = context.bundle.trust_anchors(state)?;
    context.set_identity(identity, anchors)?;
    refresh(session).await
}

/// Applies the trust anchors that are in effect now, and renews the certificate if that is due.
pub(crate) async fn refresh(session: &mut Session) -> Result<(), Error> {
    let Some((identity, _)) = session.context.identity.clone() else { return Ok(()) };
    let anchors = session.context.bundle.trust_anchors(&session.state)?;
    session.context.set_identity(identity.clone(), anchors.clone())?;
    if session.context.options.self_trial {
        return Ok(());
    }
    if let Some(renewed) = renew_if_due(session, &identity, &anchors).await? {
        session.context.set_identity(renewed, anchors)?;
    }
    Ok(())
}

/// Checks in and applies the answer. If the server refuses this client, its certificate is renewed and it checks in once
/// more.
pub(crate) async fn check_in_and_apply(session: &mut Session) -> Result<(), Error> {
    let mut answered = check_in(session).await?;
    if answered.is_none() && session.state.refused.is_some() {
        refresh(session).await?;
        if session.state.refused.is_none() {
            answered = check_in(session).await?;
        }
        if answered.is_none()
            && let Some(why) = &session.state.refused
        {
            let warning = format!("the server refuses this client: {why}. The client continues to check in");
            session.findings.warnings.push(warning);
        }
    }
    let Some((answer, route)) = answered else { return Ok(()) };
    let Session { context, state, findings } = session;
    let Some((identity, _)) = &context.identity else { return Ok(()) };
    findings.answered = Some(route);
    if !context.options.self_trial {
        domain_keys::store(&context.folder, identity, &answer.domain_keys)?;
    }
    findings.warnings.extend(clock_warning(answer.server_time, context.now));
    if answer.domain.parse::<DomainPath>().is_ok() {
        context.effective.domain.clone_from(&answer.domain);
        state.domain = Some(answer.domain);
    }
    findings.announced = answer.announced;
    findings.roots = answer.roots;
    Ok(())
}

/// Follows up on reports that the server refused although no check-in was: while check-ins pause, reports alone show that a
/// server which lost its clients is back. The renewal that holds this client's certificate lets it be re-enrolled (I2).
pub(crate) async fn answer_refusal(session: &mut Session, refused: Option<String>) -> Result<(), Error> {
    let Some(why) = refused.filter(|_| session.state.refused.is_none()) else { return Ok(()) };
    session.state.refused = Some(why);
    refresh(session).await?;
    session.save_state()
}

/// Says once what to do if sources do not admit this client. If the server itself refused it, that warning says more.
pub(crate) fn warn_if_not_admitted(session: &mut Session) {
    let Session { context, state, findings } = session;
    let refusing = findings.attempts.iter().filter(|attempt| attempt.reason == Some(Reason::NotAdmitted));
    let sources: BTreeSet<&str> = refusing.map(|attempt| attempt.source.as_str()).collect();
    if sources.is_empty() || state.refused.is_some() {
        return;
    }
    let (sources, id) = (Vec::from_iter(sources).join(", "), &context.effective.id);
    findings.warnings.push(format!(
        "{sources}: this client is not admitted. `headwater clients show {id}` on the server shows whether it was revoked or \
         removed; to re-enrol it, make a bundle with `headwater clients enrol-bundle --client {id}` and pass it to \
         `headwater-client enrol BUNDLE --new-key`"
    ));
}
