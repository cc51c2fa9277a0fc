//! Who is admitted (I3): enrolled clients, by their certificate. Callers without one may enrol or renew, and read class
//! `components` where the signed policy allows it.
//!
//! Every request is checked: a connection or a resumed TLS session may outlive a certificate, or precede a revocation.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use headwater_depot::serve::PeerCertificate;
use headwater_identity::{CaCertificate, KeyFingerprint, Peer, is_issued_by};
use jiff::Timestamp;

/// What the signed policy states about admission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdmissionRules {
    /// Revoked keys.
    pub revoked: BTreeSet<KeyFingerprint>,
    /// Whether everybody may read class `components`.
    pub anonymous_components: bool,
    /// The CAs whose certificates are admitted. TLS also accepts those of retired CAs, so that such a client learns that it
    /// must renew. Empty if TLS accepts no others.
    pub cas: Vec<CaCertificate>,
}

/// The rules in effect; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Admission(Arc<RwLock<AdmissionRules>>);

/// Whether a request is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdmissionVerdict {
    /// An enrolled client.
    Enrolled,
    /// A caller without a valid certificate, for something that needs none.
    Anonymous,
    /// Refused, and why.
    Refused(&'static str),
}

impl Admission {
    pub(crate) fn set(&self, rules: AdmissionRules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    fn judge(&self, shown: Option<(&Peer, &[u8])>, path: &str, now: Timestamp) -> AdmissionVerdict {
        judge(&self.0.read().unwrap_or_else(PoisonError::into_inner), shown, path, now)
    }
}

const REVOKED: &str = "this client's key was revoked";

/// The decision alone.
fn judge(
    rules: &AdmissionRules,
    shown: Option<(&Peer, &[u8])>,
    path: &str,
    now: Timestamp,
) -> AdmissionVerdict {
    let is_retired = |certificate: &[u8]| !rules.cas.is_empty() && !is_issued_by(certificate, &rules.cas);
    let refused = match shown {
        None => "a certificate of this fleet is required (`headwater-client enrol` gets one)",
        Some((peer, _)) if rules.revoked.contains(&peer.key) => REVOKED,
        Some((peer, _)) if !peer.is_good_at(now) => "this client's certificate has expired; renew it",
        Some((_, certificate)) if is_retired(certificate) => {
            "this client's certificate was issued by a retired CA of the fleet; renew it"
        }
        Some(_) => return AdmissionVerdict::Enrolled,
    };
    let open = ["/client/v1/enrol", "/client/v1/renew"].contains(&path)
        || (rules.anonymous_components && path.starts_with("/components/"));
    if open { AdmissionVerdict::Anonymous } else { AdmissionVerdict::Refused(refused) }
}

/// Admits or refuses a request, and passes the verdict to the routes.
pub(crate) async fn admit(
    State(admission): State<Admission>,
    shown: Option<Extension<PeerCertificate>>,
    mut request: Request,
    next: Next,
) -> Response {
    let shown =
        shown.and_then(|Extension(certificate)| Some((Peer::from_der(&certificate.0).ok()?, certificate)));
    let peer = shown.as_ref().map(|(peer, certificate)| (peer, certificate.0.as_ref()));
    match admission.judge(peer, request.uri().path(), now()) {
        AdmissionVerdict::Refused(why) => {
            tracing::debug!(client = peer.map(|(peer, _)| peer.client.to_string()), why, "refused");
            // As the server answers: another certificate does not help a revoked client.
            let status = if why == REVOKED { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
            (status, format!("{why}\n")).into_response()
        }
        verdict => {
            request.extensions_mut().insert(verdict);
            next.run(request).await
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a request's entry point; the decision takes it as an argument"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use headwater_identity::{ClientKey, FleetCa};
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn enrolled_clients_are_admitted_and_others_only_where_the_policy_allows_it() {
        let start: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let after_it_expired = start + SignedDuration::from_hours(24 * 91);
        let key = ClientKey::generate().unwrap();
        let ca = FleetCa::make(start).unwrap();
        let chain = ca.issue_client(&key.public(), &"pc".parse().unwrap(), &[], start).unwrap();
        let der = chain.leaf_der();
        let peer = chain.peer().unwrap();
        let cas = |ca: &FleetCa| vec![ca.certificate().clone()];
        let same_ca = AdmissionRules { cas: cas(&ca), ..AdmissionRules::default() };
        let other_ca =
            AdmissionRules { cas: cas(&FleetCa::make(start).unwrap()), ..AdmissionRules::default() };
        let closed = AdmissionRules::default();
        let open = AdmissionRules { anonymous_components: true, ..AdmissionRules::default() };
        let revoked = AdmissionRules { revoked: [peer.key].into(), ..AdmissionRules::default() };
        let check =
            |rules: &AdmissionRules, peer: Option<&Peer>, path: &str, now: Timestamp, expected: &str| {
                let verdict = match judge(rules, peer.map(|peer| (peer, der)), path, now) {
                    AdmissionVerdict::Enrolled => "enrolled".to_owned(),
                    AdmissionVerdict::Anonymous => "anonymous".to_owned(),
                    AdmissionVerdict::Refused(why) => format!("refused: {why}"),
                };
                let expects_refusal = !["enrolled", "anonymous"].contains(&expected);
                assert_eq!(verdict.starts_with("refused: "), expects_refusal, "{path}: {verdict}");
                assert!(verdict.contains(expected), "{path}: {verdict}, expected {expected}");
            };
        let (timestamp, other) = ("/components/metadata/timestamp.json", "/settings/metadata/timestamp.json");
        check(&closed, Some(&peer), timestamp, start, "enrolled");
        check(&closed, Some(&peer), "/client/v1/report", start, "enrolled");
        check(&same_ca, Some(&peer), timestamp, start, "enrolled");
        check(&other_ca, Some(&peer), timestamp, start, "retired CA");
        check(&other_ca, Some(&peer), "/client/v1/check-in", start, "retired CA");
        check(&other_ca, Some(&peer), "/client/v1/renew", start, "anonymous");
        check(&closed, None, timestamp, start, "a certificate of this fleet is required");
        check(&open, None, timestamp, start, "anonymous");
        check(&open, None, other, start, "a certificate of this fleet is required");
        check(&open, None, "/componentsx", start, "a certificate of this fleet is required");
        check(&revoked, Some(&peer), timestamp, start, "revoked");
        check(&revoked, Some(&peer), "/client/v1/check-in", start, "revoked");
        check(&closed, Some(&peer), timestamp, after_it_expired, "expired");
        check(&closed, None, "/client/v1/enrol", start, "anonymous");
        check(&closed, Some(&peer), "/client/v1/renew", after_it_expired, "anonymous");
        check(&closed, None, "/client/v1/check-in", start, "a certificate of this fleet is required");
        check(&closed, None, "/client/v1/enrol/x", start, "a certificate of this fleet is required");
    }
}
