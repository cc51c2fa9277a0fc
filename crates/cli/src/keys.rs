//! `headwater keys`: keeps root keys offline, and replaces every key while clients of all ages follow (I2).
//!
//! One ceremony for the server and for static repositories: the repository drafts a root, the holders of the root keys
//! sign it, and the repository publishes under it. `rotate` and `renew` do all three if the holders' folders are on this
//! machine; `export-root`, `sign-root` and `import-root` are the same steps through files.

pub mod arguments;
pub mod ceremony;
mod fleet;
pub mod holder;
mod init;
pub mod passphrase;
pub mod repositories;
pub mod roots;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use jiff::Timestamp;
use serde_json::json;

use self::arguments::{Holders, InitArguments, NewRoots, Rotated};
use self::ceremony::RootsChange;
use self::repositories::RepositoriesArguments;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::Output;
use crate::values::Because;

const EXAMPLES: &str = "\
Examples:
  headwater keys init --out /media/stick/root-keys          make root keys and move them offline
  headwater keys init --out ./holders --holders 3 --threshold 2
  headwater keys show                                       the keys of each role, and what is due
  headwater keys renew --root-keys /media/stick/root-keys   before the root expires
  headwater keys rotate timestamp --because planned --root-keys /media/stick/root-keys
  headwater keys rotate online --because compromised --root-keys /media/stick/root-keys
  headwater keys rotate ca                                  with --at-once, if it was stolen
  headwater keys rotate response-signing
  headwater keys export-root --out roots.json               for holders on other machines
  headwater keys sign-root roots.json --root-keys /media/stick/root-keys
  headwater keys import-root roots.json

The commands ask for passphrases on the terminal, or read them from --passphrase-file.";

/// Make, show and replace keys; sign roots
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct KeysArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make root keys, encrypted, and move the roots of the repositories to them
    Init(InitArguments),
    /// Show the keys of each role, and what is due
    Show {
        #[command(flatten)]
        repositories: RepositoriesArguments,
    },
    /// Sign the roots again with the same keys, before they expire
    Renew {
        #[command(flatten)]
        repositories: RepositoriesArguments,
        #[command(flatten)]
        holders: Holders,
    },
    /// Replace keys by new ones
    Rotate {
        /// The keys to replace
        #[arg(required = true)]
        what: Vec<Rotated>,
        /// With `ca`, if it was stolen: certificates of the previous CA are only accepted for renewal
        #[arg(long)]
        at_once: bool,
        /// Why the keys of a repository are replaced. The new root states it, and endpoints obey it
        #[arg(long, value_name = "WHY")]
        because: Option<Because>,
        #[command(flatten)]
        repositories: RepositoriesArguments,
        #[command(flatten)]
        holders: Holders,
        #[command(flatten)]
        new_roots: NewRoots,
    },
    /// Write the roots to be signed into a file, for holders on other machines
    ExportRoot {
        /// The file to write
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: PathBuf,
        /// Online keys to replace
        #[arg(long, value_name = "WHAT")]
        rotate: Vec<Rotated>,
        /// Why keys are replaced. The new root states it, and endpoints obey it
        #[arg(long, value_name = "WHY")]
        because: Option<Because>,
        #[command(flatten)]
        repositories: RepositoriesArguments,
        #[command(flatten)]
        new_roots: NewRoots,
    },
    /// Sign the roots in a file with root keys; needs neither server nor network
    SignRoot {
        /// The file, which gets the signatures
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        #[command(flatten)]
        holders: Holders,
    },
    /// Take signed roots back from files, and publish under them
    ImportRoot {
        /// The file, or several copies of it that holders signed independently
        #[arg(required = true, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        repositories: RepositoriesArguments,
    },
}

/// Runs one of the commands.
pub async fn run(arguments: KeysArguments, output: Output) -> Result<Exit, Failure> {
    #[expect(clippy::disallowed_methods, reason = "roots are of the moment of the command")]
    let now = Timestamp::now();
    match arguments.command {
        Command::Init(arguments) => init::init(&arguments, now, output).await?,
        Command::Show { repositories } => {
            let view = repositories.open()?.view().await?;
            output.result(&view, show::text);
        }
        Command::Renew { repositories, holders } => {
            ceremony::change(&repositories, &holders, RootsChange::default(), now, output).await?;
        }
        Command::Rotate { what, at_once, because, repositories, holders, new_roots } => {
            check_rotated(&what, at_once, because, &new_roots)?;
            match what.iter().find(|what| what.is_of_fleet()) {
                Some(key) => {
                    refuse_ignored(&repositories, &holders)?;
                    fleet::rotate(&repositories.open()?, *key, at_once, output).await?;
                }
                None => {
                    let change = RootsChange { what: &what, new_roots: Some(&new_roots), because };
                    ceremony::change(&repositories, &holders, change, now, output).await?;
                }
            }
        }
        Command::ExportRoot { out, rotate, because, repositories, new_roots } => {
            let replaces = !rotate.is_empty() || !new_roots.new_root_keys.is_empty();
            check_because(replaces, because, "export-root")?;
            let change = RootsChange { what: &rotate, new_roots: Some(&new_roots), because };
            let drafted = ceremony::draft(&repositories, &repositories.open()?, change, now).await?;
            roots::write(&out, &drafted)?;
            ceremony::report(&drafted, output, &json!({"file": out}));
            if !output.is_json() {
                output.note(&format!(
                    "next: each holder runs `headwater keys sign-root {} --root-keys FOLDER`; then `headwater keys import-root`",
                    out.display()
                ));
            }
        }
        Command::SignRoot { file, holders } => ceremony::sign_file(&file, &holders, now, output)?,
        Command::ImportRoot { files, repositories } => {
            ceremony::import(&files, &repositories, now, output).await?
        }
    }
    Ok(Exit::Done)
}

/// Refuses combinations of keys that no single command can replace.
fn check_rotated(
    what: &[Rotated],
    at_once: bool,
    because: Option<Because>,
    new_roots: &NewRoots,
) -> Result<(), Failure> {
    if what.contains(&Rotated::Root) == new_roots.new_root_keys.is_empty() {
        return Err(Failure::bad_input("`rotate root` and --new-root-keys go together").with_hint(
            "make the new keys with `headwater keys init --offline --out FOLDER`, then pass that folder",
        ));
    }
    let of_fleet = what.iter().any(|what| what.is_of_fleet());
    if of_fleet && what.len() > 1 {
        return Err(Failure::bad_input(
            "`rotate ca`, `response-signing` and `enrolment-encryption` take no second key: no root key signs them",
        )
        .with_hint("run one command for each of them"));
    }
    if at_once && !of_fleet {
        return Err(Failure::bad_input("--at-once goes only with `rotate ca`"));
    }
    check_because(!of_fleet, because, "rotate")
}

/// A replacement of a repository's keys states why, and no other change does: there is no safe default.
fn check_because(replaces: bool, because: Option<Because>, command: &str) -> Result<(), Failure> {
    match (replaces, because) {
        (true, None) => Err(Failure::bad_input(format!("`{command}` needs --because when it replaces keys")).with_hint(
            "--because compromised if somebody else may have them: endpoints then replace what only these keys signed; \
             otherwise --because planned",
        )),
        (false, Some(_)) => Err(Failure::bad_input(
            "--because goes only with the keys of a repository: targets, snapshot, timestamp, online, root",
        )
        .with_hint("leave it out")),
        _ => Ok(()),
    }
}

/// Refuses flags that the keys of the fleet have no use for, rather than ignore them.
fn refuse_ignored(repositories: &RepositoriesArguments, holders: &Holders) -> Result<(), Failure> {
    let given = [
        ("--root-keys", !holders.root_keys.is_empty()),
        ("--passphrase-file", holders.passphrases.is_given()),
        ("--only", repositories.names_one()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Failure::bad_input(format!(
            "{flag} does not go with `rotate ca`, `response-signing` and `enrolment-encryption`: these keys belong to no repository, and no root key signs them"
        ))
        .with_hint("leave it out")),
        None => Ok(()),
    }
}
