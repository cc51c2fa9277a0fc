//! Responses that are not plain JSON of a message: each is a type, so that the OpenAPI document can describe it.

use axum::http::{HeaderName, HeaderValue};
use axum::response::{AppendHeaders, IntoResponse, Response};

/// A header beside the response: a cookie that is set or removed.
pub type WithHeader = AppendHeaders<[(HeaderName, HeaderValue); 1]>;

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
