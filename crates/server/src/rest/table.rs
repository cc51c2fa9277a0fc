//! The table of routes: method, path, least role, handler. The router is made from it, so there is no route without
//! somebody having said who may ask it; the test of authorisation walks it.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::authorizer::{self, Authorizer};
use super::described::{Described, Operation};
use super::{json, summaries};
use crate::caller::Role;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredRole {
    /// Whoever can connect.
    Anyone,
    /// Whoever is signed in with this role or one that may more.
    Role(Role),
}

/// One row, without its handler.
#[derive(Debug, Clone)]
pub struct RouteRow {
    /// The method.
    pub method: Method,
    /// The path, parts in braces.
    pub path: &'static str,
    /// Who may ask.
    pub least: RequiredRole,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Writes down what its handler takes and answers.
    pub(super) describe: fn(&mut Operation<'_>),
}

impl RouteRow {
    /// What an API token's scope must name: the first part of the path below `/api/v1`.
    #[must_use]
    pub fn scope(&self) -> &'static str {
        let below = self.path.strip_prefix("/api/v1").unwrap_or(self.path);
        below.trim_start_matches('/').split('/').next().unwrap_or_default()
    }
}

/// The table; `S` is what the handlers work on.
pub struct Table<S> {
    rows: Vec<(RouteRow, MethodRouter<S>)>,
}

impl<S: Clone + Send + Sync + 'static> Table<S> {
    /// No routes.
    pub fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// A row for GET.
    pub fn get<T: 'static, H: Handler<T, S> + Described<T>>(
        self,
        path: &'static str,
        least: RequiredRole,
        handler: H,
    ) -> Self {
        self.row((Method::GET, path), least, on(MethodFilter::GET, handler), H::describe)
    }

    /// A row for POST.
    pub fn post<T: 'static, H: Handler<T, S> + Described<T>>(
        self,
        path: &'static str,
        least: RequiredRole,
        handler: H,
    ) -> Self {
        self.row((Method::POST, path), least, on(MethodFilter::POST, handler), H::describe)
    }

    /// A row for PUT.
    pub fn put<T: 'static, H: Handler<T, S> + Described<T>>(
        self,
        path: &'static str,
        least: RequiredRole,
        handler: H,
    ) -> Self {
        self.row((Method::PUT, path), least, on(MethodFilter::PUT, handler), H::describe)
    }

    /// A row for PATCH.
    pub fn patch<T: 'static, H: Handler<T, S> + Described<T>>(
        self,
        path: &'static str,
        least: RequiredRole,
        handler: H,
    ) -> Self {
        self.row((Method::PATCH, path), least, on(MethodFilter::PATCH, handler), H::describe)
    }

    /// A row for DELETE.
    pub fn delete<T: 'static, H: Handler<T, S> + Described<T>>(
        self,
        path: &'static str,
        least: RequiredRole,
        handler: H,
    ) -> Self {
        self.row((Method::DELETE, path), least, on(MethodFilter::DELETE, handler), H::describe)
    }

    fn row(
        mut self,
        (method, path): (Method, &'static str),
        least: RequiredRole,
        handler: MethodRouter<S>,
        describe: fn(&mut Operation<'_>),
    ) -> Self {
        let summary = summaries::of(&method, path).unwrap_or_else(|| {
            panic!("{method} {path} has no line in rest/summaries.rs; say there what it does")
        });
        self.rows.push((RouteRow { method, path, least, summary, describe }, handler));
        self
    }

    /// The rows.
    pub fn rows(self) -> Vec<RouteRow> {
        self.rows.into_iter().map(|(row, _)| row).collect()
    }

    /// The router: each row behind the authorizer, before anything of the request's body is read.
    pub fn into_router(self, authorizer: &Authorizer) -> Router<S> {
        let router = self.rows.into_iter().fold(Router::new(), |router, (row, handler)| {
            let path = row.path;
            let before = authorizer.of(row);
            router.route(path, handler.route_layer(middleware::from_fn_with_state(before, authorizer::pass)))
        });
        router.method_not_allowed_fallback(json::wrong_method).fallback(json::no_route)
    }
}
