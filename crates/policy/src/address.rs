//! Addresses and their families. An IPv4-mapped IPv6 address is an IPv4 address everywhere (S3).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::problem::ParseError;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4, and IPv4-mapped IPv6.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.to_canonical().is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A set of address families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FamilySet {
    v4: bool,
    v6: bool,
}

impl FamilySet {
    /// Both, as a host name has (S5).
    pub const BOTH: Self = Self { v4: true, v6: true };
    /// Neither.
    pub const NONE: Self = Self { v4: false, v6: false };

    /// The set of one.
    pub const fn only(family: Family) -> Self {
        match family {
            Family::V4 => Self { v4: true, v6: false },
            Family::V6 => Self { v4: false, v6: true },
        }
    }

    /// Is `family` in the set?
    pub const fn contains(self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    /// The set with `family` added.
    #[must_use]
    pub const fn with(self, family: Family) -> Self {
        match family {
            Family::V4 => Self { v4: true, ..self },
            Family::V6 => Self { v6: true, ..self },
        }
    }

    /// Is nothing in the set?
    pub const fn is_empty(self) -> bool {
        !self.v4 && !self.v6
    }

    /// What is in it, IPv4 first.
    pub fn iter(self) -> impl Iterator<Item = Family> {
        [Family::V4, Family::V6].into_iter().filter(move |family| self.contains(*family))
    }
}

impl FromIterator<Family> for FamilySet {
    fn from_iter<I: IntoIterator<Item = Family>>(families: I) -> Self {
        families.into_iter().fold(Self::NONE, Self::with)
    }
}

/// The network that a caller counts as where callers are limited: an IPv4 address, or the /64 of an IPv6 address, because
/// the holder of one address of a /64 usually holds all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientNetwork(IpAddr);

impl ClientNetwork {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

/// Reads an address in any textual form; IPv4-mapped comes out as IPv4 (S3).
///
/// # Errors
/// The text is no address, or it names a zone, which means something on one machine only.
pub fn parse_address(text: &str) -> Result<IpAddr, ParseError> {
    if text.contains('%') {
        return Err(ParseError::new(format!(
            "`{text}` names a zone, which means something on one machine only; leave out the `%` and what follows"
        )));
    }
    text.parse::<IpAddr>()
        .map(|address| address.to_canonical())
        .map_err(|_| ParseError::new(format!("`{text}` is no IPv4 or IPv6 address")))
}

/// Is it good on its own link only, so that clients elsewhere cannot reach it (S3)?
pub fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
