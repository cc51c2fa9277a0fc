//! What the fleet needs of the configuration.

use std::net::IpAddr;
use std::path::PathBuf;

use headwater_identity::ServedName;

use crate::config::{Config, ConsoleTls};

/// What the fleet needs of the configuration.
#[derive(Debug, Clone)]
pub struct FleetSettings {
    /// The CA, where it is handed in.
    pub ca: Option<PathBuf>,
    /// Further names and addresses that the fleet listener's certificate is good for.
    pub names: Vec<ServedName>,
    /// Class `components` is open to readers without a certificate.
    pub anonymous_components: bool,
    /// Bytes that all reports together may take.
    pub reports_bytes_max: u64,
    /// The certificate of the console.
    pub console: ConsoleSettings,
}

/// How the console is reached.
#[derive(Debug, Clone)]
pub struct ConsoleSettings {
    /// The address that it listens on.
    pub ip: IpAddr,
    /// Names and addresses by which administrators reach it.
    pub names: Vec<ServedName>,
    /// Where its certificate comes from.
    pub tls: ConsoleTls,
}

impl From<&Config> for FleetSettings {
    fn from(config: &Config) -> Self {
        Self {
            ca: config.fleet_ca.clone(),
            names: config.fleet_names.clone(),
            anonymous_components: config.anonymous_components,
            reports_bytes_max: config.reports_bytes_max,
            console: ConsoleSettings {
                ip: config.console_listen.ip(),
                names: config.console_names.clone(),
                tls: config.console_tls.clone(),
            },
        }
    }
}
