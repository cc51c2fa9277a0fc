//! A route: method, path and who may ask it.

use axum::http::Method;

use super::openapi::Description;
use crate::caller::AdministratorRole;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredRole {
    /// Anyone who can connect.
    Anyone,
    /// An administrator with this role, or with one that may do more.
    Role(AdministratorRole),
}

/// One row, without its handler.
#[derive(Debug, Clone)]
pub struct RouteRow {
    /// The method.
    pub method: Method,
    /// The path, parts in braces.
    pub path: &'static str,
    /// Who may ask.
    pub required_role: RequiredRole,
    /// Writes down what its handler takes and answers.
    #[cfg_attr(not(feature = "openapi"), expect(dead_code, reason = "only the document reads it"))]
    pub(super) description: Description,
}

impl RouteRow {
    /// What an API token's scope must name: the first part of the path below `/api/v1`.
    #[must_use]
    pub fn scope(&self) -> &'static str {
        let below = self.path.strip_prefix("/api/v1").unwrap_or(self.path);
        below.trim_start_matches('/').split('/').next().unwrap_or_default()
    }
}
