//! Responses that are not plain JSON of a message: each is a type, so that the OpenAPI document can describe it.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use headwater_api::v1::Health;

/// A header beside the response: a cookie that is set or removed.
pub type WithHeader = AppendHeaders<[(HeaderName, HeaderValue); 1]>;

/// Whether the server works: with 503 if it does not do all of its work.
pub struct HealthAnswer(pub Health);

impl IntoResponse for HealthAnswer {
    fn into_response(self) -> Response {
        let status = if self.0.status == "failed" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        (status, Json(self.0)).into_response()
    }
}

/// A tar archive.
pub struct Tar(pub Response);

impl IntoResponse for Tar {
    fn into_response(self) -> Response {
        self.0
    }
}

/// JSON without a type among our messages: the OpenAPI document itself.
pub struct PlainJson(pub Response);

impl IntoResponse for PlainJson {
    fn into_response(self) -> Response {
        self.0
    }
}
