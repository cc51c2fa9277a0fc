//! The authorizer before every route: who asks, and whether they may (I4).
//!
//! Who asks is found, in this order, by the local socket, by an API token (`Authorization: Bearer hwa_…`) or by the
//! cookie of a session. A browser sends the cookie with whatever a web page makes it ask, so with a cookie a request
//! that changes something must also show that it comes from the console's own pages: by `Origin`, which the origin check has
//! compared with `Host`, or by `Sec-Fetch-Site: same-origin`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;

use super::route::{RequiredRole, RouteRow};
use super::transport::Transport;
use super::{json, now};
use crate::access::AccessService;
use crate::caller::{Actor, AdministratorRole, Caller, SignedIn};
use crate::error::{Error, Refusal, Result};

/// The system's user at the other end of the local socket.
#[derive(Debug, Clone, Copy)]
pub struct LocalPeer(pub u32);

/// Decides who may pass to the routes of one listener.
#[derive(Debug, Clone)]
pub struct Authorizer {
    /// Knows sessions and tokens.
    pub access: Arc<AccessService>,
    /// How the listener is reached.
    pub transport: Transport,
}

/// The authorizer of one route.
#[derive(Debug, Clone)]
pub struct RouteAuthorizer {
    authorizer: Authorizer,
    row: RouteRow,
}

impl Authorizer {
    /// The authorizer of a route.
    pub fn of(&self, row: RouteRow) -> RouteAuthorizer {
        RouteAuthorizer { authorizer: self.clone(), row }
    }
}

/// Lets the request pass, with the [`Caller`] in it, or refuses.
pub async fn pass(State(authorizer): State<RouteAuthorizer>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&authorizer, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            parts.extensions.insert(authorizer.authorizer.transport);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => {
            json::drop_rest(body).await;
            error.into_response()
        }
    }
}

async fn admit(authorizer: &RouteAuthorizer, request: &Parts) -> Result<Caller> {
    let from = from(request);
    let now = now();
    let RequiredRole::Role(required) = authorizer.row.required_role else {
        return Ok(Caller { actor: Actor::Anonymous, role: AdministratorRole::Viewer, from, now });
    };
    let signed_in = match request.extensions.get::<LocalPeer>() {
        Some(LocalPeer(uid)) => SignedIn::whole(Actor::Local(*uid), AdministratorRole::Admin),
        None => authorizer.authorizer.who((&request.method, &request.headers), now).await?,
    };
    if signed_in.role < required {
        return Err(Refusal::Forbidden { needs: required, has: signed_in.role }.into());
    }
    let scope = authorizer.row.scope();
    if !signed_in.has_scope(scope) {
        return Err(Refusal::OutOfScope(scope).into());
    }
    Ok(Caller { actor: signed_in.actor, role: signed_in.role, from, now })
}

impl Authorizer {
    async fn who(&self, (method, headers): (&Method, &HeaderMap), now: jiff::Timestamp) -> Result<SignedIn> {
        if let Some(token) = bearer(headers)? {
            return self.access.who_has_token(&token, now).await;
        }
        let Some(cookie) = cookie(headers, self.transport.cookie_name()) else {
            return Err(Refusal::NotSignedIn.into());
        };
        let signed_in = self.access.who_has_session(&cookie, now).await?;
        if !method.is_safe() && !is_own_page(headers) {
            return Err(Refusal::ForeignOrigin(
                "a cookie alone changes nothing: the request must come from the console's own pages (header Origin)",
            )
            .into());
        }
        Ok(signed_in)
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<SecretString>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
    match (token, values.next()) {
        (Some(token), None) => Ok(Some(SecretString::from(token.trim().to_owned()))),
        _ => Err(Refusal::BadApiToken.into()),
    }
}

/// The value of a cookie.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<SecretString> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| SecretString::from(value.to_owned()))
}

/// The origin check has refused every `Origin` that is not ours.
fn is_own_page(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => headers.contains_key(header::ORIGIN),
    }
}

fn from(request: &Parts) -> String {
    match request.extensions.get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(peer)) => peer.ip().to_canonical().to_string(),
        None => "local".to_owned(),
    }
}

/// Every handler behind the authorizer can name the caller.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Refusal::NotSignedIn.into())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let check = |sent: &[&str], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for text in sent {
                headers.append(header::COOKIE, text.parse().unwrap());
            }
            let found = cookie(&headers, "headwater_session");
            assert_eq!(found.as_ref().map(ExposeSecret::expose_secret), expected, "{sent:?}");
        };
        check(&[], None);
        check(&["headwater_session=abc"], Some("abc"));
        check(&["a=b; headwater_session=abc; c=d"], Some("abc"));
        check(&["a=b", "headwater_session=abc"], Some("abc"));
        check(&["xheadwater_session=abc"], None);
        check(&["headwater_session"], None);
    }

    #[test]
    fn a_cookie_alone_changes_nothing() {
        let check = |sent: &[(&'static str, &str)], expected: bool| {
            let mut headers = HeaderMap::new();
            for (name, value) in sent {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(is_own_page(&headers), expected, "{sent:?}");
        };
        check(&[], false);
        check(&[("origin", "http://127.0.0.1")], true);
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1")], false);
        check(&[("sec-fetch-site", "none")], false);
    }
}
