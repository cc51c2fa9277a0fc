//! Paths of the API below a domain.

use crate::api_client::segment;

/// The API's path of a domain.
pub fn address(path: &str) -> String {
    format!("/api/v1/domains/{}", segment(path))
}
