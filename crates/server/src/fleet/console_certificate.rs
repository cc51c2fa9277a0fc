//! The console's certificate: from the fleet CA, or from files that somebody else renews.
//!
//! The signing job looks after it. One that the fleet CA issued is issued again at two thirds of its life and when the CA
//! was rotated; files are read again, and shown once they differ. The key of an issued one is made again at each start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use headwater_depot::serve::Tls;
use headwater_identity::{Chain, ServedName, ServerKey, tls};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;

use super::fleet_keys::FleetKeys;
use super::settings::ConsoleSettings;
use crate::config::ConsoleTls;
use crate::data::{self, DataFolder};
use crate::error::{Doing as _, Result, key_failed};

/// The certificate that the console shows.
#[derive(Debug)]
pub struct ConsoleCertificate {
    tls: watch::Sender<Arc<rustls::ServerConfig>>,
    shown: Mutex<Shown>,
}

#[derive(Debug, Clone)]
enum Shown {
    /// Of the fleet CA of a number.
    Issued { chain: Chain, key: Arc<ServerKey>, ca: u64 },
    /// What the files held.
    Files(Files),
}

#[derive(Debug, Clone)]
struct Files {
    certificate: String,
    key: SecretString,
}

impl PartialEq for Files {
    fn eq(&self, other: &Self) -> bool {
        self.certificate == other.certificate && self.key.expose_secret() == other.key.expose_secret()
    }
}

impl ConsoleCertificate {
    /// The first one; `None` where the console speaks plain HTTP.
    ///
    /// # Errors
    /// When a file cannot be read or holds no certificate or key, or none can be issued.
    pub fn open(
        settings: &ConsoleSettings,
        data: &DataFolder,
        fleet: &FleetKeys,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        let shown = match &settings.tls {
            ConsoleTls::Plain => return Ok(None),
            ConsoleTls::FleetCa => {
                let key = ServerKey::generate().map_err(key_failed("making the console's key"))?;
                issue(settings, data, fleet, Arc::new(key), now)?
            }
            ConsoleTls::Files { certificate, key } => Shown::Files(read(certificate, key)?),
        };
        Ok(Some(Self { tls: watch::Sender::new(shown.config()?), shown: Mutex::new(shown) }))
    }

    fn shown(&self) -> Shown {
        self.shown.lock().expect("nobody panics while holding this lock").clone()
    }

    fn show(&self, shown: Shown) -> Result<()> {
        self.tls.send_replace(shown.config()?);
        *self.shown.lock().expect("nobody panics while holding this lock") = shown;
        Ok(())
    }
}

impl Shown {
    fn config(&self) -> Result<Arc<rustls::ServerConfig>> {
        let config = match self {
            Self::Issued { chain, key, .. } => {
                tls::one_sided_server_config(&chain.to_pem(), key.to_pem().expose_secret())
            }
            Self::Files(Files { certificate, key }) => {
                tls::one_sided_server_config(certificate, key.expose_secret())
            }
        };
        config.map_err(key_failed("setting up the console's certificate"))
    }
}

impl ConsoleCertificate {
    /// What the console listener speaks, now and later.
    pub(super) fn tls(&self) -> Tls {
        self.tls.subscribe()
    }

    /// Shows another certificate where that is due; returns whether it does.
    pub(super) fn renew(
        &self,
        settings: &ConsoleSettings,
        data: &DataFolder,
        fleet: &FleetKeys,
        now: Timestamp,
    ) -> Result<bool> {
        let next = match (self.shown(), &settings.tls) {
            (Shown::Issued { chain, key, ca }, _) => {
                if ca == fleet.number && !chain.renewal_due(now) {
                    return Ok(false);
                }
                issue(settings, data, fleet, key, now)?
            }
            (Shown::Files(shown), ConsoleTls::Files { certificate, key }) => {
                let there = read(certificate, key)?;
                if there == shown {
                    return Ok(false);
                }
                Shown::Files(there)
            }
            (Shown::Files(_), _) => return Ok(false),
        };
        self.show(next)?;
        Ok(true)
    }
}

/// Issues one, and writes for administrators what it is verified with.
fn issue(
    settings: &ConsoleSettings,
    data: &DataFolder,
    fleet: &FleetKeys,
    key: Arc<ServerKey>,
    now: Timestamp,
) -> Result<Shown> {
    let chain = fleet
        .ca
        .issue_server(&key.public(), &names(settings), &fleet.cross_signed, now)
        .map_err(key_failed("issuing the console's certificate"))?;
    let cas: String = fleet.cas.iter().map(headwater_identity::CaCertificate::to_pem).collect();
    data::write_file(&data.console_ca(), cas.as_bytes())?;
    Ok(Shown::Issued { chain, key, ca: fleet.number })
}

/// By what the console is reached: what was configured, and where it listens. Of every address nobody knows which they
/// are: there it is the loopback.
fn names(settings: &ConsoleSettings) -> Vec<ServedName> {
    let ip = settings.ip;
    let own = if ip.is_unspecified() || ip.is_loopback() {
        let localhost = ServedName::parse("localhost").expect("it is a host name");
        let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let own = (!ip.is_unspecified()).then_some(ip);
        own.into_iter().chain(loopback).map(ServedName::from).chain([localhost]).collect()
    } else {
        vec![ip.into()]
    };
    let mut names = settings.names.clone();
    for name in own {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn read(certificate: &Path, key: &Path) -> Result<Files> {
    let text =
        |path: &Path| std::fs::read_to_string(path).doing(|| format!("cannot read {}", path.display()));
    Ok(Files { certificate: text(certificate)?, key: SecretString::from(text(key)?) })
}
