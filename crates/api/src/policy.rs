//! The policy file: the source list, its options, and what its entries refer to.
//!
//! The same JSON is read by `headwater plan`, taken and given by `headwater sources import` and
//! `export`, and carried in the signed policy. One rule holds wherever it is read: every key but the optional ones is
//! there, and no other. A file without `entries` would otherwise empty a list.

use serde::{Deserialize, Serialize};

/// A whole policy as written in a file or carried in the signed policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyDocument {
    /// `standard` or `customized`.
    pub mode: String,
    /// The options beside the list.
    pub options: OptionsDocument,
    /// The organisation's own server.
    pub server: LocationDocument,
    /// The vendor source. Absent from all plans if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<LocationDocument>,
    /// The update agents that entries may name.
    pub update_agents: Vec<UpdateAgentDocument>,
    /// The names of the organisation's own components, which the vendor source does not have. The server states them;
    /// an import does not change them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_components: Vec<String>,
    /// The source list, in order.
    pub entries: Vec<EntryDocument>,
}

/// Where the server or the vendor source is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LocationDocument {
    /// Base URL, `http` or `https`.
    pub url: String,
}

/// The options beside the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OptionsDocument {
    /// For each class: whether a client may fall back to the server.
    pub server_fallback: ServerFallbackDocument,
    /// Update agents update from the server alone.
    pub update_agents_from_server_only: bool,
    /// `documented`, `privilege_only` or `never`.
    pub vendor_fallback: String,
}

impl Default for OptionsDocument {
    fn default() -> Self {
        Self {
            server_fallback: ServerFallbackDocument::default(),
            update_agents_from_server_only: false,
            vendor_fallback: "documented".to_owned(),
        }
    }
}

/// Three independent switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerFallbackDocument {
    /// Fallback to the server for components.
    pub components: bool,
    /// Fallback to the server for settings.
    pub settings: bool,
    /// Fallback to the server for programs.
    pub programs: bool,
}

impl Default for ServerFallbackDocument {
    fn default() -> Self {
        Self { components: true, settings: true, programs: true }
    }
}

/// One update agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateAgentDocument {
    /// The client's id.
    pub id: String,
    /// Where it is reached, in order of preference within a family.
    pub addresses: Vec<String>,
    /// `http` or `https` (the default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// TCP port of its listener.
    pub port: u16,
    /// The classes it shares.
    pub classes: Vec<String>,
}

/// One entry of the source list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EntryDocument {
    /// The clients that the entry selects.
    pub clients: SelectorDocument,
    /// What it names.
    pub source: SourceDocument,
}

/// An entry's client addresses: at least one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SelectorDocument {
    /// `first-last`, or one address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<String>,
    /// `prefix/length`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<String>,
}

/// An entry's source: `{"update_agent": ID}`, `{"url": URL, "classes": […]}` or `"vendor"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceDocument {
    /// The vendor source, by name.
    Vendor,
    /// An update agent, by its identity.
    UpdateAgent(String),
    /// A URL, with the classes it gives.
    #[serde(untagged)]
    Url {
        /// Base URL, `http` or `https`.
        url: String,
        /// The classes it gives. Default: all three.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        classes: Option<Vec<String>>,
    },
}

/// The client that `headwater plan` asks about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientDocument {
    /// The client's id.
    pub id: String,
    /// Its own addresses.
    pub addresses: Vec<String>,
    /// The domain setting *clients download from the vendor source*.
    #[serde(default)]
    pub download_from_vendor: bool,
}
