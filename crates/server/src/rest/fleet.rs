//! The fleet listener: the static layout, check-ins and reports.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use headwater_depot::serve::{self, Site};

use super::{json, now};
use crate::app::App;
use crate::limits;

/// Everything that clients and update agents may ask.
pub fn fleet(app: Arc<App>, site: Site) -> Router {
    let says = Router::new()
        .route("/client/v1/check-in", post(check_in))
        .route("/client/v1/report", post(report))
        .method_not_allowed_fallback(json::wrong_method)
        .with_state(app);
    serve::router(site).merge(says).fallback(json::no_route)
}

async fn check_in(State(app): State<Arc<App>>, request: Request) -> Response {
    let check_in = match json::read(request, limits::CHECK_IN_BODY_BYTES_MAX).await {
        Ok(check_in) => check_in,
        Err(refused) => return refused,
    };
    match app.check_in_unsigned(check_in, now()).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn report(State(app): State<Arc<App>>, request: Request) -> Response {
    let report = match json::read(request, limits::REPORT_BODY_BYTES_MAX).await {
        Ok(report) => report,
        Err(refused) => return refused,
    };
    match app.take_report_unsigned(report, now()).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => error.into_response(),
    }
}
