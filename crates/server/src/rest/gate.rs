//! The gate before every route: who asks, and whether they may (I4).
//!
//! Who asks is told, in this order, by the local socket, by an API token (`Authorization: Bearer hwa_…`) or by the
//! cookie of a session. A browser sends the cookie with whatever a web page makes it ask, so with a cookie a request
//! that changes something must also say that it comes from the console's own pages: by `Origin`, which the guard has
//! compared with `Host`, or by `Sec-Fetch-Site: same-origin`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::table::{RequiredRole, RouteRow};
use super::{json, now};
use crate::access::{Actor, Caller, Role, SignedIn};
use crate::app::App;
use crate::error::{Error, Refusal, Result};
use crate::secret::Secret;

/// The system's user at the other end of the local socket.
#[derive(Debug, Clone, Copy)]
pub struct LocalPeer(pub u32);

/// What the gate needs to know of the server.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Knows sessions and tokens.
    pub app: Arc<App>,
    /// How the listener is reached.
    pub door: Door,
}

/// How a listener of the console plane is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Over plain HTTP, or the local socket.
    Plain,
    /// Over TLS.
    Tls,
}

impl Door {
    /// Name of the session's cookie. Over TLS browsers take one of this prefix only from the host itself, for all its
    /// paths, and over TLS.
    pub fn cookie_name(self) -> &'static str {
        match self {
            Self::Plain => "headwater_session",
            Self::Tls => "__Host-headwater_session",
        }
    }

    /// The header that lets a browser be known again when the identity provider sends it back, which is a way here from
    /// elsewhere: a cookie that is `Strict` would stay away.
    pub fn set_sign_in_cookie(self, token: &str, seconds: i64) -> HeaderValue {
        let secure = if self == Self::Tls { "; Secure" } else { "" };
        let name = self.sign_in_cookie_name();
        let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        HeaderValue::from_str(&text).expect("tokens are base64url")
    }

    /// Name of that cookie.
    pub fn sign_in_cookie_name(self) -> &'static str {
        match self {
            Self::Plain => "headwater_sign_in",
            Self::Tls => "__Host-headwater_sign_in",
        }
    }

    /// What the origins of its pages begin with.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "http://",
            Self::Tls => "https://",
        }
    }

    /// The header that gives a browser a session, for so many seconds; 0: takes it away.
    pub fn set_cookie(self, token: &str, seconds: i64) -> HeaderValue {
        let secure = if self == Self::Tls { "; Secure" } else { "" };
        let name = self.cookie_name();
        let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
        HeaderValue::from_str(&text).expect("tokens are base64url")
    }
}

/// The gate before one route.
#[derive(Debug, Clone)]
pub struct RouteGate {
    gate: Gate,
    row: RouteRow,
}

impl Gate {
    /// The gate before a route.
    pub fn of(&self, row: RouteRow) -> RouteGate {
        RouteGate { gate: self.clone(), row }
    }
}

/// Lets the request pass, with [`By`] in it, or refuses.
pub async fn pass(State(gate): State<RouteGate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&gate, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            parts.extensions.insert(gate.gate.door);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => {
            json::drop_rest(body).await;
            error.into_response()
        }
    }
}

async fn admit(gate: &RouteGate, request: &Parts) -> Result<Caller> {
    let from = from(request);
    let now = now();
    let RequiredRole::Role(least) = gate.row.least else {
        return Ok(Caller { actor: Actor::Anonymous, role: Role::Viewer, from, now });
    };
    let signed_in = match request.extensions.get::<LocalPeer>() {
        Some(LocalPeer(uid)) => SignedIn::whole(Actor::Local(*uid), Role::Admin),
        None => gate.gate.who((&request.method, &request.headers), now).await?,
    };
    if signed_in.role < least {
        return Err(Refusal::Forbidden { needs: least, has: signed_in.role }.into());
    }
    let scope = gate.row.scope();
    if !signed_in.has_scope(scope) {
        return Err(Refusal::OutOfScope(scope).into());
    }
    Ok(Caller { actor: signed_in.actor, role: signed_in.role, from, now })
}

impl Gate {
    async fn who(&self, (method, headers): (&Method, &HeaderMap), now: jiff::Timestamp) -> Result<SignedIn> {
        if let Some(token) = bearer(headers)? {
            return self.app.who_has_token(&token, now).await;
        }
        let Some(cookie) = cookie(headers, self.door.cookie_name()) else {
            return Err(Refusal::NotSignedIn.into());
        };
        let signed_in = self.app.who_has_session(&cookie, now).await?;
        if !method.is_safe() && !is_own_page(headers) {
            return Err(Refusal::ForeignOrigin(
                "a cookie alone changes nothing: the request must come from the console's own pages (header Origin)",
            )
            .into());
        }
        Ok(signed_in)
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<Secret>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
    match (token, values.next()) {
        (Some(token), None) => Ok(Some(Secret::new(token.trim().to_owned()))),
        _ => Err(Refusal::BadApiToken.into()),
    }
}

/// The value of a cookie.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| Secret::new(value.to_owned()))
}

/// The guard has refused every `Origin` that is not ours.
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

/// Every handler behind the gate can say who asks.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Refusal::NotSignedIn.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_for_this_host_alone_and_over_tls_for_nothing_else() {
        let check = |door: Door, expected: &str| assert_eq!(door.set_cookie("abc", 60), expected);
        check(Door::Plain, "headwater_session=abc; Path=/; HttpOnly; SameSite=Strict; Max-Age=60");
        check(
            Door::Tls,
            "__Host-headwater_session=abc; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure",
        );
        let check = |door: Door, expected: &str| assert_eq!(door.set_sign_in_cookie("abc", 60), expected);
        check(Door::Plain, "headwater_sign_in=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60");
        check(Door::Tls, "__Host-headwater_sign_in=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let check = |sent: &[&str], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for text in sent {
                headers.append(header::COOKIE, text.parse().unwrap());
            }
            let found = cookie(&headers, "headwater_session");
            assert_eq!(found.as_ref().map(Secret::expose), expected, "{sent:?}");
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
