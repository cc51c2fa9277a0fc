//! The server's configuration: [`RawConfig`] mirrors the file, [`Config`] is meant.
//!
//! `docs/server.example.toml` lists every key with its consequence. Flags of the command line are a second
//! [`RawConfig`] that is laid over the file's.

mod error;
mod listen;
mod oidc;

pub use self::error::ConfigError;
use self::error::value;
pub use self::listen::{BindFailure, ListenAddress};
pub use self::oidc::{CALLBACK_PATH, OidcConfig, RawOidc};

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_identity::ServedName;
use headwater_policy::{Proxy, SourceUrl};
use headwater_repo::limits::PASSPHRASE_LENGTH_MAX;
use headwater_repo::{Expiry, Passphrase, Role, STORAGE_PERCENT, life_days_max};
use jiff::SignedDuration;
use serde::Deserialize;

use crate::limits;

/// The configuration as written; every key may be left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// The data folder. Has no default: it must be given here or by a flag.
    pub data: Option<PathBuf>,
    /// Address and port of the fleet listener, `:PORT` for every address; port 0 takes a free one. Default `127.0.0.1:8471`.
    pub fleet_listen: Option<ListenAddress>,
    /// Address and port of the console listener, `:PORT` for every address; port 0 takes a free one. Default
    /// `127.0.0.1:8470`.
    pub console_listen: Option<ListenAddress>,
    /// Base URL by which clients reach the fleet listener. Default: `https://` and the address it listens at.
    pub fleet_url: Option<String>,
    /// Further names and addresses by which clients reach the fleet listener; its certificate is good for them too.
    pub fleet_names: Option<Vec<String>>,
    /// A file with the fleet CA's key and certificate (PEM), where the organisation makes its own. Default: the server
    /// makes one at first start.
    pub fleet_ca: Option<PathBuf>,
    /// Whether class `components` is open to readers without a certificate, as plain mirrors are. Default: false.
    pub anonymous_components: Option<bool>,
    /// Names and addresses by which administrators reach the console; its certificate is good for them. The first stands
    /// in the URL that the server prints. Default: none.
    pub console_names: Option<Vec<String>>,
    /// A file with the console's certificate (PEM, those that lead to its CA after it). Default: the fleet CA issues one
    /// where one is needed.
    pub console_certificate: Option<PathBuf>,
    /// A file with that certificate's key (PEM).
    pub console_key: Option<PathBuf>,
    /// Days that clients' reports are kept. Default 90.
    pub report_retention_days: Option<u32>,
    /// Mebibytes that all reports together may take. Default 8192.
    pub reports_mib_max: Option<u64>,
    /// Mebibytes that an uploaded archive may have. Default 4096.
    pub upload_mib_max: Option<u64>,
    /// Mebibytes of blobs that one class may hold. Default 1048576 (1 TiB).
    pub class_quota_mib: Option<u64>,
    /// Releases before the current one from which clients get deltas, 0 to 14; 0: none are made. Default 14.
    pub deltas_releases: Option<u32>,
    /// Storage for the deltas to one file, in percent of its full body; 0: none are made. Default 200.
    pub deltas_storage_percent: Option<u64>,
    /// Deltas made at once, each by one thread of low priority. Default 1.
    pub deltas_threads: Option<u32>,
    /// Mebibytes of memory that making one delta may take. Default 1024.
    pub deltas_memory_mib: Option<u64>,
    /// Days after signing that a timestamp expires. Default 1.
    pub timestamp_life_days: Option<u32>,
    /// Likewise of the snapshot. Default 7.
    pub snapshot_life_days: Option<u32>,
    /// Likewise of the targets. Default 90.
    pub targets_life_days: Option<u32>,
    /// Likewise of the root. Default 365.
    pub root_life_days: Option<u32>,
    /// The HTTP proxy by which the server reaches the vendor source and the identity provider. Default: none.
    pub proxy: Option<String>,
    /// Host names, addresses, IPv4 ranges and IPv6 prefixes that are reached without the proxy. Default: none.
    pub proxy_exceptions: Option<Vec<String>>,
    /// A file with the passphrase that the online keys are encrypted with. Default: none, they are plain.
    pub keys_passphrase_file: Option<PathBuf>,
    /// The identity provider at which administrators may sign in. Default: none.
    pub oidc: Option<RawOidc>,
    /// The file that this was read from.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// The configuration, valid.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Where the fleet listener binds.
    pub fleet_listen: ListenAddress,
    /// Where the console listener binds.
    pub console_listen: ListenAddress,
    /// Base URL by which clients reach the fleet listener; `None` if it is made from where it listens.
    pub fleet_url: Option<SourceUrl>,
    /// Further names and addresses that the fleet listener's certificate is good for.
    pub fleet_names: Vec<ServedName>,
    /// The fleet CA, where it is handed in.
    pub fleet_ca: Option<PathBuf>,
    /// Class `components` is open to readers without a certificate.
    pub anonymous_components: bool,
    /// Names and addresses by which administrators reach the console.
    pub console_names: Vec<ServedName>,
    /// Where the console's certificate comes from.
    pub console_tls: ConsoleTls,
    /// Days that reports are kept.
    pub report_retention_days: u32,
    /// Bytes that all reports together may take.
    pub reports_bytes_max: u64,
    /// Bytes that an uploaded archive may have.
    pub upload_bytes_max: u64,
    /// Bytes of blobs that one class may hold.
    pub class_quota_bytes: u64,
    /// Releases before the current one from which clients get deltas; 0: none are made.
    pub deltas_releases: usize,
    /// Storage for the deltas to one file, in percent of its body.
    pub deltas_storage_percent: u64,
    /// Deltas made at once.
    pub deltas_threads: usize,
    /// Bytes of memory that making one delta may take.
    pub deltas_memory_bytes: u64,
    /// How much the threads that make deltas give way to others: no setting, but a test on a busy machine gives it 0.
    pub deltas_niceness: i32,
    /// How long after signing metadata expires.
    pub expiry: Expiry,
    /// By which the vendor source and the identity provider are reached; `None` for directly.
    pub proxy: Option<Proxy>,
    /// The passphrase of the online keys.
    pub keys_passphrase: Option<Arc<Passphrase>>,
    /// The identity provider at which administrators may sign in.
    pub oidc: Option<OidcConfig>,
    /// Files that the configuration names, its own among them: these may stand in a folder that a server is made in.
    pub files: Vec<PathBuf>,
}

/// Where the console's certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsoleTls {
    /// There is none: plain HTTP, on loopback alone.
    Plain,
    /// From the fleet CA.
    FleetCa,
    /// From files, which somebody else renews.
    Files {
        /// The certificate, and those that lead to its CA (PEM).
        certificate: PathBuf,
        /// Its key (PEM).
        key: PathBuf,
    },
}

impl RawConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError::Read`], [`ConfigError::Parse`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let read: Self = toml::from_str(&text)
            .map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        Ok(Self { file: Some(path.to_owned()), ..read })
    }

    /// Files that it names, and its own.
    fn files(&self) -> Vec<PathBuf> {
        let oidc = self.oidc.as_ref().and_then(|oidc| oidc.client_secret_file.clone());
        let named =
            [&self.fleet_ca, &self.console_certificate, &self.console_key, &self.keys_passphrase_file];
        named.into_iter().chain([&oidc, &self.file]).flatten().cloned().collect()
    }

    /// These values, and where one is missing that of `below`.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            data: self.data.or(below.data),
            fleet_listen: self.fleet_listen.or(below.fleet_listen),
            console_listen: self.console_listen.or(below.console_listen),
            fleet_url: self.fleet_url.or(below.fleet_url),
            fleet_names: self.fleet_names.or(below.fleet_names),
            fleet_ca: self.fleet_ca.or(below.fleet_ca),
            anonymous_components: self.anonymous_components.or(below.anonymous_components),
            console_names: self.console_names.or(below.console_names),
            console_certificate: self.console_certificate.or(below.console_certificate),
            console_key: self.console_key.or(below.console_key),
            report_retention_days: self.report_retention_days.or(below.report_retention_days),
            reports_mib_max: self.reports_mib_max.or(below.reports_mib_max),
            upload_mib_max: self.upload_mib_max.or(below.upload_mib_max),
            class_quota_mib: self.class_quota_mib.or(below.class_quota_mib),
            deltas_releases: self.deltas_releases.or(below.deltas_releases),
            deltas_storage_percent: self.deltas_storage_percent.or(below.deltas_storage_percent),
            deltas_threads: self.deltas_threads.or(below.deltas_threads),
            deltas_memory_mib: self.deltas_memory_mib.or(below.deltas_memory_mib),
            timestamp_life_days: self.timestamp_life_days.or(below.timestamp_life_days),
            snapshot_life_days: self.snapshot_life_days.or(below.snapshot_life_days),
            targets_life_days: self.targets_life_days.or(below.targets_life_days),
            root_life_days: self.root_life_days.or(below.root_life_days),
            proxy: self.proxy.or(below.proxy),
            proxy_exceptions: self.proxy_exceptions.or(below.proxy_exceptions),
            keys_passphrase_file: self.keys_passphrase_file.or(below.keys_passphrase_file),
            oidc: self.oidc.or(below.oidc),
            file: self.file.or(below.file),
        }
    }
}

impl TryFrom<RawConfig> for Config {
    type Error = ConfigError;

    fn try_from(raw: RawConfig) -> Result<Self, ConfigError> {
        let loopback = |port| ListenAddress::One(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        let (expiry, files) = (expiry(&raw)?, raw.files());
        let console_listen = raw.console_listen.unwrap_or_else(|| loopback(8470));
        let console_names =
            served_names("console_names", raw.console_names.unwrap_or_default(), limits::CONSOLE_NAMES_MAX)?;
        let is_private = console_listen.ip().is_loopback() && console_names.is_empty();
        let config = Self {
            files,
            expiry,
            oidc: raw.oidc.map(supported_oidc).transpose()?,
            proxy: proxy(raw.proxy.as_deref(), raw.proxy_exceptions.unwrap_or_default())?,
            keys_passphrase: keys_passphrase(raw.keys_passphrase_file.as_deref())?,
            data: raw.data.ok_or_else(|| {
                value("data", "is missing; give the data folder, here or with --data DIR".to_owned())
            })?,
            fleet_listen: raw.fleet_listen.unwrap_or_else(|| loopback(8471)),
            console_listen,
            console_names,
            console_tls: console_tls(raw.console_certificate, raw.console_key, is_private)?,
            fleet_url: raw.fleet_url.as_deref().map(fleet_url).transpose()?,
            fleet_names: served_names(
                "fleet_names",
                raw.fleet_names.unwrap_or_default(),
                limits::FLEET_NAMES_MAX,
            )?,
            fleet_ca: raw.fleet_ca,
            anonymous_components: raw.anonymous_components.unwrap_or(false),
            report_retention_days: between(
                "report_retention_days",
                raw.report_retention_days.unwrap_or(90).into(),
                limits::REPORT_RETENTION_DAYS_MAX.into(),
            )? as u32,
            reports_bytes_max: mebibytes("reports_mib_max", raw.reports_mib_max.unwrap_or(8192))?,
            upload_bytes_max: mebibytes("upload_mib_max", raw.upload_mib_max.unwrap_or(4096))?,
            class_quota_bytes: mebibytes("class_quota_mib", raw.class_quota_mib.unwrap_or(1024 * 1024))?,
            deltas_releases: deltas_releases(raw.deltas_releases)?,
            deltas_storage_percent: deltas_storage_percent(raw.deltas_storage_percent)?,
            deltas_threads: between(
                "deltas_threads",
                raw.deltas_threads.unwrap_or(1).into(),
                limits::DELTAS_THREADS_MAX,
            )? as usize,
            deltas_memory_bytes: mebibytes("deltas_memory_mib", raw.deltas_memory_mib.unwrap_or(1024))?,
            deltas_niceness: limits::DELTA_NICENESS,
        };
        if config.fleet_url.as_ref().is_some_and(|url| !url.as_str().starts_with("https:")) {
            return Err(value("fleet_url", "the fleet listener speaks TLS; write https://".to_owned()));
        }
        if config.fleet_url.is_none() && config.fleet_listen.ip().is_unspecified() {
            // Enrolment bundles would name an address that is another machine's own everywhere else.
            return Err(value(
                "fleet_url",
                format!(
                    "is missing: fleet_listen {} is every address of this machine, and bundles must name one that clients reach; \
                 set fleet_url = \"https://HOST:PORT\" or pass --fleet-url",
                    config.fleet_listen
                ),
            ));
        }
        Ok(config)
    }
}

fn deltas_releases(count: Option<u32>) -> Result<usize, ConfigError> {
    let max = headwater_repo::limits::RELEASES_MAX - 1;
    match count.map_or(max, |count| count as usize) {
        count if count <= max => Ok(count),
        count => Err(value("deltas_releases", format!("{count} is outside 0 to {max}"))),
    }
}

fn deltas_storage_percent(percent: Option<u64>) -> Result<u64, ConfigError> {
    match percent {
        Some(0) => Ok(0),
        percent => between(
            "deltas_storage_percent",
            percent.unwrap_or(STORAGE_PERCENT),
            limits::DELTAS_STORAGE_PERCENT_MAX,
        ),
    }
}

fn expiry(raw: &RawConfig) -> Result<Expiry, ConfigError> {
    let life = |key, role: Role, days: Option<u32>, default: SignedDuration| {
        let Some(days) = days else { return Ok(default) };
        between(key, days.into(), life_days_max(role).into())?;
        Ok(SignedDuration::from_hours(24 * i64::from(days)))
    };
    let default = Expiry::default();
    Ok(Expiry {
        timestamp: life("timestamp_life_days", Role::Timestamp, raw.timestamp_life_days, default.timestamp)?,
        snapshot: life("snapshot_life_days", Role::Snapshot, raw.snapshot_life_days, default.snapshot)?,
        targets: life("targets_life_days", Role::Targets, raw.targets_life_days, default.targets)?,
        root: life("root_life_days", Role::Root, raw.root_life_days, default.root)?,
    })
}

/// The first line of the file; `None` if no file is named.
fn keys_passphrase(path: Option<&Path>) -> Result<Option<Arc<Passphrase>>, ConfigError> {
    let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else { return Ok(None) };
    let bad = |reason: String| value("keys_passphrase_file", format!("{}: {reason}", path.display()));
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(PASSPHRASE_LENGTH_MAX as u64 + 2).read_to_string(&mut text))
        .map_err(|error| bad(error.to_string()))?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    Passphrase::for_new(line)
        .map(|passphrase| Some(Arc::new(passphrase)))
        .map_err(|error| bad(error.to_string()))
}

fn proxy(url: Option<&str>, exceptions: Vec<String>) -> Result<Option<Proxy>, ConfigError> {
    let Some(url) = url.filter(|url| !url.is_empty()) else { return Ok(None) };
    let parsed = Proxy::parse(url, &exceptions.join(","));
    parsed.map(Some).map_err(|error| value("proxy", error.to_string()))
}

fn fleet_url(text: &str) -> Result<SourceUrl, ConfigError> {
    text.parse().map_err(|error| value("fleet_url", format!("`{text}` is not a base URL: {error}")))
}

fn served_names(key: &'static str, names: Vec<String>, max: usize) -> Result<Vec<ServedName>, ConfigError> {
    if names.len() > max {
        return Err(value(key, format!("there are {}, at most {max} are allowed", names.len())));
    }
    let parse = |name: String| ServedName::parse(&name).map_err(|error| value(key, error.to_string()));
    names.into_iter().map(parse).collect()
}

/// The files if they are given; else a certificate of the fleet CA, unless nobody is meant to come from elsewhere.
fn console_tls(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    is_private: bool,
) -> Result<ConsoleTls, ConfigError> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(ConsoleTls::Files { certificate, key }),
        (Some(_), None) => Err(value("console_key", "is missing beside console_certificate".to_owned())),
        (None, Some(_)) => Err(value("console_certificate", "is missing beside console_key".to_owned())),
        (None, None) if is_private => Ok(ConsoleTls::Plain),
        (None, None) => Ok(ConsoleTls::FleetCa),
    }
}

fn mebibytes(key: &'static str, count: u64) -> Result<u64, ConfigError> {
    Ok(between(key, count, u64::MAX >> 21)? << 20)
}

fn between(key: &'static str, number: u64, max: u64) -> Result<u64, ConfigError> {
    if number == 0 || number > max {
        return Err(value(key, format!("{number} is outside 1 to {max}")));
    }
    Ok(number)
}

/// The identity provider, where this program can ask one.
fn supported_oidc(raw: RawOidc) -> Result<OidcConfig, ConfigError> {
    if cfg!(feature = "oidc") {
        return OidcConfig::try_from(raw);
    }
    Err(value(
        "oidc",
        "this program was built without OpenID Connect (feature `oidc`); leave [oidc] out".to_owned(),
    ))
}
