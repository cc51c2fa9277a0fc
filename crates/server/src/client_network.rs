//! The network of a caller as the audit trail writes it, by which failed attempts are counted.

use std::net::IpAddr;

use headwater_policy::ClientNetwork;

/// The network of an address as text. What is no address (the local socket) stays as it is.
pub fn client_network(from: &str) -> String {
    from.parse::<IpAddr>().map_or_else(|_| from.to_owned(), |address| ClientNetwork::of(address).to_string())
}
