//! What the client says to the server: that it is there, and what its runs did. The answer to a check-in is a
//! hint; nothing in it is believed beyond which signed documents to look for.

use std::collections::BTreeMap;
use std::time::Duration;

use headwater_api::checkin::{CheckIn, CheckInAnswer};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::CONTENT_TYPE;

use crate::error::Error;
use crate::limits::{
    CHECK_IN_ANSWER_BYTES_MAX, CHECK_IN_BACK_OFF_MAX, CHECK_IN_BACK_OFF_MIN, CHECK_IN_WAIT_MAX,
    CLOCK_SKEW_WARN, REPORT_SEND_WAIT_MAX, REPORT_SEND_WAIT_UNANSWERED, SPOOL_SEND_MAX,
};
use crate::spool::Spool;
use crate::state::State;

/// The way to the server.
#[derive(Debug, Clone)]
pub struct Server {
    base: String,
    http: reqwest::Client,
    /// Longest wait for one answer.
    wait: Duration,
}

impl Server {
    /// The server whose fleet listener is at `base`; it `answers`, or is not known to.
    ///
    /// # Errors
    ///
    /// The system gives no HTTP client.
    pub fn new(base: &str, answers: bool) -> Result<Self, Error> {
        let wait = if answers { REPORT_SEND_WAIT_MAX } else { REPORT_SEND_WAIT_UNANSWERED };
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("headwater-client/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                Error::Internal(format!("no HTTP client can be made on this system: {error}"))
            })?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), http, wait })
    }

    /// Checks in; waits at most [`CHECK_IN_WAIT_MAX`], and not at all while an earlier failure is remembered.
    pub async fn check_in(
        &self,
        message: &CheckIn,
        state: &mut State,
        now: Timestamp,
    ) -> Option<CheckInAnswer> {
        // A time further off than any pause was remembered under a clock that has since been set back.
        let left =
            state.check_in_not_before.and_then(|until| Duration::try_from(until.duration_since(now)).ok());
        if left.is_some_and(|left| !left.is_zero() && left <= CHECK_IN_BACK_OFF_MAX) {
            return None;
        }
        let asked = tokio::time::timeout(CHECK_IN_WAIT_MAX, self.ask(message)).await;
        match asked {
            Ok(Ok(answer)) => {
                state.check_in_failures = 0;
                state.check_in_not_before = None;
                Some(answer)
            }
            Ok(Err(error)) => {
                tracing::info!(%error, "the check-in failed; the run goes on without it");
                back_off(state, now);
                None
            }
            Err(_) => {
                tracing::info!("the check-in was not answered in time; the run goes on without it");
                back_off(state, now);
                None
            }
        }
    }

    /// Sends the reports that wait, the oldest first, until one cannot be sent.
    ///
    /// # Errors
    ///
    /// The spool cannot be read or written.
    pub async fn send_reports(&self, spool: &Spool) -> Result<(), Error> {
        for path in spool.waiting()?.into_iter().take(SPOOL_SEND_MAX) {
            let Some(bytes) = spool.read(&path) else { continue };
            match self.post("report", bytes).await {
                Ok(response) if response.status().is_success() => spool.sent(&path)?,
                // The server will not take this one at another time either: those behind it must not wait for it.
                Ok(response) if matches!(response.status().as_u16(), 400 | 413 | 422) => {
                    tracing::warn!(status = %response.status(), report = %path.display(), "the server refuses a report");
                    spool.sent(&path)?;
                }
                Ok(response) => {
                    tracing::info!(status = %response.status(), "the server does not take reports now; they are kept");
                    return Ok(());
                }
                Err(error) => {
                    tracing::info!(%error, "the server is out of reach; reports are kept");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Sends a report that could not be kept; if that fails too it is lost.
    pub async fn send_unkept(&self, report: &headwater_api::report::Report) {
        let Ok(body) = serde_json::to_vec(report) else { return };
        if let Err(error) = self.post("report", body).await {
            tracing::warn!(%error, "a report could be neither kept nor sent");
        }
    }

    async fn ask(&self, message: &CheckIn) -> Result<CheckInAnswer, String> {
        let body = serde_json::to_vec(message).map_err(|error| error.to_string())?;
        let mut response = self.post("check-in", body).await.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("status {}", response.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| error.to_string())? {
            if bytes.len() + chunk.len() > CHECK_IN_ANSWER_BYTES_MAX {
                return Err("the answer is longer than it may be".to_owned());
            }
            bytes.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
    }

    async fn post(&self, what: &str, body: Vec<u8>) -> reqwest::Result<reqwest::Response> {
        let url = format!("{}/client/v1/{what}", self.base);
        self.http
            .post(url)
            .timeout(self.wait)
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await
    }
}

/// A sentence about a clock that is far off, if it is.
pub fn clock_warning(server_time: Timestamp, now: Timestamp) -> Option<String> {
    let skew = now.duration_since(server_time);
    let limit = SignedDuration::try_from(CLOCK_SKEW_WARN).unwrap_or(SignedDuration::MAX);
    (skew.abs() > limit).then(|| {
        let side = if skew.is_negative() { "behind" } else { "ahead of" };
        format!(
            "this computer's clock is {} min {side} the server's; set it right, or good metadata will look expired",
            skew.abs().as_mins()
        )
    })
}

/// The content versions that the server announced, by class.
pub type Announced = BTreeMap<String, u64>;

fn back_off(state: &mut State, now: Timestamp) {
    let doublings = state.check_in_failures.min(16);
    let pause: Duration = CHECK_IN_BACK_OFF_MIN.saturating_mul(1 << doublings).min(CHECK_IN_BACK_OFF_MAX);
    state.check_in_failures = state.check_in_failures.saturating_add(1);
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::ZERO);
    state.check_in_not_before = now.checked_add(pause).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_after_failed_check_ins_double_up_to_their_longest() {
        let now: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
        let mut state = State::default();
        let mut pause = || {
            back_off(&mut state, now);
            state.check_in_not_before.unwrap().duration_since(now).unsigned_abs()
        };
        assert_eq!([pause(), pause()], [CHECK_IN_BACK_OFF_MIN, 2 * CHECK_IN_BACK_OFF_MIN]);
        let longest = (0..100).map(|_| pause()).max();
        assert_eq!((longest, pause()), (Some(CHECK_IN_BACK_OFF_MAX), CHECK_IN_BACK_OFF_MAX));
    }
}
