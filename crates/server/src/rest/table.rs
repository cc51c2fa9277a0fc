//! The table of routes: method, path, required role, handler. The router is made from it, so there is no route without
//! a line on who may ask it; the test of authorisation walks it.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::authorizer::{self, Authorizer};
use super::json;
use super::openapi::{Described, Description};
use super::route::{RequiredRole, RouteRow};

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
        required_role: RequiredRole,
        handler: H,
    ) -> Self {
        self.row((Method::GET, path), required_role, on(MethodFilter::GET, handler), H::description())
    }

    /// A row for POST.
    pub fn post<T: 'static, H: Handler<T, S> + Described<T>>(
        self,
        path: &'static str,
        required_role: RequiredRole,
        handler: H,
    ) -> Self {
        self.row((Method::POST, path), required_role, on(MethodFilter::POST, handler), H::description())
    }

    /// A row for PUT.
    pub fn put<T: 'static, H: Handler<T, S> + Described<T>>(
        self,
        path: &'static str,
        required_role: RequiredRole,
        handler: H,
    ) -> Self {
        self.row((Method::PUT, path), required_role, on(MethodFilter::PUT, handler), H::description())
    }

    /// A row for PATCH.
    pub fn patch<T: 'static, H: Handler<T, S> + Described<T>>(
        self,
        path: &'static str,
        required_role: RequiredRole,
        handler: H,
    ) -> Self {
        self.row((Method::PATCH, path), required_role, on(MethodFilter::PATCH, handler), H::description())
    }

    /// A row for DELETE.
    pub fn delete<T: 'static, H: Handler<T, S> + Described<T>>(
        self,
        path: &'static str,
        required_role: RequiredRole,
        handler: H,
    ) -> Self {
        self.row((Method::DELETE, path), required_role, on(MethodFilter::DELETE, handler), H::description())
    }

    fn row(
        mut self,
        (method, path): (Method, &'static str),
        required_role: RequiredRole,
        handler: MethodRouter<S>,
        description: Description,
    ) -> Self {
        self.rows.push((RouteRow { method, path, required_role, description }, handler));
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
