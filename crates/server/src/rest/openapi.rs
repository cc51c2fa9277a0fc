//! The OpenAPI document of the console plane: `docs/openapi.json`, as it is in the repository.
//!
//! The feature `openapi` adds what makes it: `document` from the table of routes, `described` from the types of the
//! handlers, `summaries` for the sentences. A test compares the two. Programs are built without the feature: schemas
//! take time to compile and nobody needs them there.

#[cfg(feature = "openapi")]
mod described;
#[cfg(feature = "openapi")]
mod document;
#[cfg(feature = "openapi")]
mod join;
#[cfg(feature = "openapi")]
mod operation;
#[cfg(feature = "openapi")]
mod summaries;
#[cfg(not(feature = "openapi"))]
mod undescribed;

use axum::http::header;
use axum::response::IntoResponse as _;

use super::responses::PlainJson;

#[cfg(feature = "openapi")]
pub use self::described::Described;
#[cfg(feature = "openapi")]
pub use self::document::generate;
#[cfg(feature = "openapi")]
pub use self::operation::Description;
#[cfg(not(feature = "openapi"))]
pub use self::undescribed::{Described, Description};

/// The document, as a file.
pub const DOCUMENT: &str = include_str!("../../../../docs/openapi.json");

/// Answers the document.
pub async fn openapi() -> PlainJson {
    PlainJson(([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response())
}
