//! Sends a check-in over the direct route, then through update agents.

use headwater_api::checkin::{CheckIn, CheckInAnswer};
use headwater_depot::http::describe_unreadable;
use headwater_identity::StatementKind;
use headwater_policy::Repository;
use jiff::Timestamp;

use crate::check_in::back_off::{is_pausing, pause_carried, pause_direct};
use crate::data::State;
use crate::error::Error;
use crate::limits::CHECK_IN_WAIT_MAX;
use crate::report::Spool;
use crate::server::{Route, SendError, ServerConnection};
use crate::session::{Context, Session};

/// Checks in once. Returns the answer with the route it came over; `None` if the client is not enrolled, a pause goes on,
/// or nobody answered. A refusal is stored in the state.
///
/// # Errors
///
/// The spool cannot be read, or the system provides no HTTP client.
pub(crate) async fn check_in(session: &mut Session) -> Result<Option<(CheckInAnswer, Route)>, Error> {
    let Session { context, state, findings } = session;
    let Some((identity, anchors)) = context.identity.clone() else { return Ok(None) };
    let message = message(context, state)?;
    let server = ServerConnection::new(context.routes(), identity, anchors)?;
    let before = state.check_in_number;
    let mut refused = None;
    let answered = over_all_routes(&server, &message, state, &mut refused, context.now).await;
    if let Some(taken) = refused {
        findings.warnings.push(renumbered("a check-in", before, taken));
    }
    Ok(answered)
}

fn message(context: &Context, state: &State) -> Result<CheckIn, Error> {
    let effective = &context.effective;
    Ok(CheckIn {
        client: effective.id.to_string(),
        domain: effective.domain.clone(),
        addresses: effective.addresses.iter().map(ToString::to_string).collect(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        policy_version: state.policy.as_ref().map_or(0, |policy| policy.version),
        versions: Repository::ALL
            .iter()
            .map(|repository| repository.as_str())
            .filter_map(|name| Some((name.to_owned(), *state.versions.get(name)?)))
            .collect(),
        reports_made: Spool::open(context.folder.reports())?.made()?,
    })
}

/// What an operator is to know of a number that the server had taken before.
pub(crate) fn renumbered(what: &str, used: u64, taken: u64) -> String {
    format!(
        "the server refused {what}: it had taken number {taken} before, and this client was at {used}. Its clock was ahead once, \
         or its data folder was put back or copied; it continues after {taken}"
    )
}

/// The direct route first. Both kinds of routes pause after a failure.
async fn over_all_routes(
    server: &ServerConnection,
    message: &CheckIn,
    state: &mut State,
    refused: &mut Option<u64>,
    now: Timestamp,
) -> Option<(CheckInAnswer, Route)> {
    let (direct, carried): (Vec<&Route>, Vec<&Route>) =
        server.routes().iter().partition(|route| route.carrier.is_none());
    if !is_pausing(state.check_in_not_before, now) {
        if let Some(answered) = in_time(server, &direct, message, state, refused, now).await {
            state.reset_check_in_pauses();
            return Some(answered);
        }
        pause_direct(state, now);
    }
    if carried.is_empty() || is_pausing(state.carried_not_before, now) {
        return None;
    }
    let answered = in_time(server, &carried, message, state, refused, now).await;
    match answered {
        Some(_) => state.carried_not_before = None,
        None => pause_carried(state, now),
    }
    answered
}

/// Tries the routes one after the other, within [`CHECK_IN_WAIT_MAX`].
async fn in_time(
    server: &ServerConnection,
    routes: &[&Route],
    message: &CheckIn,
    state: &mut State,
    refused: &mut Option<u64>,
    now: Timestamp,
) -> Option<(CheckInAnswer, Route)> {
    let body = serde_json::to_string(message).expect("a message is written as JSON");
    let on_each = async {
        for route in routes {
            let number = state.next_check_in(now);
            let send = |number| {
                server.exchange(route, StatementKind::CheckIn, number, body.clone(), CHECK_IN_WAIT_MAX)
            };
            let mut answer = send(number).await;
            if let Err(SendError::Taken(taken)) = answer {
                // The numbers of a clock that was ahead, or of a copy of this folder, are used up.
                *refused = Some(taken);
                state.check_in_number = state.check_in_number.max(taken);
                answer = send(state.next_check_in(now)).await;
            }
            let answer = answer.and_then(|answer| {
                serde_json::from_str(&answer)
                    .map_err(|error| SendError::Unanswered(describe_unreadable(answer.as_bytes(), &error)))
            });
            match answer {
                Ok(answer) => {
                    state.refused = None;
                    return Some((answer, (*route).clone()));
                }
                Err(error) => {
                    tracing::info!(%route, %error, "check-in failed");
                    // The server knows neither this key nor this certificate: a renewal may change that.
                    if let SendError::Refused(401 | 403, why) = error {
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
            tracing::info!("check-in got no answer in time; the run continues without it");
            None
        }
    }
}
