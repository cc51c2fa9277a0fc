//! The client's configuration: [`RawConfig`] mirrors the file and refuses unknown keys; [`Config`] is validated.
//!
//! The signed policy and the domain's settings decide what a client does. Here is only what must be known before there is a
//! policy, and what concerns this host alone.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use headwater_policy::ClientId;
use serde::Deserialize;

use crate::bundle::named_client;
use crate::data::{DataFolder, client_id};
use crate::limits::CONFIG_BYTES_MAX;
use crate::os;

/// The file with the id that the system gave this machine at its first start.
const MACHINE_ID: &str = "/etc/machine-id";

/// The configuration file, as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// The data folder.
    pub data: Option<PathBuf>,
    /// The enrolment bundle to start from.
    pub bundle: Option<PathBuf>,
    /// The client's id.
    pub id: Option<String>,
    /// Addresses to plan with, instead of those of the interfaces.
    pub addresses: Option<Vec<String>>,
    /// The group that may read the settings of a confidential domain: a name or a number.
    pub confidential_group: Option<String>,
}

/// The validated configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The data folder; an absolute path.
    pub data: PathBuf,
    /// The enrolment bundle to start from; needed until it is copied into the data folder.
    pub bundle: Option<PathBuf>,
    /// The client's id. The default is the id in the data folder, before there is one that of the bundle, and if it names
    /// none, the host's name.
    pub id: ClientId,
    /// Where the id comes from.
    pub id_origin: IdOrigin,
    /// Addresses to plan with; `None` for those of the interfaces, read at each run.
    pub addresses: Option<Vec<IpAddr>>,
    /// The number of the group that may read the settings of a confidential domain; `None` for the group that the system
    /// gives new files.
    pub confidential_group: Option<u32>,
    /// The file with the id of this machine (I3a); need not exist.
    pub machine_id: PathBuf,
    /// Time between polls, instead of the domain's (for demonstrations and tests).
    pub poll_interval: Option<Duration>,
    /// The program that a self-update replaces; `None` if this client is part of another program and never replaces
    /// itself.
    pub program: Option<PathBuf>,
}

/// Where a client's id comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdOrigin {
    /// A flag or the configuration file.
    Chosen,
    /// The data folder of a client that is enrolled, or was asked to be.
    DataFolder,
    /// The bundle, which admits that client alone.
    Bundle,
    /// The name of the host.
    HostName,
}

impl IdOrigin {
    /// As people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::DataFolder => "from the data folder",
            Self::Bundle => "named by the bundle",
            Self::HostName => "the name of this host",
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {0}; check the path and its permissions")]
    Read(PathBuf, #[source] std::io::Error),
    /// The file is not TOML of this form.
    #[error("cannot understand the configuration file {0}; docs/client.example.toml lists every key")]
    Parse(PathBuf, #[source] Box<toml::de::Error>),
    /// A value is wrong.
    #[error("{key}: `{value}` {problem}")]
    Value {
        /// The key or flag.
        key: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it, and what is valid.
        problem: String,
    },
    /// There is no data folder.
    #[error("no data folder is set; pass --data DIR, or set `data = \"DIR\"` in the configuration file")]
    NoData,
}

impl RawConfig {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, is too long, or is not understood.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let read = os::read_bounded(path, CONFIG_BYTES_MAX).and_then(|bytes| {
            let bytes = bytes.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?;
            String::from_utf8(bytes).map_err(std::io::Error::other)
        });
        let text = read.map_err(|error| ConfigError::Read(path.to_owned(), error))?;
        Self::parse(&text).map_err(|error| ConfigError::Parse(path.to_owned(), Box::new(error)))
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    ///
    /// It is not TOML, has a key that is not known, or a value of another type.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Values of `over` (flags) win.
    #[must_use]
    pub fn overridden_by(self, over: Self) -> Self {
        Self {
            data: over.data.or(self.data),
            bundle: over.bundle.or(self.bundle),
            id: over.id.or(self.id),
            addresses: over.addresses.or(self.addresses),
            confidential_group: over.confidential_group.or(self.confidential_group),
        }
    }
}

impl Config {
    /// The configuration of a client inside another program, with defaults for everything else.
    ///
    /// # Errors
    ///
    /// The id is not valid.
    pub fn new(data: impl Into<PathBuf>, id: &str) -> Result<Self, ConfigError> {
        Self::try_from(RawConfig { data: Some(data.into()), id: Some(id.to_owned()), ..RawConfig::default() })
    }
}

impl Config {
    /// The same with another bundle. If that is for one client, it names this client, unless an id was chosen or the client
    /// has enrolled before.
    #[must_use]
    pub fn with_bundle(self, bundle: PathBuf) -> Self {
        Self { bundle: Some(bundle), ..self }.with_id_of_bundle()
    }

    fn with_id_of_bundle(self) -> Self {
        let is_free = match self.id_origin {
            IdOrigin::Chosen => false,
            IdOrigin::HostName | IdOrigin::Bundle => true,
            IdOrigin::DataFolder => !client_id::has_enrolled(&DataFolder::new(&self.data)),
        };
        match self.bundle.as_deref().filter(|_| is_free).and_then(named_client) {
            Some(id) => Self { id, id_origin: IdOrigin::Bundle, ..self },
            None => self,
        }
    }
}

impl TryFrom<RawConfig> for Config {
    type Error = ConfigError;

    fn try_from(raw: RawConfig) -> Result<Self, ConfigError> {
        // Absolute: hooks and install commands run in other folders than the client.
        let path = raw.data.ok_or(ConfigError::NoData)?;
        let data = std::path::absolute(&path).map_err(|error| ConfigError::Value {
            key: "data",
            value: path.display().to_string(),
            problem: format!("is not a folder: {error}"),
        })?;
        // A folder whose id cannot be read is refused when it is opened.
        let kept = || client_id::known(&DataFolder::new(&data)).ok().flatten();
        let kept = || kept().map(|id| (id.to_string(), IdOrigin::DataFolder));
        let (id, id_origin) = raw
            .id
            .map(|id| (id, IdOrigin::Chosen))
            .or_else(kept)
            .unwrap_or_else(|| (os::host_name(), IdOrigin::HostName));
        let id = id.parse().map_err(|problem| ConfigError::Value {
            key: "id",
            problem: format!("is not valid: {problem}; pass another with --id"),
            value: id,
        })?;
        let addresses = raw
            .addresses
            .map(|texts| texts.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>())
            .transpose()?;
        if addresses.as_ref().is_some_and(Vec::is_empty) {
            let problem = "has no address; remove the key to use those of the interfaces".to_owned();
            return Err(ConfigError::Value { key: "addresses", value: "[]".to_owned(), problem });
        }
        let confidential_group = raw.confidential_group.as_deref().map(group).transpose()?;
        let bundle = raw.bundle;
        let machine_id = PathBuf::from(MACHINE_ID);
        let (poll_interval, program) = (None, None);
        let config = Self {
            data,
            bundle,
            id,
            id_origin,
            addresses,
            confidential_group,
            machine_id,
            poll_interval,
            program,
        };
        Ok(config.with_id_of_bundle())
    }
}

fn group(text: &str) -> Result<u32, ConfigError> {
    os::group_number(text).ok_or_else(|| ConfigError::Value {
        key: "confidential_group",
        value: text.to_owned(),
        problem: "is not a group in /etc/group; write its number if it is from a directory service"
            .to_owned(),
    })
}

fn address(text: &str) -> Result<IpAddr, ConfigError> {
    let parsed: Result<IpAddr, _> = text.trim_matches(['[', ']']).parse();
    // An IPv4-mapped address is the IPv4 address (S3).
    parsed.map(|address| address.to_canonical()).map_err(|_| ConfigError::Value {
        key: "addresses",
        value: text.to_owned(),
        problem: "is not an IP address; valid ones are for example 10.1.0.5 and 2001:db8::5".to_owned(),
    })
}
