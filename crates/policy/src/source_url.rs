//! Source URLs, in RFC 3986 normal form, so that equal text is the same source.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use crate::address::{Family, FamilySet};
use crate::limits::{HOST_BYTES_MAX, HOST_LABEL_BYTES_MAX, URL_BYTES_MAX};
use crate::problem::ParseError;
use crate::scheme::Scheme;

/// The base URL of an update source: `http` or `https`, a host, perhaps a port and a path; no user
/// information, query or fragment. Normalised by RFC 3986 section 6.2: case of scheme, host and percent-encoding,
/// unreserved characters decoded, dot segments removed, no default port, no slash at the end. IPv6 hosts are in
/// RFC 5952 form, IPv4-mapped ones are IPv4 (S3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceUrl {
    text: Arc<str>,
    literal: Option<IpAddr>,
}

impl SourceUrl {
    /// The URL of something at an address.
    pub fn from_address(scheme: Scheme, address: IpAddr, port: u16) -> Self {
        let address = address.to_canonical();
        Self::assemble(scheme, &Host::Literal(address), port, "")
    }

    fn assemble(scheme: Scheme, host: &Host, port: u16, path: &str) -> Self {
        let literal = match host {
            Host::Literal(address) => Some(*address),
            Host::Name(_) => None,
        };
        let host = match host {
            Host::Literal(IpAddr::V4(address)) => address.to_string(),
            Host::Literal(IpAddr::V6(address)) => format!("[{address}]"),
            Host::Name(name) => name.clone(),
        };
        let port = if port == scheme.default_port() { String::new() } else { format!(":{port}") };
        Self { text: Arc::from(format!("{scheme}://{host}{port}{path}")), literal }
    }

    /// The normalised URL, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address, if the host is one.
    pub fn literal(&self) -> Option<IpAddr> {
        self.literal
    }

    /// The host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        let authority = self.text.split_once("://").map_or("", |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default();
        match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => authority.split(':').next().unwrap_or_default(),
        }
    }

    /// Whether it is the loopback of the computer that uses it.
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(self.host())
    }

    /// The family of the host, if it is an address; a name may have both.
    pub fn literal_family(&self) -> Option<Family> {
        self.literal.map(Family::of)
    }

    /// The families that the source may have: those of an address, or both for a name (S5).
    pub fn families(&self) -> FamilySet {
        self.literal_family().map_or(FamilySet::BOTH, FamilySet::only)
    }
}

/// Whether a host of a URL, a name or an address with or without brackets, is the computer that uses it: an address of the
/// loopback, or a name below `localhost` (RFC 6761, section 6.3).
pub fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_some_and(|address| address.to_canonical().is_loopback())
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for SourceUrl {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.len() > URL_BYTES_MAX {
            return Err(ParseError::new(format!(
                "the URL has {} bytes; at most {URL_BYTES_MAX} are allowed",
                text.len()
            )));
        }
        let mut faults = Vec::new();
        let url = parse(text, &mut faults);
        match url {
            Some(url) if faults.is_empty() => Ok(url),
            _ => {
                Err(ParseError::new(format!("the URL `{}` will not do: {}", shown(text), faults.join("; "))))
            }
        }
    }
}

/// The text for a message, without what may be a password.
fn shown(text: &str) -> String {
    let (before, authority) = text.split_once("://").unwrap_or(("", text));
    let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
    match authority[..end].rfind('@') {
        Some(at) => format!("{}://…{}", before.escape_debug(), authority[at..].escape_debug()),
        None => text.escape_debug().to_string(),
    }
}

enum Host {
    Literal(IpAddr),
    Name(String),
}

/// Takes the URL apart (RFC 3986 section 3) and notes every fault on the way.
fn parse(text: &str, faults: &mut Vec<String>) -> Option<SourceUrl> {
    let Some((scheme, rest)) = text.split_once("://") else {
        faults.push("it must begin with http:// or https://".to_owned());
        return None;
    };
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Some(Scheme::Http),
        "https" => Some(Scheme::Https),
        _ => {
            faults.push("its scheme must be http or https".to_owned());
            None
        }
    };
    let (rest, fragment) = split_off(rest, '#');
    let (rest, query) = split_off(rest, '?');
    if fragment {
        faults.push("it must have no fragment (`#…`)".to_owned());
    }
    if query {
        faults.push("it must have no query (`?…`)".to_owned());
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host_and_port = match authority.rsplit_once('@') {
        Some((_, rest)) => {
            faults.push("it must have no user information (`…@`)".to_owned());
            rest
        }
        None => authority,
    };
    let (host, port) = split_port(host_and_port);
    let host = host.parse_into(faults);
    let port = port.map_or(Some(None), |digits| parse_port(digits, faults).map(Some));
    let path = normalise_path(path, faults);
    let (scheme, host, port, path) = (scheme?, host?, port?, path?);
    Some(SourceUrl::assemble(scheme, &host, port.unwrap_or(scheme.default_port()), &path))
}

fn split_off(text: &str, mark: char) -> (&str, bool) {
    text.split_once(mark).map_or((text, false), |(before, _)| (before, true))
}

/// The host as written, before it is understood.
struct RawHost<'a>(&'a str);

/// An empty port is no port (RFC 3986 section 6.2.3).
fn split_port(text: &str) -> (RawHost<'_>, Option<&str>) {
    let host_end = if text.starts_with('[') { text.find(']').map_or(text.len(), |end| end + 1) } else { 0 };
    match text[host_end..].find(':') {
        Some(colon) if host_end == 0 || colon == 0 => {
            let digits = &text[host_end + colon + 1..];
            (RawHost(&text[..host_end + colon]), (!digits.is_empty()).then_some(digits))
        }
        _ => (RawHost(text), None),
    }
}

fn parse_port(digits: &str, faults: &mut Vec<String>) -> Option<u16> {
    let number =
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u16>().ok()).flatten();
    match number {
        Some(port) if port > 0 => Some(port),
        _ => {
            faults.push(format!(
                "its port `{digits}` is not a number from 1 to 65535 (an IPv6 host stands in brackets)"
            ));
            None
        }
    }
}

impl RawHost<'_> {
    fn parse_into(&self, faults: &mut Vec<String>) -> Option<Host> {
        match self.understand() {
            Ok(host) => Some(host),
            Err(fault) => {
                faults.push(fault);
                None
            }
        }
    }

    fn understand(&self) -> Result<Host, String> {
        let text = self.0;
        if text.is_empty() {
            return Err("it has no host".to_owned());
        }
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
            return address.map(|address| Host::Literal(IpAddr::V6(address).to_canonical())).ok_or_else(|| {
                format!("`{text}` is no IPv6 address in brackets (a zone is not taken: it means something on one machine only)")
            });
        }
        let name = decode_unreserved(text)
            .ok_or_else(|| format!("its host `{text}` has a broken percent-encoding"))?;
        let name = name.to_ascii_lowercase();
        if ends_in_number(&name) {
            let address = name.parse::<Ipv4Addr>();
            return address.map(|address| Host::Literal(IpAddr::V4(address))).map_err(|_| {
                format!(
                    "its host `{text}` is no IPv4 address; write four decimal numbers without leading zeros"
                )
            });
        }
        check_name(&name)?;
        Ok(Host::Name(name))
    }
}

/// Would some software take the name for an IPv4 address (WHATWG URL, "ends in a number")?
fn ends_in_number(name: &str) -> bool {
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let hexadecimal =
        last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
}

fn check_name(name: &str) -> Result<(), String> {
    if name.len() > HOST_BYTES_MAX {
        return Err(format!("its host name has more than {HOST_BYTES_MAX} bytes"));
    }
    let labels = name.strip_suffix('.').unwrap_or(name);
    for label in labels.split('.') {
        if label.is_empty() || label.len() > HOST_LABEL_BYTES_MAX {
            return Err(format!(
                "its host name `{name}` has a part that is empty or longer than {HOST_LABEL_BYTES_MAX} bytes"
            ));
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            return Err(format!(
                "its host `{}` has a character that no host name has (names beyond ASCII are written as xn--…)",
                name.escape_debug()
            ));
        }
    }
    Ok(())
}

/// Percent-encoding in capitals, unreserved characters decoded (RFC 3986 section 6.2.2); `None` if it is broken.
fn decode_unreserved(text: &str) -> Option<String> {
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        normal.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 3)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let byte = u8::from_str_radix(digits, 16).ok()?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            normal.push(char::from(byte));
        } else {
            normal.push('%');
            normal.push_str(&digits.to_ascii_uppercase());
        }
        rest = &rest[at + 3..];
    }
    normal.push_str(rest);
    Some(normal)
}

/// A path in normal form: empty, or `/…` without a slash at the end.
fn normalise_path(path: &str, faults: &mut Vec<String>) -> Option<String> {
    let taken = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/%".contains(c);
    if let Some(odd) = path.chars().find(|c| !taken(*c)) {
        faults.push(format!("its path has `{}`, which a URL has only percent-encoded", odd.escape_debug()));
        return None;
    }
    let Some(decoded) = decode_unreserved(path) else {
        faults.push("its path has a `%` without two hexadecimal digits".to_owned());
        return None;
    };
    Some(remove_dot_segments(&decoded).trim_end_matches('/').to_owned())
}

/// RFC 3986 section 5.2.4, for a path that is empty or begins with a slash.
fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    kept.iter().fold(String::new(), |path, segment| path + "/" + segment)
}
