//! Passphrases: from a terminal without echo, or from a file. Never from an argument, which every user of the machine can
//! read.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use headwater_repo::Passphrase;

use crate::terminal::failure::Failure;
use crate::terminal::input::read_text;

/// Passphrases in files.
#[derive(Debug, Clone, Default, Args)]
pub struct PassphraseFiles {
    /// A file whose first line is the passphrase; once for all folders, or once for each in their order [default: ask]
    #[arg(long = "passphrase-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
}

impl PassphraseFiles {
    /// Whether any is given.
    pub fn is_given(&self) -> bool {
        !self.files.is_empty()
    }

    /// The passphrase of an existing key folder, the one with `index` of several.
    pub fn known(&self, index: usize, folder: &Path) -> Result<Passphrase, Failure> {
        let text = match self.file(index)? {
            Some(path) => first_line(path)?,
            None => ask(&format!("passphrase of {}: ", folder.display()))?,
        };
        Passphrase::new(text).map_err(|error| Failure::bad_input(error.to_string()))
    }

    /// The passphrase for a new key folder; a terminal asks twice.
    pub fn chosen(&self, index: usize, folder: &Path) -> Result<Passphrase, Failure> {
        let text = match self.file(index)? {
            Some(path) => first_line(path)?,
            None => {
                let text = ask(&format!("new passphrase of {}: ", folder.display()))?;
                if ask("repeat it: ")? != text {
                    return Err(
                        Failure::bad_input("the two passphrases differ").with_hint("run the command again")
                    );
                }
                text
            }
        };
        Passphrase::for_new(text).map_err(|error| Failure::bad_input(error.to_string()))
    }

    fn file(&self, index: usize) -> Result<Option<&Path>, Failure> {
        match self.files.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only)),
            several => several.get(index).map(|path| Some(path.as_path())).ok_or_else(|| {
                Failure::bad_input("there are more key folders than passphrase files")
                    .with_hint("give --passphrase-file once for all, or once for each folder in their order")
            }),
        }
    }
}

/// The first line of a file.
pub fn first_line(path: &Path) -> Result<String, Failure> {
    Ok(read_text(path)?.lines().next().unwrap_or_default().to_owned())
}

fn ask(prompt: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::bad_input("a passphrase is needed, and there is no terminal to ask on")
            .with_hint("give --passphrase-file FILE"));
    }
    rpassword::prompt_password(prompt)
        .map_err(|error| Failure::failed(format!("cannot ask for the passphrase: {error}")))
}
