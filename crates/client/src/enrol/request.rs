//! A request for a certificate: sent over one route after the other until an answer is valid.

use std::time::Duration;

use headwater_api::enrol::CertificateAnswer;
use headwater_depot::http::{ConnectionProblem, describe_unreadable};
use headwater_identity::{Answer, StatementKind};
use headwater_policy::ClientId;

use crate::identity::TrustAnchors;
use crate::limits::{CERTIFICATE_WAIT_MAX, ENROL_TRIES_MAX, ENROL_WAIT_MAX};
use crate::server::{FleetHttp, Route, SendError};

/// Why no route led to a certificate.
pub(crate) struct AskError {
    /// What happened on each route.
    pub reasons: String,
    /// What to do about it; empty if the reasons say so.
    pub hint: String,
    /// When to try again, if a route stated that.
    retry_after: Option<Duration>,
    /// The server's unverified answer that it has taken the number before.
    pub replayed: Option<Box<Answer>>,
}

/// Asks to be enrolled; waits and asks again if the server is busy.
pub(crate) async fn ask_with_retries<T>(
    http: &FleetHttp,
    routes: &[Route],
    body: &[u8],
    read: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<T, AskError> {
    let mut tries = 1;
    loop {
        let failed = match ask(http, routes, "enrol", body, &read).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let Some(wait) = pause(failed.retry_after, tries) else { return Err(failed) };
        tracing::info!(
            reason = failed.reasons,
            "the server is busy; enrolment continues in {} s",
            wait.as_secs()
        );
        tokio::time::sleep(wait).await;
        tries += 1;
    }
}

/// How long to wait before the next try; `None` if there is none.
fn pause(retry_after: Option<Duration>, tries: u32) -> Option<Duration> {
    retry_after.filter(|_| tries < ENROL_TRIES_MAX).map(|wait| wait.min(ENROL_WAIT_MAX))
}

/// Asks over one route after the other until an answer is valid.
pub(crate) async fn ask<T>(
    http: &FleetHttp,
    routes: &[Route],
    endpoint: &str,
    body: &[u8],
    read: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<T, AskError> {
    let (mut reasons, mut retry_after, mut replayed) = (Vec::new(), None::<Duration>, None);
    let mut hints: Vec<&str> = Vec::new();
    for route in routes {
        let answered = route.post(http, endpoint, body.to_vec(), CERTIFICATE_WAIT_MAX).await;
        match answered.and_then(|answer| read(&answer).map_err(SendError::Unanswered)) {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                if let SendError::Busy(wait, _) = error {
                    retry_after = Some(retry_after.map_or(wait, |shortest| shortest.min(wait)));
                }
                reasons.push(format!("{route}: {error}"));
                hints.extend(hint(&error).filter(|hint| !hints.contains(hint)));
                if let SendError::Replayed(answer, _) = error {
                    replayed = Some(answer);
                }
            }
        }
    }
    if reasons.is_empty() {
        reasons.push(
            "the bundle names neither a server nor an update agent at an address of this client's families"
                .to_owned(),
        );
        hints.push("add an address or name of these families to fleet_names in the server's configuration, and make another bundle");
    }
    Err(AskError { reasons: reasons.join("; "), hint: hints.join("; "), retry_after, replayed })
}

/// What to do about a failed enrolment or renewal. `None` where the server says it in its own words.
fn hint(error: &SendError) -> Option<&'static str> {
    use ConnectionProblem as Problem;
    Some(match error {
        SendError::Unreachable(failure) => match failure.problem {
            Problem::Expired | Problem::NotYetValid => {
                "set the clock of this computer; if it is right, restart the server, which renews its certificate"
            }
            Problem::UnknownCa => {
                "the bundle is of another server, or older than the server's CA: make another with `headwater clients \
                 enrol-bundle` and pass it to `headwater-client enrol`"
            }
            Problem::OtherName => {
                "add the host of that address to fleet_names in the server's configuration, or set fleet_url, and make another \
                 bundle"
            }
            Problem::NotTls | Problem::NotHttp | Problem::Certificate | Problem::TlsVersion => {
                "another service answers at that address: compare it with fleet_url and fleet_listen of the server's \
                 configuration, and look whether this network wants a login first"
            }
            Problem::Name | Problem::NoCommonFamily => {
                "check the name in DNS and the DNS settings of this computer, then run the command again: the bundle stays valid"
            }
            _ => {
                "check that the server runs and that this computer reaches that address and port (fleet_listen and fleet_url of \
                 the server's configuration, firewalls), then run the command again: the bundle stays valid"
            }
        },
        SendError::Unanswered(_) | SendError::Refused(404 | 405 | 502 | 504 | 511, _) => {
            "another service answers at that address: compare it with fleet_url and fleet_listen of the server's configuration, \
             and look whether this network wants a login first"
        }
        SendError::Refused(401 | 403, why) if why.is_empty() => {
            "the token of the bundle is not accepted: make another with `headwater clients enrol-bundle` and pass it to \
             `headwater-client enrol`"
        }
        SendError::Busy(..) => "run the command again later: the bundle stays valid",
        SendError::Refused(..) | SendError::Replayed(..) | SendError::Taken(_) => return None,
    })
}

/// The certificate in an answer that the server signed for this request.
pub(crate) fn certificate(
    answer: &[u8],
    anchors: &TrustAnchors,
    client: &ClientId,
    kind: StatementKind,
    sequence: u64,
) -> Result<CertificateAnswer, String> {
    let answer: Answer =
        serde_json::from_slice(answer).map_err(|error| describe_unreadable(answer, &error))?;
    let verified = answer
        .verify(&anchors.response_signing_keys, client, kind, sequence)
        .map_err(|error| error.to_string())?;
    serde_json::from_str(verified.body()).map_err(|error| format!("the answer is not understood: {error}"))
}

#[cfg(test)]
mod tests {
    use headwater_depot::http::ConnectionFailure;

    use super::*;

    #[test]
    fn each_failure_of_an_enrolment_has_its_own_cure() {
        let check = |error: SendError, word: &str| {
            let found = hint(&error).unwrap_or_default();
            assert!(
                if word.is_empty() { found.is_empty() } else { found.contains(word) },
                "{error}: {found}"
            );
            let bundle = matches!(
                &error,
                SendError::Unreachable(failure)
                    if matches!(failure.problem, ConnectionProblem::UnknownCa | ConnectionProblem::OtherName)
            );
            assert_eq!(
                found.contains("make another"),
                bundle,
                "only a wrong bundle is replaced: {error}: {found}"
            );
        };
        let unreachable =
            |problem| SendError::Unreachable(ConnectionFailure { problem, words: "words".to_owned() });
        check(unreachable(ConnectionProblem::Expired), "clock");
        check(unreachable(ConnectionProblem::NotYetValid), "clock");
        check(unreachable(ConnectionProblem::UnknownCa), "another server");
        check(unreachable(ConnectionProblem::OtherName), "fleet_names");
        check(unreachable(ConnectionProblem::NotTls), "another service");
        check(unreachable(ConnectionProblem::Name), "DNS");
        check(unreachable(ConnectionProblem::Refused), "firewalls");
        check(unreachable(ConnectionProblem::TimedOut), "firewalls");
        check(SendError::Unanswered(String::new()), "another service");
        check(SendError::Refused(404, String::new()), "another service");
        check(SendError::Refused(403, "the enrolment token was used".to_owned()), "");
        check(SendError::Busy(Duration::from_secs(1), String::new()), "later");
    }

    #[test]
    fn a_client_waits_for_a_busy_server_within_bounds() {
        let minute = Duration::from_secs(60);
        assert_eq!(pause(None, 1), None, "the server did not ask for it");
        assert_eq!(pause(Some(minute), ENROL_TRIES_MAX - 1), Some(minute));
        assert_eq!(pause(Some(minute), ENROL_TRIES_MAX), None);
        assert_eq!(pause(Some(ENROL_WAIT_MAX), 1), Some(ENROL_WAIT_MAX));
        assert_eq!(pause(Some(ENROL_WAIT_MAX + minute), 1), Some(ENROL_WAIT_MAX));
    }
}
