//! `headwater-client`: flags, configuration, run, exit code.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser as _};
use headwater_client::arguments::{Arguments, Command, Common};
use headwater_client::self_update::{self, Proof};
use headwater_client::{
    Config, ConfigError, End, Enrolled, Error, ProgressSink, RunOptions, Trigger, narrate, os,
};
use indicatif::{ProgressBar, ProgressStyle};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => return usage(&told),
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let json = arguments.command.common().is_some_and(|common| common.json);
    let coloured = !json && std::io::stderr().is_terminal();
    let log =
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(coloured).with_env_filter(filter);
    if json {
        log.json().init()
    } else {
        log.init()
    }
    let done = match arguments.command {
        Command::Run(common) => daemon(&common),
        Command::Enrol { enrol_with, new_key, common } => enrol(enrol_with, new_key, &common),
        Command::Update { common, retry_failed } => update(&common, retry_failed),
        Command::Status(common) => status(&common),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), self_update::NAME, &mut script);
            say(&String::from_utf8_lossy(&script)).map(|()| 0)
        }
        Command::Trial { common, proof, word } => trial(&common, &proof, &word),
    };
    done.map_or_else(
        |error| {
            complain(&error);
            let exit = exit_code(&error);
            if json {
                let failure = serde_json::json!({"error": {"message": format!("{error:#}"), "exit": exit}});
                let _ = say(&format!("{failure}\n"));
            }
            ExitCode::from(exit)
        },
        ExitCode::from,
    )
}

/// Help and version as asked for; or what is wrong with the arguments, with `--json` as the one object on stdout too.
fn usage(told: &clap::Error) -> ExitCode {
    if let Err(error) = told.print()
        && !told.use_stderr()
        && error.kind() != ErrorKind::BrokenPipe
    {
        let error = Unsaid(error).into();
        complain(&error);
        return ExitCode::from(exit_code(&error));
    }
    let json = std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json");
    if told.use_stderr() && json {
        let message = told.render().to_string();
        let _ = say(&format!("{}\n", serde_json::json!({"error": {"message": message, "exit": 2}})));
    }
    if told.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

fn daemon(common: &Common) -> anyhow::Result<u8> {
    let config = common.config()?;
    if std::env::var_os(self_update::LAUNCHED).is_none() {
        match self_update::choose(&config.data) {
            Ok(Some(program)) => become_program(&program),
            Ok(None) => {}
            // On a full disk, say: an update agent still has something to serve.
            Err(error) => {
                let error = anyhow::Error::from(error);
                tracing::error!(
                    "which headwater-client is to go on cannot be told ({error:#}): this one does"
                );
            }
        }
    }
    let end = runtime()?.block_on(async {
        let shutdown = os::stop_signal().context("listening for the word to stop")?;
        anyhow::Ok(headwater_client::run(config, shutdown).await?)
    })?;
    if let End::Replaced(program) = end {
        become_program(&program);
        return Ok(1);
    }
    Ok(0)
}

/// Returns only if it could not be done: then this program goes on.
fn become_program(program: &std::path::Path) {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let error = os::exec(program, &arguments, (self_update::LAUNCHED, "1"));
    tracing::error!(program = %program.display(), %error, "the newer headwater-client could not be started");
}

fn enrol(bundle: std::path::PathBuf, new_key: bool, common: &Common) -> anyhow::Result<u8> {
    let config = Config { bundle: Some(bundle), ..common.config()? };
    let enrolled = runtime()?.block_on(async {
        if new_key {
            headwater_client::enrol_anew(&config).await.map(|()| Enrolled::Now)
        } else {
            headwater_client::enrol(&config).await
        }
    })?;
    let status = headwater_client::status(&config)?;
    let identity = status.identity.context("the certificate that was just kept is gone")?;
    let before = enrolled == Enrolled::Before;
    if common.json {
        let told = serde_json::json!({"client": status.client, "identity": identity, "before": before});
        say(&format!("{told}\n"))?;
        return Ok(0);
    }
    let (id, key, end) = (status.client, identity.key, identity.certificate_end);
    say(&match enrolled {
        Enrolled::Now => {
            format!("enrolled as {id}, key {key}; its certificate is good until {end} and renews itself\n")
        }
        Enrolled::Before => format!(
            "{id} was enrolled before, with key {key} and a certificate until {end}; nothing was changed\n\
             if that key was revoked: headwater-client enrol BUNDLE --new-key, with a bundle of \
             `headwater clients enrol-bundle --client {id}`\n"
        ),
    })?;
    Ok(0)
}

fn update(common: &Common, retry_failed: bool) -> anyhow::Result<u8> {
    let config = common.config()?;
    let progress_sink = if common.json || !std::io::stderr().is_terminal() {
        ProgressSink::default()
    } else {
        progress_bar()
    };
    let options =
        RunOptions { trigger: Trigger::Person, retry_failed, progress_sink, ..RunOptions::default() };
    let run = async {
        let stopped = os::stop_signal().context("listening for the word to stop")?;
        tokio::select! {
            done = headwater_client::run_once(&config, &options) => Ok(done),
            // Cut off like by a crash, but that hooks and install commands do not go on behind our back.
            () = stopped => anyhow::bail!("stopped; what is installed is whole, and the next run goes on"),
        }
    };
    let (report, ended) = match runtime()?.block_on(run)? {
        Ok(report) => (report, None),
        Err(Error::Ended { report, source }) => (*report, Some(source)),
        Err(error) => return Err(error.into()),
    };
    if common.json {
        say(&format!("{}\n", serde_json::to_string(&report)?))?;
    } else {
        say(&narrate::report(&report))?;
    }
    match ended {
        // The report is the one object on stdout.
        Some(error) => {
            let error = anyhow::Error::from(*error);
            complain(&error);
            Ok(exit_code(&error))
        }
        None => Ok(narrate::exit_code(&report)),
    }
}

/// A bar on stderr over the bytes of what is fetched just now.
fn progress_bar() -> ProgressSink {
    let style =
        ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)")
            .expect("the template is a valid one");
    let bar = ProgressBar::no_length().with_style(style.progress_chars("=> "));
    ProgressSink::new(move |what, progress| {
        if progress.bytes_done >= progress.bytes_total {
            bar.finish_and_clear();
            return;
        }
        if bar.is_finished() || bar.message() != what {
            bar.reset();
            bar.set_message(what.to_owned());
        }
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_done);
    })
}

fn status(common: &Common) -> anyhow::Result<u8> {
    let status = headwater_client::status(&common.config()?)?;
    if common.json {
        say(&format!("{}\n", serde_json::to_string(&status)?))?;
    } else {
        say(&narrate::status(&status))?;
    }
    Ok(0)
}

fn trial(common: &Common, proof: &std::path::Path, word: &str) -> anyhow::Result<u8> {
    let config: Config = common.config()?;
    let options = RunOptions { self_trial: true, ..RunOptions::default() };
    let report = runtime()?.block_on(headwater_client::run_once(&config, &options))?;
    Proof::write(proof, word, &report)?;
    Ok(0)
}

/// Writes to stdout. Who reads no further (`| head`) has what they wanted.
fn say(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Unsaid(error).into()),
        _ => Ok(()),
    }
}

/// What was to be said reaches nobody: a full disk, for one.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to stdout")]
struct Unsaid(#[source] std::io::Error);

/// What went wrong, on stderr; where that is shut, nobody is there to read it.
fn complain(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<ConfigError>().is_some() {
        return 2;
    }
    if error.downcast_ref::<Unsaid>().is_some() {
        return 4;
    }
    match error.downcast_ref::<Error>() {
        Some(error) if error.is_storage() => 4,
        Some(
            Error::NoBundle(_) | Error::BundleMissing(_) | Error::Malformed { .. } | Error::OtherId { .. },
        ) => 2,
        Some(_) | None => 1,
    }
}
