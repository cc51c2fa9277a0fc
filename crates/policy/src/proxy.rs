//! The HTTP proxy by which URLs and the vendor source are reached, and the hosts that are reached directly all the same.

use std::net::IpAddr;

use crate::address::parse_address;
use crate::limits::PROXY_EXCEPTIONS_MAX;
use crate::problem::ParseError;
use crate::selector::{Ipv4Range, Ipv6Prefix};
use crate::source_url::{SourceUrl, is_loopback_host};

/// A proxy, with its exceptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    url: SourceUrl,
    exceptions: Vec<Exception>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    /// A host, and every host below it.
    Name(String),
    Ipv4(Ipv4Range),
    Ipv6(Ipv6Prefix),
}

impl Proxy {
    /// Reads a proxy's base URL, and its exceptions: host names (with all names below them), addresses, ranges and prefixes,
    /// between commas.
    ///
    /// # Errors
    /// The URL has a path or is none, there are too many exceptions, or one is none of these.
    pub fn parse(url: &str, exceptions: &str) -> Result<Self, ParseError> {
        let url: SourceUrl = url.parse()?;
        let authority = url.as_str().split_once("://").map_or("", |(_, rest)| rest).trim_end_matches('/');
        if authority.contains('/') {
            return Err(ParseError::new(format!("the proxy {url} has a path; write http://HOST:PORT")));
        }
        let words = exceptions.split(',').map(str::trim).filter(|word| !word.is_empty());
        let exceptions = words.map(exception).collect::<Result<Vec<_>, _>>()?;
        if exceptions.len() > PROXY_EXCEPTIONS_MAX {
            let count = exceptions.len();
            return Err(ParseError::new(format!(
                "there are {count} exceptions; at most {PROXY_EXCEPTIONS_MAX} are allowed"
            )));
        }
        Ok(Self { url, exceptions })
    }

    /// Its URL.
    pub fn url(&self) -> &SourceUrl {
        &self.url
    }

    /// Whether a host is reached by it. This computer itself never is.
    pub fn applies_to(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        if is_loopback_host(&host) {
            return false;
        }
        !self.exceptions.iter().any(|exception| match (exception, address) {
            (Exception::Ipv4(range), Some(IpAddr::V4(address))) => range.contains(address),
            (Exception::Ipv6(prefix), Some(IpAddr::V6(address))) => prefix.contains(address),
            (Exception::Name(name), None) => {
                host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            _ => false,
        })
    }
}

fn exception(word: &str) -> Result<Exception, ParseError> {
    if let Ok(range) = word.parse() {
        return Ok(Exception::Ipv4(range));
    }
    if let Ok(prefix) = word.parse() {
        return Ok(Exception::Ipv6(prefix));
    }
    let name = word.trim_start_matches("*.").trim_matches('.').to_ascii_lowercase();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || parse_address(&name).is_ok() || !name.bytes().all(fits) {
        return Err(ParseError::new(format!(
            "the exception `{}` is neither a host name nor an address, range or prefix; write for example \
             corp.example, 10.0.0.0/8, fd00::/8",
            word.escape_debug()
        )));
    }
    Ok(Exception::Name(name))
}

#[cfg(test)]
mod tests {
    use super::{PROXY_EXCEPTIONS_MAX, Proxy};

    #[test]
    fn a_proxy_serves_every_host_but_this_computer_and_its_exceptions() {
        let proxy =
            Proxy::parse("http://proxy.example:3128", "corp.example, *.lan, 10.0.0.0/8,fd00::/8, 192.0.2.7")
                .unwrap();
        for host in
            ["updates.example", "notcorp.example", "192.0.2.8", "2001:db8::1", "[2001:db8::1]", "lang"]
        {
            assert!(proxy.applies_to(host), "{host}");
        }
        let direct = [
            "localhost",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
            "corp.example",
            "Mirror.CORP.example.",
            "a.lan",
            "10.9.9.9",
            "fd00::7",
            "192.0.2.7",
        ];
        for host in direct {
            assert!(!proxy.applies_to(host), "{host}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_in_words() {
        let check = |url: &str, exceptions: &str, expected: &str| {
            let error = Proxy::parse(url, exceptions).unwrap_err().to_string();
            assert!(error.contains(expected), "{url} {exceptions}: {error}");
        };
        check("proxy.example:3128", "", "http://");
        check("socks5://proxy.example", "", "http or https");
        check("http://proxy.example/path", "", "has a path");
        check("http://u:p@proxy.example", "", "proxy.example");
        check("http://proxy.example", "a b", "neither a host name");
        check("http://proxy.example", "10.0.0.0/33", "neither a host name");
        let many = |count: usize| "a,".repeat(count);
        assert!(Proxy::parse("http://proxy.example", &many(PROXY_EXCEPTIONS_MAX)).is_ok());
        check("http://proxy.example", &many(PROXY_EXCEPTIONS_MAX + 1), "at most 64");
    }
}
