//! The completion script of a shell, and the answers to a shell that completes a command line: the script asks this
//! program at each press of the key, with the line so far in its arguments.

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::CompleteEnv;
use clap_complete::env::Shells;
use headwater_client::arguments::Arguments;
use headwater_client::self_update::NAME;

/// The environment variable by which a shell's script asks for completions.
const VARIABLE: &str = "HEADWATER_CLIENT_COMPLETE";

/// Answers a shell that asks for completions, and ends the process; does nothing in every other run.
pub(crate) fn answer_shell() {
    if std::env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(Arguments::command).var(VARIABLE).complete();
    }
}

/// The script.
pub(crate) fn script(shell: clap_complete::Shell) -> anyhow::Result<String> {
    let shell = shell.to_string();
    let shells = Shells::builtins();
    let completer = shells.completer(&shell).with_context(|| format!("there is no script for {shell}"))?;
    let mut script = Vec::new();
    let written = completer.write_registration(VARIABLE, NAME, NAME, NAME, &mut script);
    written.with_context(|| format!("cannot write the script for {shell}"))?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}
