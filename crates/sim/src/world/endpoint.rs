//! A client on a host of its own: one update at a time, or the daemon.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use headwater_api::report::Report;

use crate::mirror;
use crate::network::Host;
use crate::process::{self, Process};
use crate::trace;

const UPDATE_AGENT_PORT: u16 = 8472;

/// A client.
#[derive(Debug)]
pub struct Endpoint {
    daemon: Option<Process>,
    id: String,
    host: Host,
    data: PathBuf,
    bundle: PathBuf,
    log: PathBuf,
}

/// One update, as it ended.
#[derive(Debug)]
pub struct Run {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What the client reported.
    pub report: Report,
}

impl Run {
    /// See [`trace::attempts`].
    pub fn attempts(&self, class: &str) -> String {
        trace::attempts(&self.report, class)
    }

    /// See [`trace::outcome`].
    pub fn outcome(&self, class: &str) -> String {
        trace::outcome(&self.report, class)
    }

    /// See [`trace::installed`].
    pub fn installed(&self, name: &str) -> &str {
        trace::installed(&self.report, "components", name)
    }
}

impl Endpoint {
    pub(super) fn new(id: &str, host: Host, data: PathBuf, bundle: PathBuf, log: PathBuf) -> Self {
        Self { daemon: None, id: id.to_owned(), host, data, bundle, log }
    }

    /// The same client with a copy of its data folder, on another host.
    pub(super) fn copied(&self, host: Host, data: PathBuf, log: PathBuf) -> Result<Self> {
        let copied = Command::new("cp").arg("-a").arg(&self.data).arg(&data).status()?;
        anyhow::ensure!(copied.success(), "the data folder of {} cannot be copied", self.id);
        Ok(Self::new(&self.id, host, data, self.bundle.clone(), log))
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Enrols in the fleet; returns the exit code.
    ///
    /// # Errors
    /// It could not be started.
    pub fn enrol(&self) -> Result<Option<i32>> {
        let mut command = self.host.command(&process::program("headwater-client")?);
        command
            .arg("enrol")
            .arg(&self.bundle)
            .arg("--data")
            .arg(&self.data)
            .args(["--id", &self.id, "--json"]);
        Ok(process::run(&self.id, command, &self.log)?.code)
    }

    /// Its key and certificate, as other programs take them.
    pub fn identity(&self, file: &str) -> PathBuf {
        self.data.join("identity").join(file)
    }

    /// One update, to its end.
    ///
    /// # Errors
    /// The client gave no report.
    pub fn update(&self) -> Result<Run> {
        let mut command = self.command("update")?;
        command.arg("--json");
        let ended = process::run(&self.id, command, &self.log)?;
        // The report is shown beside the log when the scenario fails.
        fs::write(self.log.with_extension("report.log"), &ended.stdout)?;
        let report = serde_json::from_str(&ended.stdout).with_context(|| {
            format!("{} printed no report but {:?}, exit {:?}", self.id, ended.stdout, ended.code)
        })?;
        Ok(Run { code: ended.code, report })
    }

    /// One update, started and not waited for.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_update(&self) -> Result<Process> {
        Process::start(&self.id, self.command("update")?, &self.log)
    }

    /// The daemon as an update agent; returns when it serves.
    ///
    /// # Errors
    /// It does not.
    pub fn start_daemon(&mut self) -> Result<()> {
        let mut process = Process::start(&self.id, self.command("run")?, &self.log)?;
        let address = SocketAddr::new(
            *self.host.addresses().first().context("a host has an address")?,
            UPDATE_AGENT_PORT,
        );
        mirror::wait_for_listener(&self.host, address, &mut process)?;
        self.daemon = Some(process);
        Ok(())
    }

    /// The daemon of a client that is no update agent.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_polling(&mut self) -> Result<()> {
        self.daemon = Some(Process::start(&self.id, self.command("run")?, &self.log)?);
        Ok(())
    }

    /// What `headwater-client status` says.
    ///
    /// # Errors
    /// It printed no JSON.
    pub fn status(&self) -> Result<serde_json::Value> {
        let mut command = self.host.command(&process::program("headwater-client")?);
        command.arg("status").arg("--data").arg(&self.data).arg("--json");
        let ended = process::run(&self.id, command, &self.log)?;
        serde_json::from_str(&ended.stdout).with_context(|| format!("no status: {:?}", ended.stdout))
    }

    /// Kills the daemon.
    pub fn stop_daemon(&mut self) {
        self.daemon = None;
    }

    /// A file of the installed release of a component; `None` if it is not there.
    pub fn installed_file(&self, name: &str, path: &str) -> Option<Vec<u8>> {
        fs::read(self.data.join("components").join(name).join("current").join(path)).ok()
    }

    fn command(&self, verb: &str) -> Result<Command> {
        let mut command = self.host.command(&process::program("headwater-client")?);
        command.arg(verb).arg("--data").arg(&self.data).args(["--id", &self.id]);
        command.arg("--bundle").arg(&self.bundle);
        Ok(command)
    }
}
