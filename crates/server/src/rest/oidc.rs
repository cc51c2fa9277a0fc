//! The console plane's routes for signing in at the identity provider. A browser follows them automatically.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, Html, IntoResponse, Response};
use headwater_api::v1::VouchedQuery;
use secrecy::ExposeSecret as _;

use super::authorizer::cookie;
use super::json::Query;
use super::transport::Transport;
use crate::access::AccessService;
use crate::caller::Caller;
use crate::error::Result;
use crate::limits::{SIGN_IN_SECONDS, VOUCHED_SESSION_HOURS};

/// A browser sends the session's cookie (`SameSite=Strict`) only with a navigation that begins here. One that comes back
/// from the provider began there, and a redirect would continue it without the cookie: this page begins another.
const ARRIVED: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Headwater</title>\
    <meta http-equiv=\"refresh\" content=\"0;url=/\"></head><body><p>Signed in. <a href=\"/\">To the console</a></p>\
    </body></html>";

pub async fn begin(
    State(access): State<Arc<AccessService>>,
    caller: Caller,
    Extension(transport): Extension<Transport>,
) -> Result<Leave> {
    let (to, browser) = access.begin_at_provider(&caller).await?;
    Ok(Leave {
        to: to.into(),
        cookie: transport.set_sign_in_cookie(browser.expose_secret(), SIGN_IN_SECONDS),
    })
}

pub async fn end(
    State(access): State<Arc<AccessService>>,
    caller: Caller,
    Extension(transport): Extension<Transport>,
    headers: HeaderMap,
    Query(answer): Query<VouchedQuery>,
) -> Result<Arrive> {
    let browser = cookie(&headers, transport.sign_in_cookie_name());
    let (token, _) = access.end_at_provider(answer, browser.as_ref(), &caller).await?;
    let session = transport.set_cookie(token.expose_secret(), VOUCHED_SESSION_HOURS * 3600);
    Ok(Arrive { cookies: [session, transport.set_sign_in_cookie("", 0)] })
}

/// Sends a browser to the provider.
pub struct Leave {
    to: String,
    cookie: HeaderValue,
}

impl IntoResponse for Leave {
    fn into_response(self) -> Response {
        let headers = [(header::LOCATION, self.to), (header::CACHE_CONTROL, "no-store".to_owned())];
        (StatusCode::SEE_OTHER, AppendHeaders([(header::SET_COOKIE, self.cookie)]), headers).into_response()
    }
}

/// Gives a browser its session, and a page that leads to the console.
pub struct Arrive {
    cookies: [HeaderValue; 2],
}

impl IntoResponse for Arrive {
    fn into_response(self) -> Response {
        let cookies = self.cookies.map(|cookie| (header::SET_COOKIE, cookie));
        let headers = [
            (header::CACHE_CONTROL, "no-store"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        (AppendHeaders(cookies), headers, Html(ARRIVED)).into_response()
    }
}
