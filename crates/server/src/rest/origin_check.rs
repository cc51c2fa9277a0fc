//! Keeps web pages away from the console: a browser that is signed in must not be made to act by a page from
//! elsewhere.
//!
//! `Host` must be a loopback name, one of `console_names` or the address that the listener has (a page that rebinds its
//! own name to 127.0.0.1 fails here), and `Origin`, which browsers send with every request that changes something, must
//! be that same host, over TLS where the listener speaks TLS.
//! Either of them twice is refused (RFC 9112, 3.2): who reads the first and who reads the last would disagree.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::transport::Transport;
use crate::error::{Error, Refusal};

/// What a listener is, and so which hosts and origins are its own.
#[derive(Debug)]
pub struct OriginCheck {
    /// How it is reached.
    pub transport: Transport,
    /// The names and addresses that it was given.
    pub names: Vec<String>,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Refuses what a foreign web page could have sent.
pub async fn own_origin_only(State(own): State<Arc<OriginCheck>>, request: Request, next: Next) -> Response {
    let uri_host = request.uri().authority().map(ToString::to_string);
    match check(request.headers(), uri_host.as_deref(), &own) {
        Ok(()) => next.run(request).await,
        Err(refusal) => Error::from(refusal).into_response(),
    }
}

fn check(headers: &HeaderMap, uri_host: Option<&str>, own: &OriginCheck) -> Result<(), Refusal> {
    let count = |name| headers.get_all(name).iter().count();
    if count(header::HOST) > 1 || count(header::ORIGIN) > 1 {
        return Err(Refusal::ForeignOrigin("the Host or Origin header comes twice; send each once"));
    }
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = uri_host.or_else(|| text(header::HOST)).unwrap_or_default();
    if !is_own_host(host, own) {
        return Err(Refusal::ForeignOrigin(
            "the Host header names another host; connect to the console by its address, a name of console_names or as localhost",
        ));
    }
    match text(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if origin.strip_prefix(own.transport.scheme()) == Some(host) => Ok(()),
        Some(_) => Err(Refusal::ForeignOrigin(
            "the request comes from a web page of another origin; that is refused",
        )),
    }
}

fn is_own_host(host: &str, own: &OriginCheck) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty() => name,
        _ => host,
    };
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_given = own.names.iter().any(|own| own.eq_ignore_ascii_case(literal));
    if is_given || name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let listener = own.address.ip();
    match literal.parse::<IpAddr>() {
        // A listener on every address is reached by any of them; a page cannot rebind a literal address.
        Ok(ip) => ip.is_loopback() || ip == listener || listener.is_unspecified(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(transport: Transport, names: &[&str], address: &str) -> OriginCheck {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        OriginCheck { transport, names, address: address.parse().unwrap() }
    }

    #[test]
    fn over_tls_its_names_are_its_own_and_plain_pages_are_foreign() {
        let own = own(Transport::Tls, &["headwater.example", "192.0.2.7"], "10.0.0.1:8470");
        let check_one = |host: &str, origin: Option<&str>, fine: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(check(&headers, None, &own).is_ok(), fine, "{host} {origin:?}");
        };
        check_one("headwater.example:8470", None, true);
        check_one("Headwater.Example:8470", None, true);
        check_one("192.0.2.7:8470", Some("https://192.0.2.7:8470"), true);
        check_one("10.0.0.1:8470", Some("https://10.0.0.1:8470"), true);
        check_one("headwater.example:8470", Some("https://headwater.example:8470"), true);
        check_one("headwater.example", Some("https://headwater.example"), true);
        check_one("headwater.example:8470", Some("http://headwater.example:8470"), false);
        check_one("headwater.example:8470", Some("https://headwater.example"), false);
        check_one("headwater.example:8470", Some("https://10.0.0.1:8470"), false);
        check_one("headwater.example:8470", Some("https://evil.example"), false);
        check_one("www.headwater.example:8470", None, false);
        check_one("192.0.2.8:8470", None, false);
    }

    #[test]
    fn foreign_hosts_and_origins_are_refused() {
        let check_one = |host: &str, origin: Option<&str>, listener: &str, fine: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            let result = check(&headers, None, &own(Transport::Plain, &[], listener));
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
            let own = own(Transport::Plain, &[], "127.0.0.1:8470");
            assert_eq!(check(&headers, None, &own), Ok(()));
            headers.append(name.clone(), value.parse().unwrap());
            assert!(check(&headers, None, &own).is_err(), "{name}: {value}");
        };
        check_one(header::HOST, "evil.example");
        check_one(header::HOST, "127.0.0.1:8470");
        check_one(header::ORIGIN, "http://evil.example");
    }
}
