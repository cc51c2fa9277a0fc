//! Sends reports to the server, the oldest first, on the route that answered the check-in or on any route.
//!
//! A report goes when the server confirms this very report. If it has another with that number, because this data folder
//! was copied or put back, all that wait are numbered behind the newest that it has, and sent (I3a).

use std::collections::VecDeque;

use headwater_api::report::{Report, ReportAnswer};
use headwater_identity::StatementKind;
use headwater_repo::Digest;

use crate::check_in::renumbered;
use crate::error::Error;
use crate::limits::{RENUMBERED_MAX, REPORT_SEND_WAIT_MAX, REPORT_SEND_WAIT_UNANSWERED, SPOOL_SEND_MAX};
use crate::report::spool::Spool;
use crate::server::{Route, SendError, ServerConnection};
use crate::session::Session;

/// Stores a report and sends the reports that wait. Returns why the server refuses this client; `None` if it does not.
///
/// # Errors
///
/// The spool cannot be read or written. An unreachable server is no error: the reports wait.
pub(crate) async fn send(session: &Session, report: &Report) -> Result<Option<String>, Error> {
    let context = &session.context;
    let spool = Spool::open(context.folder.reports())?;
    let kept = spool.keep(report);
    let Some((identity, anchors)) = context.identity.clone() else {
        // The server accepts it only after enrolment. It waits.
        return kept.map(|_| None);
    };
    let server = ServerConnection::new(context.routes(), identity, anchors)?;
    let mut sender = Sender { server, good: session.findings.answered.clone(), refused: None };
    if kept.is_err() {
        // The server is to learn of a full disk all the same.
        sender.send_unkept(&spool, report).await;
    }
    kept?;
    sender.send_waiting(&spool).await?;
    Ok(sender.refused)
}

struct Sender {
    server: ServerConnection,
    /// The route that is known to work.
    good: Option<Route>,
    /// Why the server refused this client when it was last asked.
    refused: Option<String>,
}

impl Sender {
    /// Sends the reports that wait until one cannot be sent.
    async fn send_waiting(&mut self, spool: &Spool) -> Result<(), Error> {
        let mut renumbered = 0;
        let mut waiting: VecDeque<_> = spool.waiting()?.into_iter().take(SPOOL_SEND_MAX).collect();
        while let Some(path) = waiting.pop_front() {
            let Some((number, bytes)) = spool.read(&path) else { continue };
            let body = String::from_utf8_lossy(&bytes).into_owned();
            match self.send_one(number, &body).await {
                Ok(()) => spool.remove(&path)?,
                Err(SendError::Taken(taken)) if taken >= number && renumbered < RENUMBERED_MAX => {
                    continue_after(spool, number, taken)?;
                    waiting = spool.waiting()?.into_iter().take(SPOOL_SEND_MAX).collect();
                    renumbered += 1;
                }
                // The server will never accept this one, and those behind it must not wait for it.
                Err(SendError::Refused(status @ (400 | 413 | 422), why)) => {
                    tracing::warn!(status, why, report = %path.display(), "the server refuses a report; removed");
                    spool.remove(&path)?;
                }
                Err(error) => {
                    tracing::info!(%error, "cannot send reports now; they stay on disk");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Sends a report that could not be stored; if that fails too it is lost.
    async fn send_unkept(&mut self, spool: &Spool, report: &Report) {
        let (Ok(body), Some(number)) = (serde_json::to_string(report), spool.number_unkept()) else { return };
        let good = self.good.clone();
        let mut sent = self.send_one(number, &body).await;
        if let Err(SendError::Taken(taken)) = sent
            && continue_after(spool, number, taken).is_ok()
            && let Some(number) = spool.number_unkept()
        {
            sent = self.send_one(number, &body).await;
        }
        if let Err(error) = sent {
            tracing::warn!(%error, "a report could be neither stored nor sent");
        }
        self.good = good;
    }

    /// Sends one report on the route that is known to work, or finds one.
    async fn send_one(&mut self, number: u64, body: &str) -> Result<(), SendError> {
        let wait = if self.good.is_some() { REPORT_SEND_WAIT_MAX } else { REPORT_SEND_WAIT_UNANSWERED };
        let routes = match &self.good {
            Some(good) => vec![good.clone()],
            None => self.server.routes().to_vec(),
        };
        let mut last = SendError::Unanswered("there is no route to the server".to_owned());
        for route in routes {
            match self.server.exchange(&route, StatementKind::Report, number, body.to_owned(), wait).await {
                Ok(answer) if has_taken(&answer, number, body) => {
                    (self.good, self.refused) = (Some(route), None);
                    return Ok(());
                }
                Ok(_) => last = SendError::Unanswered("the answer is about another report".to_owned()),
                Err(refused @ (SendError::Refused(400 | 413 | 422, _) | SendError::Taken(_))) => {
                    self.good = Some(route);
                    return Err(refused);
                }
                Err(error) => {
                    if let SendError::Refused(401 | 403, why) = &error {
                        self.refused = Some(why.clone());
                    }
                    last = error;
                }
            }
        }
        Err(last)
    }
}

/// Whether the server has this report: not only its number, which may be that of a copy of this client.
fn has_taken(answer: &str, number: u64, body: &str) -> bool {
    let digest = Digest::of(body.as_bytes()).to_string();
    serde_json::from_str::<ReportAnswer>(answer)
        .is_ok_and(|answer| answer.taken == number && answer.digest == digest)
}

/// Gives the reports that wait the numbers after the newest that the server has: another report had the number.
fn continue_after(spool: &Spool, number: u64, taken: u64) -> Result<(), Error> {
    tracing::warn!("{}", renumbered("a report", number, taken));
    spool.renumber(taken)
}
