//! Carrying what clients say to the server, and its answers back, for those who cannot reach it (U5).
//!
//! What is carried is signed by its client or sealed to the server, and answers are signed by the server: nothing here
//! reads, changes or keeps it. Bounded in size, number and time.

use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::door::Verdict;
use crate::limits::{
    CARRIED_ANSWER_BYTES_MAX, CARRIED_ANSWER_TIME_MAX, CARRIED_AT_ONCE_MAX, CARRIED_BODY_BYTES_MAX,
    CARRIED_BODY_TIME_MAX, CARRIED_NAMELESS_AT_ONCE_MAX, CARRIED_RETRY_AFTER_SECONDS,
};

/// The way to the server, as this update agent goes it itself.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    /// Base URL of the server's fleet listener.
    pub server: String,
    /// With the fleet's TLS and our certificate.
    pub http: reqwest::Client,
}

/// Who carries: the way now, and the places.
#[derive(Debug, Clone)]
struct Carrier {
    way: watch::Receiver<Option<Way>>,
    members: Arc<Semaphore>,
    nameless: Arc<Semaphore>,
}

/// The routes of everything that is carried.
pub(crate) fn routes(way: watch::Receiver<Option<Way>>) -> Router {
    let carrier = Carrier {
        way,
        members: Arc::new(Semaphore::new(CARRIED_AT_ONCE_MAX)),
        nameless: Arc::new(Semaphore::new(CARRIED_NAMELESS_AT_ONCE_MAX)),
    };
    ["enrol", "renew", "check-in", "report"]
        .into_iter()
        .fold(Router::new(), |router, what| router.route(&format!("/client/v1/{what}"), post(carry)))
        .with_state(carrier)
}

async fn carry(
    State(carrier): State<Carrier>,
    Extension(verdict): Extension<Verdict>,
    request: Request,
) -> Response {
    let places = if verdict == Verdict::Member { &carrier.members } else { &carrier.nameless };
    let Ok(_place) = places.try_acquire() else {
        let wait = [(header::RETRY_AFTER, CARRIED_RETRY_AFTER_SECONDS.to_string())];
        return (StatusCode::SERVICE_UNAVAILABLE, wait, "too much is being carried\n").into_response();
    };
    let Some(way) = carrier.way.borrow().clone() else {
        return (StatusCode::BAD_GATEWAY, "this update agent does not know the server\n").into_response();
    };
    let path = request.uri().path().to_owned();
    let body =
        match timeout(CARRIED_BODY_TIME_MAX, to_bytes(request.into_body(), CARRIED_BODY_BYTES_MAX)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
            Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
        };
    match timeout(CARRIED_ANSWER_TIME_MAX, ask(&way, &path, body)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::info!(path, error, "the server cannot be reached for a client");
            (StatusCode::BAD_GATEWAY, "the server is out of reach from here\n").into_response()
        }
        Err(_) => (StatusCode::GATEWAY_TIMEOUT, "the server does not answer\n").into_response(),
    }
}

async fn ask(way: &Way, path: &str, body: axum::body::Bytes) -> Result<Response, String> {
    let url = format!("{}{path}", way.server.trim_end_matches('/'));
    let request = way.http.post(url).header(header::CONTENT_TYPE, "application/json").body(body);
    let mut response = request.send().await.map_err(|error| crate::said(&error))?;
    let mut answer = Response::builder().status(response.status());
    for kept in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = response.headers().get(&kept) {
            answer = answer.header(kept, value);
        }
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| crate::said(&error))? {
        if bytes.len() + chunk.len() > CARRIED_ANSWER_BYTES_MAX {
            return Err("its answer is longer than is carried".to_owned());
        }
        bytes.extend_from_slice(&chunk);
    }
    answer.body(Body::from(bytes)).map_err(|error| error.to_string())
}
