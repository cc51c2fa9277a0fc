//! Selectors: which clients an entry is for (S3, S4).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::address::{Family, FamilySet, parse_address};
use crate::problem::ParseError;

/// IPv4 addresses from a first to a last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ipv4Range {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

impl Ipv4Range {
    /// A range; its ends may be equal.
    ///
    /// # Errors
    /// The ends are reversed (S3).
    pub fn new(first: Ipv4Addr, last: Ipv4Addr) -> Result<Self, ParseError> {
        if first > last {
            return Err(ParseError::new(format!(
                "the range {first}-{last} is reversed; write {last}-{first} if that is what is meant"
            )));
        }
        Ok(Self { first, last })
    }

    /// The addresses that share the first `length` bits of `address`; what stands beyond is cleared.
    fn of_prefix(address: Ipv4Addr, length: &str, whole: &str) -> Result<Self, ParseError> {
        let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let length =
            length.parse::<u32>().ok().filter(|length| digits && *length <= 32).ok_or_else(|| {
                let shown = whole.escape_debug();
                ParseError::new(format!(
                    "`{shown}` is not an IPv4 prefix: the length is not a number from 0 to 32"
                ))
            })?;
        let beyond = u32::MAX.checked_shr(length).unwrap_or(0);
        let bits = address.to_bits();
        Self::new(Ipv4Addr::from_bits(bits & !beyond), Ipv4Addr::from_bits(bits | beyond))
    }

    /// The lowest address.
    pub fn first(&self) -> Ipv4Addr {
        self.first
    }

    /// The highest address.
    pub fn last(&self) -> Ipv4Addr {
        self.last
    }

    /// Is `address` between the ends, or one of them?
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.first <= address && address <= self.last
    }

    /// Is all of `other` in this range?
    pub fn covers(&self, other: &Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

impl FromStr for Ipv4Range {
    type Err = ParseError;

    /// `first-last`, one address, or a prefix with its length, which is the range that it means (S12).
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if let Some((address, length)) = text.split_once('/') {
            return Self::of_prefix(parse_v4(address.trim(), text)?, length.trim(), text);
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Self::new(parse_v4(first.trim(), text)?, parse_v4(last.trim(), text)?)
    }
}

fn parse_v4(end: &str, whole: &str) -> Result<Ipv4Addr, ParseError> {
    match parse_address(end) {
        Ok(IpAddr::V4(address)) => Ok(address),
        _ => Err(ParseError::new(format!(
            "`{}` is no IPv4 range; write first-last, such as 10.1.0.0-10.1.255.255, a prefix, such as 10.1.0.0/16, or one address",
            whole.escape_debug()
        ))),
    }
}

impl fmt::Display for Ipv4Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// An IPv6 prefix with its length, 0–128. Bits beyond the length are cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ipv6Prefix {
    bits: u128,
    length: u8,
}

impl Ipv6Prefix {
    /// A prefix; what stands beyond `length` is cleared.
    ///
    /// # Errors
    /// The length is above 128 (S3).
    pub fn new(address: Ipv6Addr, length: u8) -> Result<Self, ParseError> {
        if length > 128 {
            return Err(ParseError::new(format!("the prefix length {length} is not within 0-128")));
        }
        Ok(Self { bits: address.to_bits() & Self::mask(length), length })
    }

    fn mask(length: u8) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
    }

    /// The prefix, with the bits beyond its length clear.
    pub fn address(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.bits)
    }

    /// Bits that count, 0–128.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// The lowest and the highest address that it selects.
    pub(crate) fn bounds(&self) -> (u128, u128) {
        (self.bits, self.bits | !Self::mask(self.length))
    }

    /// Does `address` begin with the prefix?
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        address.to_bits() & Self::mask(self.length) == self.bits
    }

    /// Is all of `other` in this prefix?
    pub fn covers(&self, other: &Self) -> bool {
        self.length <= other.length && self.contains(other.address())
    }

    /// The IPv4 range that is meant, if the prefix is one of IPv4-mapped addresses (S3).
    pub(crate) fn as_ipv4(&self) -> Option<Ipv4Range> {
        let (low, high) = self.bounds();
        let low = Ipv6Addr::from_bits(low).to_ipv4_mapped()?;
        let high = Ipv6Addr::from_bits(high).to_ipv4_mapped()?;
        Ipv4Range::new(low, high).ok()
    }
}

impl FromStr for Ipv6Prefix {
    type Err = ParseError;

    /// `prefix/length`, or one address.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = |why: &str| {
            let shown = text.escape_debug();
            ParseError::new(format!(
                "`{shown}` is no IPv6 prefix: {why}; write prefix/length, such as 2001:db8:1::/48, or one address"
            ))
        };
        let (address, length) = text.split_once('/').unwrap_or((text, "128"));
        let is_alone = !text.contains('/');
        let address: Ipv6Addr = address.parse().map_err(|_| bad("it holds no IPv6 address"))?;
        // What ends in zeros is more likely meant as a prefix.
        if is_alone && address.to_bits() & u128::from(u64::MAX) == 0 {
            return Err(bad("the length is missing"));
        }
        let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        match length.parse::<u8>() {
            Ok(number) if digits && number <= 128 => Self::new(address, number),
            _ => Err(bad("the length is not a number from 0 to 128")),
        }
    }
}

impl fmt::Display for Ipv6Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.length)
    }
}

/// An entry's client addresses: an IPv4 range, an IPv6 prefix, or both (S3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Selector {
    ipv4: Option<Ipv4Range>,
    ipv6: Option<Ipv6Prefix>,
}

impl Selector {
    /// A selector. A prefix of IPv4-mapped addresses becomes the IPv4 range that it means (S3).
    ///
    /// # Errors
    /// There is neither a range nor a prefix, or two IPv4 ranges.
    pub fn new(ipv4: Option<Ipv4Range>, ipv6: Option<Ipv6Prefix>) -> Result<Self, ParseError> {
        match (ipv4, ipv6, ipv6.and_then(|prefix| prefix.as_ipv4())) {
            (None, None, _) => {
                Err(ParseError::new("the entry selects nobody: give an IPv4 range, an IPv6 prefix, or both"))
            }
            (None, _, Some(mapped)) => Ok(Self { ipv4: Some(mapped), ipv6: None }),
            (Some(_), _, Some(mapped)) => Err(ParseError::new(format!(
                "the IPv6 prefix is one of IPv4-mapped addresses and means the IPv4 range {mapped}; the entry has an \
                 IPv4 range already, so give that one an entry of its own"
            ))),
            (ipv4, ipv6, None) => Ok(Self { ipv4, ipv6 }),
        }
    }

    /// The IPv4 range, if it selects IPv4 addresses.
    pub fn ipv4(&self) -> Option<Ipv4Range> {
        self.ipv4
    }

    /// The IPv6 prefix, if it selects IPv6 addresses.
    pub fn ipv6(&self) -> Option<Ipv6Prefix> {
        self.ipv6
    }

    /// The families it selects.
    pub fn families(&self) -> FamilySet {
        let v4 = self.ipv4.map(|_| Family::V4);
        let v6 = self.ipv6.map(|_| Family::V6);
        v4.into_iter().chain(v6).collect()
    }

    /// Is `address` selected? IPv4-mapped counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.ipv4.is_some_and(|range| range.contains(address)),
            IpAddr::V6(address) => self.ipv6.is_some_and(|prefix| prefix.contains(address)),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ipv4, self.ipv6) {
            (Some(range), Some(prefix)) => write!(f, "{range} and {prefix}"),
            (Some(range), None) => range.fmt(f),
            (None, Some(prefix)) => prefix.fmt(f),
            (None, None) => f.write_str("nobody"),
        }
    }
}
