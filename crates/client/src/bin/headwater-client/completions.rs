//! The completion script of a shell.

use clap::CommandFactory as _;
use headwater_client::arguments::Arguments;
use headwater_client::self_update::NAME;

/// The script.
pub(crate) fn script(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
