//! Renewal of the certificate.
//!
//! The request is a statement that is signed by the client's key, so it may travel over a connection without a valid
//! certificate. To a server that has lost the key, the former certificate shows that this client was enrolled.

use headwater_api::enrol::{CertificateAnswer, FORMAT, RenewalRequest};
use headwater_identity::{Statement, StatementKind};
use jiff::{SignedDuration, Timestamp};

use crate::check_in::renumbered;
use crate::data::State;
use crate::enrol::request::{AskError, ask, certificate};
use crate::error::Error;
use crate::identity::{ClientIdentity, TrustAnchors, internal};
use crate::limits::RENEWAL_BACK_OFF;
use crate::options::Trigger;
use crate::server::{FleetHttp, Route, SendError, http_client, taken};
use crate::session::{Context, Effective, Session};

/// Renews the certificate if it is due or the server refused this client; returns the new identity. A failure is no error:
/// a later run tries again.
///
/// # Errors
///
/// The request cannot be made, or the disk refuses.
pub(crate) async fn renew_if_due(
    session: &mut Session,
    identity: &ClientIdentity,
    anchors: &TrustAnchors,
) -> Result<Option<ClientIdentity>, Error> {
    let Session { context, state, findings } = session;
    let wanted = is_due(identity, anchors, &context.effective, context.now) || state.refused.is_some();
    // A person who asks again has probably removed the cause.
    let ignores_pause = context.options.trigger == Trigger::Person;
    if !wanted || (is_pausing(state, context.now) && !ignores_pause) {
        return Ok(None);
    }
    let request = request(identity)?;
    let http = http_client(anchors.anonymous_tls()?)?;
    let mut last = String::new();
    for route in &context.routes() {
        let mut answered = renew_over(&http, route, &request, identity, anchors, state, context).await?;
        if let Some(taken) =
            answered.as_mut().err().and_then(|failed| taken_before(failed, state, identity, anchors))
        {
            findings.warnings.push(renumbered("a renewal", state.renewal_number, taken));
            state.renewal_number = state.renewal_number.max(taken);
            answered = renew_over(&http, route, &request, identity, anchors, state, context).await?;
        }
        match answered {
            Ok(answer) => {
                // If the server refused this client although its certificate is valid, another one will not help soon.
                state.renewal_tried = state.refused.take().map(|_| context.now);
                state.reset_check_in_pauses();
                let certificate = &answer.certificate;
                return ClientIdentity::store(&context.folder, &identity.id, &identity.keys, certificate)
                    .map(Some);
            }
            // A busy server's own pause is shorter than this client's.
            Err(failed) => last = failed.reasons,
        }
    }
    state.renewal_tried = Some(context.now);
    match &state.refused {
        Some(_) => tracing::warn!("the server refuses this client: {last}"),
        None => tracing::warn!(
            "cannot renew the certificate, which is valid until {}: {last}",
            identity.chain.not_after()
        ),
    }
    Ok(None)
}

/// The number that the server has taken before, if that is why it refused the last one.
fn taken_before(
    failed: &mut AskError,
    state: &State,
    identity: &ClientIdentity,
    anchors: &TrustAnchors,
) -> Option<u64> {
    let asked = (StatementKind::Renewal, state.renewal_number);
    match taken(*failed.replayed.take()?, anchors, &identity.id, asked, String::new()) {
        SendError::Taken(taken) => Some(taken),
        _ => None,
    }
}

fn is_pausing(state: &State, now: Timestamp) -> bool {
    let pause = SignedDuration::try_from(RENEWAL_BACK_OFF).unwrap_or(SignedDuration::ZERO);
    state.renewal_tried.is_some_and(|tried| now.duration_since(tried).abs() < pause)
}

fn request(identity: &ClientIdentity) -> Result<String, Error> {
    let request = RenewalRequest {
        format: FORMAT,
        request: identity.keys.key.signing_request(&identity.id).map_err(internal)?,
        encryption_key: identity.keys.encryption.public().to_string(),
        certificate: Some(identity.chain.to_pem()),
    };
    serde_json::to_string(&request).map_err(|error| Error::Internal(error.to_string()))
}

/// Asks over one route, with a new sequence number.
async fn renew_over(
    http: &FleetHttp,
    route: &Route,
    request: &str,
    identity: &ClientIdentity,
    anchors: &TrustAnchors,
    state: &mut State,
    context: &Context,
) -> Result<Result<CertificateAnswer, AskError>, Error> {
    let sequence = state.next_renewal(context.now);
    let statement = Statement::sign(
        &identity.keys.key,
        &identity.id,
        StatementKind::Renewal,
        sequence,
        request.to_owned(),
    )
    .map_err(internal)?;
    let statement = serde_json::to_vec(&statement).map_err(|error| Error::Internal(error.to_string()))?;
    let read = |answer: &[u8]| certificate(answer, anchors, &identity.id, StatementKind::Renewal, sequence);
    Ok(ask(http, std::slice::from_ref(route), "renew", &statement, read).await)
}

/// The decision alone: at two thirds of the certificate's life, when the signed policy gives this update agent other
/// addresses than the certificate names, and when its CA is no longer one of the fleet.
fn is_due(identity: &ClientIdentity, anchors: &TrustAnchors, effective: &Effective, now: Timestamp) -> bool {
    let wanted = effective.update_agent().map(|agent| agent.addresses().to_vec()).unwrap_or_default();
    let served = identity.chain.served_names();
    let addresses_changed = wanted.is_empty() != served.is_empty()
        || wanted.iter().any(|address| !served.contains(&address.to_string()));
    identity.chain.renewal_due(now) || addresses_changed || !identity.chain.is_issued_by(&anchors.cas)
}
