//! A request for a certificate: sent over one route after the other until an answer is valid.

use std::time::Duration;

use headwater_api::enrol::CertificateAnswer;
use headwater_identity::{Answer, StatementKind};
use headwater_policy::ClientId;

use crate::identity::TrustAnchors;
use crate::limits::{CERTIFICATE_WAIT_MAX, ENROL_TRIES_MAX, ENROL_WAIT_MAX};
use crate::server::{FleetHttp, Route, SendError};

/// Why no route led to a certificate.
pub(crate) struct AskError {
    /// What happened on each route.
    pub reasons: String,
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
    for route in routes {
        let answered = route.post(http, endpoint, body.to_vec(), CERTIFICATE_WAIT_MAX).await;
        match answered.and_then(|answer| read(&answer).map_err(SendError::Unanswered)) {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                if let SendError::Busy(wait, _) = error {
                    retry_after = Some(retry_after.map_or(wait, |shortest| shortest.min(wait)));
                }
                reasons.push(format!("{route}: {error}"));
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
    }
    Err(AskError { reasons: reasons.join("; "), retry_after, replayed })
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
        serde_json::from_slice(answer).map_err(|error| format!("not an answer of a server: {error}"))?;
    let verified = answer
        .verify(&anchors.response_signing_keys, client, kind, sequence)
        .map_err(|error| error.to_string())?;
    serde_json::from_str(verified.body()).map_err(|error| format!("the answer is not understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
