//! Where a listener binds, as written in the configuration: `ADDRESS:PORT`, or `:PORT` for every address of both families.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::Deserialize;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::limits::ACCEPT_BACKLOG;

/// Where a listener binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ListenAddress {
    /// At one address; `0.0.0.0` and `[::]` are every address of their family.
    One(SocketAddr),
    /// At every address of both families; of IPv4 alone where the kernel has no IPv6.
    Every(u16),
}

impl ListenAddress {
    /// Its address; that of every address if it has none of its own.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        match self {
            Self::One(address) => address.ip(),
            Self::Every(_) => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// Binds it. The error names every address that was tried.
    pub(crate) async fn bind(self) -> Result<TcpListener, BindFailure> {
        let at = |address: SocketAddr| move |error| (address, error);
        match self {
            Self::One(address) => {
                TcpListener::bind(address).await.map_err(|error| BindFailure(vec![at(address)(error)]))
            }
            Self::Every(port) => {
                let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
                let tried = match bind_both(both) {
                    Ok(listener) => return Ok(listener),
                    // The port is somebody's, or forbidden: so it is for IPv4, and one family would be left out silently.
                    Err(error) if has_ipv6(&error) => return Err(BindFailure(vec![(both, error)])),
                    Err(error) => (both, error),
                };
                let ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
                TcpListener::bind(ipv4).await.map_err(|error| BindFailure(vec![tried, (ipv4, error)]))
            }
        }
    }
}

/// Whether binding failed although the kernel has IPv6.
fn has_ipv6(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Kind;
    matches!(error.kind(), Kind::AddrInUse | Kind::PermissionDenied)
}

/// One socket for both families, whatever the system's default is.
fn bind_both(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// Why a listener is not bound: each address that was tried, with the system's error.
#[derive(Debug)]
pub struct BindFailure(pub Vec<(SocketAddr, std::io::Error)>);

impl fmt::Display for BindFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (address, error)) in self.0.iter().enumerate() {
            write!(f, "{}{address}: {error}", if position == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for BindFailure {}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
            return Ok(Self::Every(port));
        }
        text.parse().map(Self::One).map_err(|_| {
            format!(
                "`{text}` is not an address with a port: write :8471 for every address of this machine, 10.0.0.5:8471 or \
                 [2001:db8::5]:8471 for one"
            )
        })
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::One(address)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(address) => address.fmt(f),
            Self::Every(port) => write!(f, ":{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_every_address() {
        let check = |text: &str, expected: &str| {
            let shown =
                text.parse::<ListenAddress>().map_or_else(|error| error, |parsed| format!("{parsed:?}"));
            assert!(shown.contains(expected), "{text}: {shown}");
        };
        check(":8471", "Every(8471)");
        check("0.0.0.0:8471", "One(0.0.0.0:8471)");
        check("[::]:8471", "One([::]:8471)");
        for wrong in ["8471", "10.0.0.5", "::1:8471x", ":", ":70000", "headwater.example:8471"] {
            check(wrong, "write :8471 for every address");
        }
    }

    #[tokio::test]
    async fn one_listener_has_both_families_and_an_error_names_what_was_tried() {
        let listener = ListenAddress::Every(0).bind().await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            tokio::net::TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.unwrap();
        }
        let refused = ListenAddress::Every(port).bind().await.unwrap_err().to_string();
        assert!(refused.contains(&format!(":{port}: Address already in use")), "{refused}");
    }
}
