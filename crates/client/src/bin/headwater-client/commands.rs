//! The commands of `headwater-client`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use headwater_client::arguments::{Command, Common, Start};
use headwater_client::self_update::{self, Proof};
use headwater_client::{
    Config, DaemonEnd, EnrolOutcome, Error, IdOrigin, ProgressSink, RunOptions, Trigger, os, render,
};

use crate::completions;
use crate::output::{exit_code, print, print_error};
use crate::progress_bar::progress_bar;

/// Runs a command; returns the exit code.
pub(crate) fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Run(start) => daemon(&start),
        Command::Enrol { enrol_with, new_key, common } => enrol(enrol_with, new_key, &common),
        Command::Update { start, retry_failed } => {
            let options = RunOptions { trigger: Trigger::Person, retry_failed, ..RunOptions::default() };
            one_run(&start.config()?, options, start.common.json)
        }
        Command::Repair(common) => {
            let options = RunOptions { trigger: Trigger::Repair, ..RunOptions::default() };
            one_run(&common.config()?, options, common.json)
        }
        Command::Status(common) => status(&common),
        Command::Completions { shell } => print(&completions::script(shell)?).map(|()| 0),
        Command::Trial { common, proof, word } => trial(&common, &proof, &word),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}

fn daemon(start: &Start) -> anyhow::Result<u8> {
    let config = start.config()?;
    if std::env::var_os(self_update::LAUNCHED).is_none() {
        match self_update::choose(&config.data) {
            Ok(Some(program)) => become_program(&program),
            Ok(None) => {}
            // For example on a full disk: an update agent still has something to serve.
            Err(error) => {
                let error = anyhow::Error::from(error);
                tracing::error!(
                    "cannot find out which headwater-client is current ({error:#}); this one continues"
                );
            }
        }
    }
    let end = runtime()?.block_on(async {
        let shutdown = os::stop_signal().context("cannot handle signals")?;
        anyhow::Ok(headwater_client::run(config, Box::pin(shutdown)).await?)
    })?;
    if let DaemonEnd::Replaced(program) = end {
        become_program(&program);
        return Ok(1);
    }
    Ok(0)
}

/// Returns only if that failed; then this program continues.
fn become_program(program: &Path) {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let error = os::exec(program, &arguments, (self_update::LAUNCHED, "1"));
    tracing::error!(program = %program.display(), %error, "cannot start the newer headwater-client");
}

fn enrol(bundle: PathBuf, new_key: bool, common: &Common) -> anyhow::Result<u8> {
    let config = common.config()?.with_bundle(bundle);
    let outcome = runtime()?.block_on(async {
        if new_key {
            headwater_client::re_enrol(&config).await.map(|()| EnrolOutcome::Enrolled)
        } else {
            headwater_client::enrol(&config).await
        }
    })?;
    let status = headwater_client::status(&config)?;
    let identity = status.identity.context("the certificate that was just stored is missing")?;
    let before = outcome == EnrolOutcome::AlreadyEnrolled;
    if common.json {
        let object =
            serde_json::json!({"client": status.client, "identity": identity, "already_enrolled": before});
        print(&format!("{object}\n"))?;
        return Ok(0);
    }
    let (id, key, end) = (status.client, identity.key, identity.certificate_end);
    print(&if before {
        format!(
            "{id} is already enrolled with key {key}; its certificate is valid until {end}. Nothing was changed.\n\
             hint: if that key was revoked, run `headwater-client enrol BUNDLE --new-key` with a bundle of \
             `headwater clients enrol-bundle --client {id}`\n"
        )
    } else {
        format!(
            "enrolled as {id} ({}) with key {key}; its certificate is valid until {end} and is renewed automatically\n{}",
            config.id_origin.as_str(),
            match config.id_origin {
                IdOrigin::HostName =>
                    "for another id: remove this client on the server, and enrol another data folder with --id ID\n",
                _ => "",
            }
        )
    })?;
    Ok(0)
}

fn one_run(config: &Config, options: RunOptions, json: bool) -> anyhow::Result<u8> {
    let progress_sink =
        if json || !std::io::stderr().is_terminal() { ProgressSink::default() } else { progress_bar() };
    let options = RunOptions { progress_sink, ..options };
    let run = async {
        let stopped = os::stop_signal().context("cannot handle signals")?;
        tokio::select! {
            done = headwater_client::run_once(config, &options) => Ok(done),
            // Cut off as by a crash, except that hooks and install commands do not continue unattended.
            () = stopped => anyhow::bail!("stopped; installed releases are whole, and the next run continues"),
        }
    };
    let (report, ended) = match runtime()?.block_on(run)? {
        Ok(report) => (report, None),
        Err(Error::Ended { report, source, .. }) => (*report, Some(source)),
        Err(error) => return Err(error.into()),
    };
    if json {
        print(&format!("{}\n", serde_json::to_string(&report)?))?;
    } else {
        print(&render::report(&report))?;
    }
    match ended {
        // The report is the one object on stdout.
        Some(error) => {
            let error = anyhow::Error::from(*error);
            print_error(&error);
            Ok(exit_code(&error))
        }
        None => Ok(headwater_client::exit_code(&report)),
    }
}

fn status(common: &Common) -> anyhow::Result<u8> {
    let status = headwater_client::status(&common.config()?)?;
    if common.json {
        print(&format!("{}\n", serde_json::to_string(&status)?))?;
    } else {
        print(&render::status(&status))?;
    }
    Ok(0)
}

fn trial(common: &Common, proof: &Path, word: &str) -> anyhow::Result<u8> {
    let config: Config = common.config()?;
    let options = RunOptions { self_trial: true, ..RunOptions::default() };
    let report = runtime()?.block_on(headwater_client::run_once(&config, &options))?;
    Proof::write(proof, word, &report)?;
    Ok(0)
}
