//! The fleet listener: the static layout, enrolment, and what clients state.
//!
//! Who has no certificate of a known client gets as far as enrolling and renewing, and no further ([`known_only`]); class
//! `components` may be open to everybody by a setting. It is asked at every request, not once a connection, so that a
//! revocation counts at once.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router, middleware};
use headwater_depot::serve::{self, PeerCertificate, Site};
use headwater_identity::{Peer, Sealed, Statement};

use super::{json, now};
use crate::app::App;
use crate::error::{Error, Refusal, Result};
use crate::limits;

/// Where one may ask without a certificate.
const FOR_EVERYBODY: [&str; 2] = ["/client/v1/enrol", "/client/v1/renew"];

/// The class that a setting opens to readers without a certificate.
const MAYBE_FOR_EVERYBODY: &str = "/components/";

/// Everything that clients and update agents may ask.
pub fn fleet(app: Arc<App>, site: Site) -> Router {
    let says = Router::new()
        .route("/client/v1/enrol", post(enrol))
        .route("/client/v1/renew", post(renew))
        .route("/client/v1/check-in", post(check_in))
        .route("/client/v1/report", post(report))
        .method_not_allowed_fallback(json::wrong_method)
        .with_state(app.clone());
    serve::router(site)
        .merge(says)
        .fallback(json::no_route)
        .layer(middleware::from_fn_with_state(app, known_only))
}

/// Lets a request through whose connection showed the certificate of a known client; who that is goes with it.
async fn known_only(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if FOR_EVERYBODY.contains(&path) {
        return next.run(request).await;
    }
    let open = app.anonymous_components() && path.starts_with(MAYBE_FOR_EVERYBODY);
    let peer = match request.extensions().get::<PeerCertificate>() {
        Some(PeerCertificate(certificate)) => app.known_peer(certificate, from.ip(), now()).await,
        None => Err(Refusal::CertificateNeeded.into()),
    };
    match peer {
        Ok(peer) => {
            request.extensions_mut().insert(peer);
            next.run(request).await
        }
        Err(Error::Refused(Refusal::CertificateNeeded)) if open => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

async fn enrol(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let sealed: Sealed = match json::read(request, limits::ENROL_BODY_BYTES_MAX).await {
        Ok(sealed) => sealed,
        Err(refused) => return refused,
    };
    answer(app.enrol(&sealed, from.ip(), now()).await)
}

async fn renew(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    match json::read(request, limits::RENEWAL_BODY_BYTES_MAX).await {
        Ok(statement) => answer(app.renew(statement, from.ip(), now()).await),
        Err(refused) => refused,
    }
}

async fn check_in(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    match statement(request, limits::CHECK_IN_BODY_BYTES_MAX).await {
        Ok(statement) => answer(app.check_in(statement, &peer, from.ip(), now()).await),
        Err(refused) => refused,
    }
}

async fn report(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    match statement(request, limits::REPORT_STATEMENT_BYTES_MAX).await {
        Ok(statement) => answer(app.take_report(statement, &peer, from.ip(), now()).await),
        Err(refused) => refused,
    }
}

async fn statement(request: Request, max: usize) -> std::result::Result<Statement, Response> {
    json::read(request, max).await
}

fn answer(answered: Result<headwater_identity::Answer>) -> Response {
    match answered {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => error.into_response(),
    }
}
