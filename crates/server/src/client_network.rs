//! The network of a caller, by which refusals and failed attempts are counted: whoever has one address of IPv6 has a
//! whole /64 of them.

use std::net::{IpAddr, Ipv6Addr};

/// The network of an address: of IPv6 its /64, of IPv4 the address itself.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Likewise, of an address as text; what is no address stays as it is.
pub fn client_network(from: &str) -> String {
    from.parse().map_or_else(|_| from.to_owned(), |address| network_of(address).to_string())
}
