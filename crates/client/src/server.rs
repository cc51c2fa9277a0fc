//! What the client says to the server: that it is there, and what its runs did. A member signs what it says and
//! believes only what the server has signed, so that an update agent can carry both (I3, U5). The answer to a check-in
//! is a hint all the same: it says which signed documents to look for, and brings keys that open some of them.

use std::collections::BTreeMap;
use std::time::Duration;

use headwater_api::checkin::{CheckIn, CheckInAnswer};
use headwater_api::report::{Report, ReportAnswer};
use headwater_identity::{Answer, Kind, Statement};
use jiff::{SignedDuration, Timestamp};

use crate::error::Error;
use crate::limits::{
    CHECK_IN_BACK_OFF_MAX, CHECK_IN_BACK_OFF_MIN, CHECK_IN_WAIT_MAX, CLOCK_SKEW_WARN, REPORT_SEND_WAIT_MAX,
    REPORT_SEND_WAIT_UNANSWERED, SPOOL_SEND_MAX,
};
use crate::member::{Believed, Member};
use crate::spool::Spool;
use crate::state::State;
use crate::way::{self, Unsaid, Way};

/// The ways to the server, and who speaks.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    http: reqwest::Client,
    /// Straight first, then by update agents.
    ways: Vec<Way>,
    /// Who signs.
    member: Member,
    /// Whose signature is believed.
    believed: Believed,
}

impl Server {
    /// Speaks on these ways.
    ///
    /// # Errors
    ///
    /// The system gives no HTTP client.
    pub(crate) fn new(ways: Vec<Way>, member: Member, believed: Believed) -> Result<Self, Error> {
        Ok(Self { http: way::http(member.tls(&believed)?)?, ways, member, believed })
    }

    /// Checks in: straight, and where that comes to nothing, by update agents. Each of the two waits at most
    /// [`CHECK_IN_WAIT_MAX`], and not at all while an earlier failure of it is remembered. Says which way was good.
    pub(crate) async fn check_in(
        &self,
        message: &CheckIn,
        state: &mut State,
        now: Timestamp,
    ) -> Option<(CheckInAnswer, Way)> {
        let (straight, carried): (Vec<&Way>, Vec<&Way>) =
            self.ways.iter().partition(|way| way.carrier.is_none());
        if !is_before(state.check_in_not_before, now) {
            match self.check_in_on(&straight, message, state, now).await {
                Some(answered) => {
                    state.check_ins_are_taken();
                    return Some(answered);
                }
                None => back_off(state, now),
            }
        }
        if carried.is_empty() || is_before(state.carried_not_before, now) {
            return None;
        }
        let answered = self.check_in_on(&carried, message, state, now).await;
        let pause = SignedDuration::try_from(CHECK_IN_BACK_OFF_MIN).unwrap_or(SignedDuration::ZERO);
        state.carried_not_before = if answered.is_none() { now.checked_add(pause).ok() } else { None };
        answered
    }

    async fn check_in_on(
        &self,
        ways: &[&Way],
        message: &CheckIn,
        state: &mut State,
        now: Timestamp,
    ) -> Option<(CheckInAnswer, Way)> {
        let body = serde_json::to_string(message).expect("a message is written as JSON");
        let on_each = async {
            for way in ways {
                let number = state.next_check_in(now);
                let said = self.say(way, Kind::CheckIn, number, body.clone(), CHECK_IN_WAIT_MAX).await;
                let answer = said.and_then(|answer| {
                    serde_json::from_str(&answer).map_err(|error| Unsaid::Lost(error.to_string()))
                });
                match answer {
                    Ok(answer) => {
                        state.refused = None;
                        return Some((answer, (*way).clone()));
                    }
                    Err(error) => {
                        tracing::info!(%way, %error, "the check-in failed");
                        // It knows neither this key nor this certificate: that is for a renewal to settle.
                        if let Unsaid::Refused(401 | 403, why) = error {
                            state.refused = Some(why);
                        }
                    }
                }
            }
            None
        };
        match tokio::time::timeout(CHECK_IN_WAIT_MAX, on_each).await {
            Ok(answered) => answered,
            Err(_) => {
                tracing::info!("the check-in was not answered in time; the run goes on without it");
                None
            }
        }
    }

    /// Sends the reports that wait, the oldest first, until one cannot be sent: on the way that answered the check-in,
    /// or on any where none did.
    ///
    /// # Errors
    ///
    /// The spool cannot be read or written.
    pub(crate) async fn send_reports(&self, spool: &Spool, answered: Option<&Way>) -> Result<(), Error> {
        let mut good = answered.cloned();
        for path in spool.waiting()?.into_iter().take(SPOOL_SEND_MAX) {
            let Some((number, bytes)) = spool.read(&path) else { continue };
            let body = String::from_utf8_lossy(&bytes).into_owned();
            match self.send(&mut good, number, &body).await {
                Ok(()) => spool.sent(&path)?,
                // The server will not take this one at another time either: those behind it must not wait for it.
                Err(Unsaid::Refused(status @ (400 | 413 | 422), why)) => {
                    tracing::warn!(status, why, report = %path.display(), "the server refuses a report");
                    spool.sent(&path)?;
                }
                Err(Unsaid::Refused(status, why)) => {
                    tracing::info!(status, why, "the server does not take reports now; they are kept");
                    return Ok(());
                }
                Err(busy @ Unsaid::Busy(..)) => {
                    tracing::info!(%busy, "reports are kept");
                    return Ok(());
                }
                Err(Unsaid::Lost(error)) => {
                    tracing::info!(error, "the server is out of reach; reports are kept");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Sends a report that could not be kept; if that fails too it is lost.
    pub(crate) async fn send_unkept(&self, spool: &Spool, report: &Report, answered: Option<&Way>) {
        let (Ok(body), Some(number)) = (serde_json::to_string(report), spool.number_unkept()) else { return };
        if let Err(error) = self.send(&mut answered.cloned(), number, &body).await {
            tracing::warn!(%error, "a report could be neither kept nor sent");
        }
    }

    /// Sends one report on the way that is known to be good, or finds one.
    async fn send(&self, good: &mut Option<Way>, number: u64, body: &str) -> Result<(), Unsaid> {
        let wait = if good.is_some() { REPORT_SEND_WAIT_MAX } else { REPORT_SEND_WAIT_UNANSWERED };
        let ways = good.as_ref().map_or(self.ways.as_slice(), std::slice::from_ref);
        let mut last = Unsaid::Lost("there is no way to the server".to_owned());
        for way in ways {
            match self.say(way, Kind::Report, number, body.to_owned(), wait).await {
                Ok(answer) if has_taken(&answer, number) => {
                    *good = Some(way.clone());
                    return Ok(());
                }
                Ok(_) => last = Unsaid::Lost("the answer is about another report".to_owned()),
                Err(refused @ Unsaid::Refused(400 | 413 | 422, _)) => return Err(refused),
                Err(unsaid) => last = unsaid,
            }
        }
        Err(last)
    }

    /// Says one thing on one way; what the server answered, if it did.
    async fn say(
        &self,
        way: &Way,
        kind: Kind,
        number: u64,
        body: String,
        wait: Duration,
    ) -> Result<String, Unsaid> {
        let what = if kind == Kind::CheckIn { "check-in" } else { "report" };
        let lost = |error: &dyn std::error::Error| Unsaid::Lost(error.to_string());
        let (member, believed) = (&self.member, &self.believed);
        // Too long for a statement: it never will be sent.
        let statement = Statement::sign(&member.keys.key, &member.id, kind, number, body)
            .map_err(|error| Unsaid::Refused(413, error.to_string()))?;
        let statement = serde_json::to_vec(&statement).map_err(|error| lost(&error))?;
        let answer = way.post(&self.http, what, statement, wait).await?;
        let answer: Answer = serde_json::from_slice(&answer).map_err(|error| lost(&error))?;
        let verified = answer.verify(&believed.response_signing_keys, &member.id, kind, number);
        verified.map(|answer| answer.body().to_owned()).map_err(|error| lost(&error))
    }
}

fn has_taken(answer: &str, number: u64) -> bool {
    serde_json::from_str::<ReportAnswer>(answer).is_ok_and(|answer| answer.taken == number)
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

/// Whether a pause is not over. A time further off than any pause was remembered under a clock that has since been set
/// back.
fn is_before(until: Option<Timestamp>, now: Timestamp) -> bool {
    let left = until.and_then(|until| Duration::try_from(until.duration_since(now)).ok());
    left.is_some_and(|left| !left.is_zero() && left <= CHECK_IN_BACK_OFF_MAX)
}

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
