//! An exchange with the server. A client signs what it states and trusts only answers that the server signed, so that an
//! update agent can carry both (I3, U5).

use std::time::Duration;

use headwater_api::checkin::TakenAnswer;
use headwater_depot::http::describe_unreadable;
use headwater_identity::{Answer, Statement, StatementKind};
use headwater_policy::ClientId;
use headwater_repo::error_chain;

use crate::error::Error;
use crate::identity::{ClientIdentity, TrustAnchors};
use crate::server::route::{FleetHttp, Route, SendError, http_client};

/// The routes to the server, and the identity that signs.
#[derive(Debug, Clone)]
pub struct ServerConnection {
    http: FleetHttp,
    /// The direct route first, then update agents.
    routes: Vec<Route>,
    identity: ClientIdentity,
    anchors: TrustAnchors,
}

impl ServerConnection {
    /// A connection over these routes. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// The system provides no HTTP client.
    pub(crate) fn new(
        routes: Vec<Route>,
        identity: ClientIdentity,
        anchors: TrustAnchors,
    ) -> Result<Self, Error> {
        Ok(Self { http: http_client(identity.tls(&anchors)?)?, routes, identity, anchors })
    }

    /// The routes, in the order to try.
    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Sends one signed statement over one route and returns the body of the verified answer.
    pub(crate) async fn exchange(
        &self,
        route: &Route,
        kind: StatementKind,
        number: u64,
        body: String,
        wait: Duration,
    ) -> Result<String, SendError> {
        let endpoint = if kind == StatementKind::CheckIn { "check-in" } else { "report" };
        let unanswered = |error: &dyn std::error::Error| SendError::Unanswered(error_chain(error));
        let (identity, anchors) = (&self.identity, &self.anchors);
        // A body that is too long for a statement can never be sent.
        let statement = Statement::sign(&identity.keys.key, &identity.id, kind, number, body)
            .map_err(|error| SendError::Refused(413, error_chain(&error)))?;
        let statement = serde_json::to_vec(&statement).map_err(|error| unanswered(&error))?;
        let answer = match route.post(&self.http, endpoint, statement, wait).await {
            Err(SendError::Replayed(answer, why)) => {
                return Err(taken(*answer, anchors, &identity.id, (kind, number), why));
            }
            other => other?,
        };
        let answer: Answer = serde_json::from_slice(&answer)
            .map_err(|error| SendError::Unanswered(describe_unreadable(&answer, &error)))?;
        let verified = answer.verify(&anchors.response_signing_keys, &identity.id, kind, number);
        verified.map(|answer| answer.body().to_owned()).map_err(|error| unanswered(&error))
    }
}

/// Where the server says to continue after it refused a number, if it is the server that says so.
pub(crate) fn taken(
    answer: Answer,
    anchors: &TrustAnchors,
    client: &ClientId,
    (kind, number): (StatementKind, u64),
    why: String,
) -> SendError {
    let verified = answer.verify(&anchors.response_signing_keys, client, kind, number).ok();
    let taken = verified.and_then(|answer| serde_json::from_str::<TakenAnswer>(answer.body()).ok());
    taken.map_or(SendError::Refused(409, why), |answer| SendError::Taken(answer.taken))
}
