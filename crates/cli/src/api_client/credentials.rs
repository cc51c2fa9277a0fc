//! The logins of `headwater login`: a token for each server, in a file that only its owner can read.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::terminal::failure::Failure;
use crate::terminal::private::write_private;

/// All logins of a user.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The server that commands use by default: that of the last login.
    pub default: Option<String>,
    /// By base URL.
    pub servers: BTreeMap<String, Login>,
}

/// One login.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The API token.
    pub token: String,
    /// Its name, by which it is revoked.
    pub name: String,
    /// The CA certificates for the server's certificate, in PEM; `None` for the system's CAs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("name", &self.name).field("token", &"***").finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads them; empty if there is no file.
    pub fn read() -> Result<Self, Failure> {
        let Some(path) = path() else { return Ok(Self::default()) };
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read.map_err(|error| Failure::file("read", &path, &error))?,
        };
        serde_json::from_str(&text).map_err(|error| {
            Failure::bad_input(format!("{} is not a file of `headwater login`: {error}", path.display()))
                .with_hint("remove it and log in again")
        })
    }

    /// Replaces them as a whole.
    pub fn write(&self) -> Result<PathBuf, Failure> {
        let Some(path) = path() else {
            return Err(Failure::failed("there is no folder to store the login in")
                .with_hint("set HOME or XDG_CONFIG_HOME"));
        };
        let folder = path.parent().expect("the file stands in a folder");
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| Failure::file("write", &path, &error))?;
        let text = serde_json::to_vec_pretty(self).expect("strings always serialise");
        write_private(&path, &text)?;
        Ok(path)
    }
}

fn path() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(config.join("headwater").join("credentials.json"))
}

#[cfg(test)]
mod tests {
    use super::Login;

    #[test]
    fn a_login_does_not_print_its_token() {
        let login = Login { token: "hwa_x".to_owned(), name: "cli".to_owned(), ca: None };
        assert!(!format!("{login:?}").contains("hwa_x"));
    }
}
