//! A faulty source on a host of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};

use crate::faulty::{Request, Rule, Settings, Upstream};
use crate::mirror;
use crate::network::Host;
use crate::process::{self, Process};

/// An update source that misbehaves on command.
#[derive(Debug)]
pub struct FaultySource {
    process: Option<Process>,
    host: Host,
    settings: Settings,
}

impl FaultySource {
    pub(super) fn of_folder(host: Host, repository: &Path, folder: &Path, name: &str) -> Result<Self> {
        Self::start(host, Upstream::Folder(repository.to_owned()), folder, name)
    }

    fn start(host: Host, upstream: Upstream, folder: &Path, name: &str) -> Result<Self> {
        let listen = SocketAddr::new(*host.addresses().first().context("a host has an address")?, 80);
        let script = folder.join(format!("{name}-script.json"));
        let settings = Settings {
            listen,
            upstream,
            script,
            log: folder.join("logs").join(format!("{name}.requests.log")),
        };
        let mut command = host.command(&process::program("headwater-faulty-source")?);
        command.args(settings.words());
        let mut process = Process::start(name, command, &folder.join("logs").join(format!("{name}.log")))?;
        mirror::wait_for_listener(&host, listen, &mut process)?;
        Ok(Self { process: Some(process), host, settings })
    }

    /// What it does wrong from now on.
    ///
    /// # Errors
    /// The script cannot be written.
    pub fn set(&self, rules: &[Rule]) -> Result<()> {
        let new = self.settings.script.with_extension("new");
        fs::write(&new, serde_json::to_vec(rules)?)?;
        fs::rename(&new, &self.settings.script)?;
        Ok(())
    }

    /// Stops it: connections are refused from now on.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Its host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The requests that have ended, in order.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn requests(&self) -> Result<Vec<Request>> {
        let text = fs::read_to_string(&self.settings.log)?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}
