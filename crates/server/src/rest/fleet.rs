//! The fleet listener: the static layout, enrolment, and what clients state.
//!
//! Its router is made from [`table`], as the console plane's is, so that no route exists without
//! its callers. That is asked at every request, not once a connection, so that a revocation counts at once.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, post};
use axum::{Extension, Json, Router, middleware};
use headwater_depot::serve::{self, PeerCertificate, ServeLimits, SharedRepositories};
use headwater_identity::{Peer, Sealed, Statement};
use headwater_policy::{Class, Repository};

use super::{json, now};
use crate::error::{Error, Refusal, Result};
use crate::fleet::FleetService;
use crate::limits;

/// Who may ask something of the fleet listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedCaller {
    /// Everybody who can connect: the message proves itself.
    Anyone,
    /// A client that is enrolled, by its certificate.
    Client,
    /// Likewise; with `anonymous_components` also who shows no certificate.
    ClientOrReader,
}

/// One row of the table of the fleet plane's routes, without its handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetRoute {
    /// The method.
    pub method: Method,
    /// The path, parts in braces.
    pub path: &'static str,
    /// Who may ask.
    pub who: AllowedCaller,
}

/// A row of the table, with its handler.
type Row = (FleetRoute, MethodRouter<Arc<FleetService>>);

/// Everything that clients and update agents may ask.
fn table(site: &SharedRepositories) -> Vec<Row> {
    let states = |path, who, handler: MethodRouter<Arc<FleetService>>| -> Row {
        (FleetRoute { method: Method::POST, path, who }, handler.fallback(json::wrong_method))
    };
    let mut rows = vec![
        states("/client/v1/enrol", AllowedCaller::Anyone, post(enrol)),
        states("/client/v1/renew", AllowedCaller::Anyone, post(renew)),
        states("/client/v1/check-in", AllowedCaller::Client, post(check_in)),
        states("/client/v1/report", AllowedCaller::Client, post(report)),
    ];
    rows.extend(serve::routes(site).map(|(repository, path, files)| {
        let who = match repository {
            Repository::Class(Class::Components) => AllowedCaller::ClientOrReader,
            Repository::Policy | Repository::Class(Class::Settings | Class::Programs) => {
                AllowedCaller::Client
            }
        };
        (FleetRoute { method: Method::GET, path, who }, files)
    }));
    rows
}

/// The rows of the table.
pub fn rows() -> Vec<FleetRoute> {
    table(&SharedRepositories::new(ServeLimits::default())).into_iter().map(|(row, _)| row).collect()
}

/// The fleet plane: each row behind its check, before anything of the request's body is read. That a path is missing is
/// answered to clients alone.
pub fn fleet(fleet: Arc<FleetService>, site: &SharedRepositories) -> Router {
    let check = |who| middleware::from_fn_with_state((fleet.clone(), who), pass);
    let router = table(site)
        .into_iter()
        .fold(Router::new(), |router, (row, handler)| router.route(row.path, handler.layer(check(row.who))));
    let nothing = any(json::no_route).layer(check(AllowedCaller::Client));
    router.fallback_service(nothing.with_state(())).with_state(fleet.clone())
}

/// Lets a request through that may ask; which client it is of goes with it.
async fn pass(
    State((fleet, who)): State<(Arc<FleetService>, AllowedCaller)>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    if who == AllowedCaller::Anyone {
        return next.run(request).await;
    }
    let open = who == AllowedCaller::ClientOrReader && fleet.anonymous_components();
    let peer = match request.extensions().get::<PeerCertificate>() {
        Some(PeerCertificate(certificate)) => fleet.known_peer(certificate, from.ip(), now()).await,
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
    State(fleet): State<Arc<FleetService>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let shown = request.extensions().get::<PeerCertificate>().cloned();
    let sealed: Sealed = match json::read(request, limits::ENROL_BODY_BYTES_MAX).await {
        Ok(sealed) => sealed,
        Err(refused) => return refused,
    };
    let shown = shown.as_ref().map(|shown| shown.0.as_ref());
    answer(fleet.enrol(&sealed, shown, from.ip(), now()).await)
}

async fn renew(
    State(fleet): State<Arc<FleetService>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let shown = request.extensions().get::<PeerCertificate>().cloned();
    let shown = shown.as_ref().map(|shown| shown.0.as_ref());
    match json::read(request, limits::RENEWAL_BODY_BYTES_MAX).await {
        Ok(statement) => answer(fleet.renew(statement, shown, from.ip(), now()).await),
        Err(refused) => refused,
    }
}

async fn check_in(
    State(fleet): State<Arc<FleetService>>,
    Extension(peer): Extension<Peer>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    match statement(request, limits::CHECK_IN_BODY_BYTES_MAX).await {
        Ok(statement) => answer(fleet.check_in(statement, &peer, from.ip(), now()).await),
        Err(refused) => refused,
    }
}

async fn report(
    State(fleet): State<Arc<FleetService>>,
    Extension(peer): Extension<Peer>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    match statement(request, limits::REPORT_STATEMENT_BYTES_MAX).await {
        Ok(statement) => answer(fleet.take_report(statement, &peer, from.ip(), now()).await),
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
