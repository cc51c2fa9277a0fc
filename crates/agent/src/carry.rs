//! Carries the statements of clients that cannot reach the server to it, and its answers back (U5).
//!
//! A statement is signed by its client or encrypted to the server, and an answer is signed by the server. Nothing here
//! reads, changes or keeps them. Size, number and time are bounded.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use headwater_depot::http::{Addresses, read_body};
use headwater_depot::serve::{Holder, Permits};
use headwater_policy::ClientNetwork;
use headwater_repo::error_chain;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::admission::AdmissionVerdict;
use crate::limits::{
    CARRIED_ANONYMOUS_AT_ONCE_MAX, CARRIED_ANSWER_BYTES_MAX, CARRIED_ANSWER_TIME_MAX, CARRIED_AT_ONCE_MAX,
    CARRIED_BODY_BYTES_MAX, CARRIED_BODY_TIME_MAX, CARRIED_RETRY_AFTER_SECONDS,
};

/// The server, as this update agent reaches it.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    /// Base URL of the server's fleet listener.
    pub server: String,
    /// With the fleet's TLS and this update agent's certificate.
    pub http: reqwest::Client,
    /// The addresses of the server's name.
    pub addresses: Addresses,
}

/// The server now, and the permits for messages.
#[derive(Debug, Clone)]
struct Carrier {
    upstream: watch::Receiver<Option<Upstream>>,
    enrolled: Arc<Permits>,
    anonymous: Arc<Permits>,
}

/// The routes of everything that is carried.
pub(crate) fn routes(upstream: watch::Receiver<Option<Upstream>>) -> Router {
    let carrier = Carrier {
        upstream,
        enrolled: Permits::new(CARRIED_AT_ONCE_MAX),
        anonymous: Permits::new(CARRIED_ANONYMOUS_AT_ONCE_MAX),
    };
    ["enrol", "renew", "check-in", "report"]
        .into_iter()
        .fold(Router::new(), |router, what| router.route(&format!("/client/v1/{what}"), post(carry)))
        .with_state(carrier)
}

async fn carry(
    State(carrier): State<Carrier>,
    Extension(verdict): Extension<AdmissionVerdict>,
    request: Request,
) -> Response {
    let permits = if verdict == AdmissionVerdict::Enrolled { &carrier.enrolled } else { &carrier.anonymous };
    let Some(_permit) = permits.take_for(holder_of(&request)) else {
        let wait = [(header::RETRY_AFTER, CARRIED_RETRY_AFTER_SECONDS.to_string())];
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            wait,
            "this update agent carries too many messages; try again later\n",
        )
            .into_response();
    };
    let Some(upstream) = carrier.upstream.borrow().clone() else {
        return (StatusCode::BAD_GATEWAY, "this update agent does not know the server\n").into_response();
    };
    let path = request.uri().path().to_owned();
    let body =
        match timeout(CARRIED_BODY_TIME_MAX, to_bytes(request.into_body(), CARRIED_BODY_BYTES_MAX)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
            Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
        };
    match timeout(CARRIED_ANSWER_TIME_MAX, ask(&upstream, &path, body)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::info!(path, error, "cannot carry a message of a client: the server is unreachable");
            (StatusCode::BAD_GATEWAY, "this update agent cannot reach the server\n").into_response()
        }
        Err(_) => {
            (StatusCode::GATEWAY_TIMEOUT, "the server does not answer this update agent\n").into_response()
        }
    }
}

/// Who sent it: no client and no network takes all permits.
fn holder_of(request: &Request) -> Holder {
    let address = || request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let network = || address().map_or(Holder::Unknown, |address| Holder::Network(ClientNetwork::of(address)));
    request.extensions().get::<Holder>().cloned().unwrap_or_else(network)
}

async fn ask(upstream: &Upstream, path: &str, body: axum::body::Bytes) -> Result<Response, String> {
    let url = format!("{}{path}", upstream.server.trim_end_matches('/'));
    let url = reqwest::Url::parse(&url).map_err(|error| error_chain(&error))?;
    upstream.addresses.choose(&url).await.map_err(|error| error_chain(&error))?;
    let request = upstream.http.post(url.clone()).header(header::CONTENT_TYPE, "application/json").body(body);
    let mut response = request.send().await.map_err(|error| {
        upstream.addresses.forget(&url);
        error_chain(&error)
    })?;
    let mut answer = Response::builder().status(response.status());
    for kept in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = response.headers().get(&kept) {
            answer = answer.header(kept, value);
        }
    }
    let body = read_body(&mut response, CARRIED_ANSWER_BYTES_MAX).await;
    let bytes = body.map_err(|error| error_chain(&error))?;
    answer.body(Body::from(bytes)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use headwater_depot::limits::{ADDRESS_SHARE_DIVISOR, CLIENT_SHARE_DIVISOR};
    use tokio::net::TcpListener;
    use tokio::time::Instant;
    use tower::ServiceExt as _;

    use super::*;

    /// A server that answers with so many bytes, or never.
    async fn server(answer: Option<usize>) -> watch::Receiver<Option<Upstream>> {
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
        let addresses = Addresses::new(headwater_policy::FamilySet::BOTH, CARRIED_ANSWER_TIME_MAX);
        watch::channel(Some(Upstream { server, http: reqwest::Client::new(), addresses })).1
    }

    async fn post_report(routes: &Router, who: AdmissionVerdict, body: Body) -> (u16, Option<String>) {
        post_report_of(routes, who, Holder::Unknown, body).await
    }

    async fn post_report_of(
        routes: &Router,
        who: AdmissionVerdict,
        holder: Holder,
        body: Body,
    ) -> (u16, Option<String>) {
        let mut request = Request::post("/client/v1/report").body(body).unwrap();
        request.extensions_mut().insert(who);
        request.extensions_mut().insert(holder);
        let answer = routes.clone().oneshot(request).await.unwrap();
        let wait = answer.headers().get(header::RETRY_AFTER).map(|wait| wait.to_str().unwrap().to_owned());
        (answer.status().as_u16(), wait)
    }

    #[tokio::test]
    async fn messages_and_answers_that_are_too_long_are_not_carried() {
        for (body, status) in [(CARRIED_BODY_BYTES_MAX, 200), (CARRIED_BODY_BYTES_MAX + 1, 413)] {
            let routes = routes(server(Some(2)).await);
            assert_eq!(
                post_report(&routes, AdmissionVerdict::Enrolled, Body::from(vec![b' '; body])).await.0,
                status,
                "{body}"
            );
        }
        for (bytes, status) in [(CARRIED_ANSWER_BYTES_MAX, 200), (CARRIED_ANSWER_BYTES_MAX + 1, 502)] {
            let routes = routes(server(Some(bytes)).await);
            assert_eq!(
                post_report(&routes, AdmissionVerdict::Enrolled, Body::empty()).await.0,
                status,
                "{bytes}"
            );
        }
    }

    /// Takes permits until none is left; returns their number, and the answer to the next message.
    async fn fill(
        routes: &Router,
        who: AdmissionVerdict,
        holder: impl Fn(usize) -> Holder,
    ) -> (usize, (u16, Option<String>)) {
        for held in 0.. {
            let (routes, holder) = (routes.clone(), holder(held));
            let mut sent =
                tokio::spawn(async move { post_report_of(&routes, who, holder, Body::empty()).await });
            // A message with a permit waits for the server without end; the paused clock moves once all wait.
            if let Ok(answer) = timeout(Duration::from_millis(1), &mut sent).await {
                return (held, answer.unwrap());
            }
        }
        unreachable!("the permits are bounded")
    }

    #[tokio::test(start_paused = true)]
    async fn no_caller_takes_the_permits_of_the_others() {
        let routes = routes(server(None).await);
        let full = (503, Some(CARRIED_RETRY_AFTER_SECONDS.to_string()));
        let client = |number: usize| Holder::Client(format!("pc-{number}").into());
        let network = |number: usize| {
            Holder::Network(ClientNetwork::of([10, 0, 0, u8::try_from(number).unwrap()].into()))
        };
        let one_network = fill(&routes, AdmissionVerdict::Anonymous, |_| network(0)).await;
        assert_eq!(
            one_network,
            (CARRIED_ANONYMOUS_AT_ONCE_MAX.div_ceil(ADDRESS_SHARE_DIVISOR), full.clone())
        );
        let rest = CARRIED_ANONYMOUS_AT_ONCE_MAX - one_network.0;
        let others = fill(&routes, AdmissionVerdict::Anonymous, |number| network(number + 1)).await;
        assert_eq!(others, (rest, full.clone()));
        let one_client = fill(&routes, AdmissionVerdict::Enrolled, |_| client(0)).await;
        assert_eq!(one_client, (CARRIED_AT_ONCE_MAX.div_ceil(CLIENT_SHARE_DIVISOR), full.clone()));
        let others = fill(&routes, AdmissionVerdict::Enrolled, |number| client(number + 1)).await;
        assert_eq!(others, (CARRIED_AT_ONCE_MAX - one_client.0, full));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_clients_and_servers_are_not_waited_for() {
        let routes = routes(server(None).await);
        let endless =
            Body::from_stream(futures_util::stream::pending::<Result<axum::body::Bytes, std::io::Error>>());
        for (body, status, waited) in
            [(endless, 408, CARRIED_BODY_TIME_MAX), (Body::empty(), 504, CARRIED_ANSWER_TIME_MAX)]
        {
            let began = Instant::now();
            assert_eq!(post_report(&routes, AdmissionVerdict::Enrolled, body).await.0, status);
            assert_eq!(began.elapsed(), waited, "{status}");
        }
    }

    #[tokio::test]
    async fn without_a_known_server_the_answer_is_bad_gateway() {
        let routes = routes(watch::channel(None).1);
        assert_eq!(post_report(&routes, AdmissionVerdict::Enrolled, Body::empty()).await.0, 502);
    }
}
