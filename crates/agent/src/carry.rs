//! Carrying what clients say to the server, and its answers back, for those who cannot reach it (U5).
//!
//! What is carried is signed by its client or sealed to the server, and answers are signed by the server: nothing here
//! reads, changes or keeps it. Bounded in size, number and time.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use headwater_repo::error_chain;
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
    times: Times,
}

/// How long a message and its answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    body: Duration,
    answer: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { body: CARRIED_BODY_TIME_MAX, answer: CARRIED_ANSWER_TIME_MAX }
    }
}

/// The routes of everything that is carried.
pub(crate) fn routes(way: watch::Receiver<Option<Way>>) -> Router {
    routes_in(way, Times::default())
}

fn routes_in(way: watch::Receiver<Option<Way>>, times: Times) -> Router {
    let carrier = Carrier {
        way,
        members: Arc::new(Semaphore::new(CARRIED_AT_ONCE_MAX)),
        nameless: Arc::new(Semaphore::new(CARRIED_NAMELESS_AT_ONCE_MAX)),
        times,
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
    let body = match timeout(carrier.times.body, to_bytes(request.into_body(), CARRIED_BODY_BYTES_MAX)).await
    {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    match timeout(carrier.times.answer, ask(&way, &path, body)).await {
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
    let mut response = request.send().await.map_err(|error| error_chain(&error))?;
    let mut answer = Response::builder().status(response.status());
    for kept in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = response.headers().get(&kept) {
            answer = answer.header(kept, value);
        }
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| error_chain(&error))? {
        if bytes.len() + chunk.len() > CARRIED_ANSWER_BYTES_MAX {
            return Err("its answer is longer than is carried".to_owned());
        }
        bytes.extend_from_slice(&chunk);
    }
    answer.body(Body::from(bytes)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tower::ServiceExt as _;

    use super::*;

    /// A server that answers with so many bytes, or never.
    async fn server(answer: Option<usize>) -> watch::Receiver<Option<Way>> {
        let answer = move |body: axum::body::Bytes| async move {
            drop(body);
            match answer {
                Some(bytes) => "x".repeat(bytes),
                None => std::future::pending().await,
            }
        };
        let routes = Router::new()
            .route("/client/v1/report", post(answer))
            .layer(axum::extract::DefaultBodyLimit::disable());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(headwater_depot::serve::listen(
            routes,
            listener,
            headwater_depot::serve::ListenLimits::default(),
            std::future::pending(),
        ));
        headwater_depot::http::install_tls_provider();
        watch::channel(Some(Way { server, http: reqwest::Client::new() })).1
    }

    async fn say(routes: &Router, who: Verdict, body: Body) -> (u16, Option<String>) {
        let mut request = Request::post("/client/v1/report").body(body).unwrap();
        request.extensions_mut().insert(who);
        let answer = routes.clone().oneshot(request).await.unwrap();
        let wait = answer.headers().get(header::RETRY_AFTER).map(|wait| wait.to_str().unwrap().to_owned());
        (answer.status().as_u16(), wait)
    }

    #[tokio::test]
    async fn what_is_too_long_is_carried_neither_way() {
        for (body, status) in [(CARRIED_BODY_BYTES_MAX, 200), (CARRIED_BODY_BYTES_MAX + 1, 413)] {
            let routes = routes(server(Some(2)).await);
            assert_eq!(say(&routes, Verdict::Member, Body::from(vec![b' '; body])).await.0, status, "{body}");
        }
        for (bytes, status) in [(CARRIED_ANSWER_BYTES_MAX, 200), (CARRIED_ANSWER_BYTES_MAX + 1, 502)] {
            let routes = routes(server(Some(bytes)).await);
            assert_eq!(say(&routes, Verdict::Member, Body::empty()).await.0, status, "{bytes}");
        }
    }

    /// Takes places until there is none left: how many there were, and what the next one was told.
    async fn fill(routes: &Router, who: Verdict) -> (usize, (u16, Option<String>)) {
        for held in 0.. {
            let routes = routes.clone();
            let mut asked = tokio::spawn(async move { say(&routes, who, Body::empty()).await });
            // Who has a place waits for the server, for ever.
            if let Ok(told) = timeout(Duration::from_millis(100), &mut asked).await {
                return (held, told.unwrap());
            }
        }
        unreachable!("the places are bounded")
    }

    #[tokio::test]
    async fn strangers_do_not_take_the_places_of_members() {
        let times = Times { body: Duration::from_secs(60), answer: Duration::from_secs(60) };
        let routes = routes_in(server(None).await, times);
        let full = (503, Some(CARRIED_RETRY_AFTER_SECONDS.to_string()));
        assert_eq!(fill(&routes, Verdict::Nameless).await, (CARRIED_NAMELESS_AT_ONCE_MAX, full.clone()));
        assert_eq!(fill(&routes, Verdict::Member).await, (CARRIED_AT_ONCE_MAX, full));
    }

    #[tokio::test]
    async fn who_is_slow_is_not_waited_for() {
        assert_eq!(Times::default(), Times { body: CARRIED_BODY_TIME_MAX, answer: CARRIED_ANSWER_TIME_MAX });
        let times = Times { body: Duration::from_millis(50), answer: Duration::from_millis(100) };
        let routes = routes_in(server(None).await, times);
        let endless =
            Body::from_stream(futures_util::stream::pending::<Result<axum::body::Bytes, std::io::Error>>());
        assert_eq!(say(&routes, Verdict::Member, endless).await.0, 408);
        assert_eq!(say(&routes, Verdict::Member, Body::empty()).await.0, 504);
    }

    #[tokio::test]
    async fn without_a_way_to_the_server_it_says_so() {
        let routes = routes(watch::channel(None).1);
        assert_eq!(say(&routes, Verdict::Member, Body::empty()).await.0, 502);
    }
}
