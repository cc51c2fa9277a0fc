//! Who is let in (I3): members of the fleet, by the certificate that they showed. Those who show none may enrol or
//! renew, and read class `components` where the signed policy opens it.
//!
//! Asked for every request: a connection, or a TLS session that was resumed, may outlive a certificate or a revocation.

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

/// What the signed policy says of who is let in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    /// Keys that belong to the fleet no longer.
    pub revoked: BTreeSet<KeyFingerprint>,
    /// Class `components` is for everybody.
    pub anonymous_components: bool,
    /// Whose certificates count, where others are let in by TLS to be told that theirs do not; empty: all that are let in.
    pub cas: Vec<CaCertificate>,
}

/// The admission now in force; clones are the same door.
#[derive(Debug, Clone, Default)]
pub(crate) struct Door(Arc<RwLock<Admission>>);

/// Who asks, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A member.
    Member,
    /// Nobody who is known, and needs not be.
    Nameless,
    /// No.
    Refused(&'static str),
}

impl Door {
    pub(crate) fn set(&self, admission: Admission) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = admission;
    }

    fn judge(&self, shown: Option<(&Peer, &[u8])>, path: &str, now: Timestamp) -> Verdict {
        judge(&self.0.read().unwrap_or_else(PoisonError::into_inner), shown, path, now)
    }
}

const REVOKED: &str = "this client's key was revoked";

/// The decision alone.
fn judge(admission: &Admission, shown: Option<(&Peer, &[u8])>, path: &str, now: Timestamp) -> Verdict {
    let given_up =
        |certificate: &[u8]| !admission.cas.is_empty() && !is_issued_by(certificate, &admission.cas);
    let refused = match shown {
        None => "show a certificate of this fleet (`headwater-client enrol` gets one)",
        Some((peer, _)) if admission.revoked.contains(&peer.key) => REVOKED,
        Some((peer, _)) if !peer.is_good_at(now) => "this client's certificate has run out; renew it",
        Some((_, certificate)) if given_up(certificate) => {
            "this client's certificate is of a CA that the fleet has given up; renew it"
        }
        Some(_) => return Verdict::Member,
    };
    let open = ["/client/v1/enrol", "/client/v1/renew"].contains(&path)
        || (admission.anonymous_components && path.starts_with("/components/"));
    if open { Verdict::Nameless } else { Verdict::Refused(refused) }
}

/// Lets through whom the door lets in, and tells the routes who it is.
pub(crate) async fn guard(
    State(door): State<Door>,
    shown: Option<Extension<PeerCertificate>>,
    mut request: Request,
    next: Next,
) -> Response {
    let shown =
        shown.and_then(|Extension(certificate)| Some((Peer::from_der(&certificate.0).ok()?, certificate)));
    let peer = shown.as_ref().map(|(peer, certificate)| (peer, certificate.0.as_ref()));
    match door.judge(peer, request.uri().path(), now()) {
        Verdict::Refused(why) => {
            tracing::debug!(client = peer.map(|(peer, _)| peer.client.to_string()), why, "refused");
            // As the server answers: whom it knows and does not want, a certificate helps no more.
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
    fn members_are_let_in_and_others_only_where_it_is_open() {
        let start: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let after_it_ran_out = start + SignedDuration::from_hours(24 * 91);
        let key = ClientKey::generate().unwrap();
        let ca = FleetCa::make(start).unwrap();
        let chain = ca.issue_client(&key.public(), &"pc".parse().unwrap(), &[], start).unwrap();
        let der = chain.leaf_der();
        let peer = chain.peer().unwrap();
        let cas = |ca: &FleetCa| vec![ca.certificate().clone()];
        let same_ca = Admission { cas: cas(&ca), ..Admission::default() };
        let other_ca = Admission { cas: cas(&FleetCa::make(start).unwrap()), ..Admission::default() };
        let closed = Admission::default();
        let open = Admission { anonymous_components: true, ..Admission::default() };
        let revoked = Admission { revoked: [peer.key].into(), ..Admission::default() };
        let check =
            |admission: &Admission, peer: Option<&Peer>, path: &str, now: Timestamp, expected: &str| {
                let told = match judge(admission, peer.map(|peer| (peer, der)), path, now) {
                    Verdict::Member => "member",
                    Verdict::Nameless => "nameless",
                    Verdict::Refused(why) => why,
                };
                assert!(told.contains(expected), "{path}: {told}, expected {expected}");
            };
        let (timestamp, other) = ("/components/metadata/timestamp.json", "/settings/metadata/timestamp.json");
        check(&closed, Some(&peer), timestamp, start, "member");
        check(&closed, Some(&peer), "/client/v1/report", start, "member");
        check(&same_ca, Some(&peer), timestamp, start, "member");
        check(&other_ca, Some(&peer), timestamp, start, "given up");
        check(&other_ca, Some(&peer), "/client/v1/check-in", start, "given up");
        check(&other_ca, Some(&peer), "/client/v1/renew", start, "nameless");
        check(&closed, None, timestamp, start, "show a certificate");
        check(&open, None, timestamp, start, "nameless");
        check(&open, None, other, start, "show a certificate");
        check(&open, None, "/componentsx", start, "show a certificate");
        check(&revoked, Some(&peer), timestamp, start, "revoked");
        check(&revoked, Some(&peer), "/client/v1/check-in", start, "revoked");
        check(&closed, Some(&peer), timestamp, after_it_ran_out, "run out");
        check(&closed, None, "/client/v1/enrol", start, "nameless");
        check(&closed, Some(&peer), "/client/v1/renew", after_it_ran_out, "nameless");
        check(&closed, None, "/client/v1/check-in", start, "show a certificate");
        check(&closed, None, "/client/v1/enrol/x", start, "show a certificate");
    }
}
