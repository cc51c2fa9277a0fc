//! Keeps web pages away from the console: a browser that is signed in must not be made to act by a page from
//! elsewhere.
//!
//! `Host` must be a loopback name or the address that the listener has (a page that rebinds its own name to 127.0.0.1
//! fails here), and `Origin`, which browsers send with every request that changes something, must be that same host.
//! Either of them twice is refused (RFC 9112, 3.2): who reads the first and who reads the last would disagree.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::{Error, Refusal};

/// Refuses what a foreign web page could have sent.
pub async fn own_origin_only(State(listener): State<SocketAddr>, request: Request, next: Next) -> Response {
    let uri_host = request.uri().authority().map(ToString::to_string);
    match check(request.headers(), uri_host.as_deref(), listener) {
        Ok(()) => next.run(request).await,
        Err(refusal) => Error::from(refusal).into_response(),
    }
}

fn check(headers: &HeaderMap, uri_host: Option<&str>, listener: SocketAddr) -> Result<(), Refusal> {
    let count = |name| headers.get_all(name).iter().count();
    if count(header::HOST) > 1 || count(header::ORIGIN) > 1 {
        return Err(Refusal::ForeignOrigin("the Host or Origin header comes twice; send each once"));
    }
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = uri_host.or_else(|| text(header::HOST)).unwrap_or_default();
    if !is_own_host(host, listener) {
        return Err(Refusal::ForeignOrigin(
            "the Host header names another host; connect to the console by its address or as localhost",
        ));
    }
    match text(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if origin.strip_prefix("http://") == Some(host) => Ok(()),
        Some(_) => Err(Refusal::ForeignOrigin(
            "the request comes from a web page of another origin; that is refused",
        )),
    }
}

fn is_own_host(host: &str, listener: SocketAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty() => name,
        _ => host,
    };
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match literal.parse::<IpAddr>() {
        // A listener on every address is reached by any of them; a page cannot rebind a literal address.
        Ok(ip) => ip.is_loopback() || ip == listener.ip() || listener.ip().is_unspecified(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_hosts_and_origins_are_refused() {
        let check_one = |host: &str, origin: Option<&str>, listener: &str, fine: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            let result = check(&headers, None, listener.parse().unwrap());
            assert_eq!(result.is_ok(), fine, "{host} {origin:?} {listener}");
        };
        let listener = "127.0.0.1:8470";
        check_one("127.0.0.1:8470", None, listener, true);
        check_one("localhost:8470", None, listener, true);
        check_one("[::1]:8470", None, listener, true);
        check_one("127.0.0.1:8470", Some("http://127.0.0.1:8470"), listener, true);
        check_one("127.0.0.1:8470", Some("http://evil.example"), listener, false);
        check_one("127.0.0.1:8470", Some("null"), listener, false);
        check_one("evil.example:8470", None, listener, false);
        check_one("10.0.0.1:8470", None, listener, false);
        check_one("10.0.0.1:8470", None, "10.0.0.1:8470", true);
        check_one("10.0.0.1:8470", None, "0.0.0.0:8470", true);
        check_one("", None, listener, false);
    }

    #[test]
    fn a_header_that_comes_twice_is_refused() {
        let check_one = |name: header::HeaderName, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:8470".parse().unwrap());
            headers.insert(header::ORIGIN, "http://127.0.0.1:8470".parse().unwrap());
            let listener = "127.0.0.1:8470".parse().unwrap();
            assert_eq!(check(&headers, None, listener), Ok(()));
            headers.append(name.clone(), value.parse().unwrap());
            assert!(check(&headers, None, listener).is_err(), "{name}: {value}");
        };
        check_one(header::HOST, "evil.example");
        check_one(header::HOST, "127.0.0.1:8470");
        check_one(header::ORIGIN, "http://evil.example");
    }
}
