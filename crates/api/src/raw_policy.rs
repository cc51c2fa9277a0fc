//! A policy file and a client file as they are written. Every field is optional, so that all that are missing can be
//! reported at once (`read_policy` knows which those are); a [`RawValue`] is read apart.

use std::net::IpAddr;
use std::str::FromStr;

use headwater_policy::{
    ClientId, Ipv4Range, Ipv6Prefix, Mode, ParseError, Scheme, SourceUrl, VendorFallback, parse_address,
};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::reader::Text;

/// See [`crate::policy::PolicyDocument`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPolicy<'j> {
    pub mode: Option<Text<Mode>>,
    #[serde(borrow)]
    pub options: Option<&'j RawValue>,
    #[serde(borrow)]
    pub server: Option<&'j RawValue>,
    #[serde(borrow)]
    pub vendor: Option<&'j RawValue>,
    #[serde(borrow)]
    pub update_agents: Option<Vec<&'j RawValue>>,
    #[serde(borrow)]
    pub own_components: Option<Vec<&'j RawValue>>,
    #[serde(borrow)]
    pub entries: Option<Vec<&'j RawValue>>,
}

/// See [`crate::policy::OptionsDocument`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOptions<'j> {
    #[serde(borrow)]
    pub server_fallback: Option<&'j RawValue>,
    pub update_agents_from_server_only: Option<bool>,
    pub vendor_fallback: Option<Text<VendorFallback>>,
}

/// See [`crate::policy::ServerFallbackDocument`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawServerFallback {
    pub settings: Option<bool>,
    pub components: Option<bool>,
    pub programs: Option<bool>,
}

/// See [`crate::policy::LocationDocument`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLocation {
    pub url: Option<Text<SourceUrl>>,
}

/// See [`crate::policy::UpdateAgentDocument`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawUpdateAgent<'j> {
    pub id: Option<Text<ClientId>>,
    #[serde(borrow)]
    pub addresses: Option<Vec<&'j RawValue>>,
    pub scheme: Option<Text<Scheme>>,
    pub port: Option<Port>,
    #[serde(borrow)]
    pub classes: Option<Vec<&'j RawValue>>,
}

/// See [`crate::policy::EntryDocument`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawEntry<'j> {
    #[serde(borrow)]
    pub clients: Option<&'j RawValue>,
    #[serde(borrow)]
    pub source: Option<&'j RawValue>,
}

/// See [`crate::policy::SelectorDocument`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSelector {
    pub ipv4: Option<Text<Ipv4Range>>,
    pub ipv6: Option<Text<Ipv6Prefix>>,
}

/// A [`crate::policy::SourceDocument`] that is an object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSource<'j> {
    pub update_agent: Option<Text<ClientId>>,
    pub url: Option<Text<SourceUrl>>,
    #[serde(borrow)]
    pub classes: Option<Vec<&'j RawValue>>,
}

/// See [`crate::policy::ClientDocument`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawClient<'j> {
    pub id: Option<Text<ClientId>>,
    #[serde(borrow)]
    pub addresses: Option<Vec<&'j RawValue>>,
    pub download_from_vendor: Option<bool>,
}

/// An address as [`parse_address`] takes it.
pub(crate) struct Address(pub IpAddr);

impl FromStr for Address {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse_address(text).map(Self)
    }
}

/// A TCP port.
pub(crate) struct Port(pub u16);

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer).ok().and_then(|number| u16::try_from(number).ok());
        let port = number.filter(|port| *port > 0).map(Self);
        port.ok_or_else(|| D::Error::custom("a port is a whole number from 1 to 65535"))
    }
}
