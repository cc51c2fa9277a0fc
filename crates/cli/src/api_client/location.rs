//! Where the server is: flags, environment, the last login, or the local socket of this machine.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use headwater_policy::is_loopback_host;

use super::credentials::{Credentials, Login};
use crate::terminal::failure::Failure;

/// Data folder of the service, where nothing names another.
const DATA_DEFAULT: &str = "/var/lib/headwater";
/// Name of the local socket in the data folder.
const SOCKET_NAME: &str = "console.sock";
/// What an address of a local socket begins with.
pub(super) const SOCKET_SCHEME: &str = "unix:";

/// Where the server is.
#[derive(Debug, Clone, Default, Args)]
pub struct ServerLocation {
    /// The server's console listener, or unix:PATH for its local socket [default: the server of the last `headwater
    /// login`, else the local socket of the server on this machine]
    #[arg(id = "server_url", long = "server", value_name = "URL", env = "HEADWATER_SERVER", global = true, value_hint = ValueHint::Url)]
    pub url: Option<String>,
    /// Data folder of a server on this machine: the command uses its local socket [default: /var/lib/headwater]
    #[arg(id = "server_data", long = "data", value_name = "DIR", env = "HEADWATER_DATA", global = true, value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
}

impl ServerLocation {
    /// A server by its URL, or `unix:PATH`.
    pub fn at(url: &str) -> Self {
        Self { url: Some(url.to_owned()), data: None }
    }

    /// The local socket of a server.
    pub fn socket(path: &Path) -> Self {
        Self::at(&format!("{SOCKET_SCHEME}{}", path.display()))
    }
}

/// Where requests go to.
pub(super) struct Endpoint {
    /// As messages name it.
    pub name: String,
    /// Base URL of requests.
    pub base: String,
    /// The local socket that carries them, if they do not go over the network.
    pub socket: Option<PathBuf>,
    /// The login at this server, if there is one.
    pub login: Option<Login>,
}

impl Endpoint {
    /// The endpoint of a location; reads the logins where they matter.
    pub fn find(location: &ServerLocation) -> Result<Self, Failure> {
        let url = match (&location.url, &location.data) {
            (Some(url), _) => url.clone(),
            (None, Some(folder)) => return Ok(Self::local(folder.join(SOCKET_NAME))),
            (None, None) => match Credentials::read()?.default {
                Some(url) => url,
                None => return Ok(Self::local(Path::new(DATA_DEFAULT).join(SOCKET_NAME))),
            },
        };
        if let Some(path) = url.strip_prefix(SOCKET_SCHEME) {
            return Ok(Self::local(PathBuf::from(path)));
        }
        let base = check_url(&url)?;
        let login = Credentials::read()?.servers.remove(&base);
        Ok(Self { name: base.clone(), base, socket: None, login })
    }

    fn local(socket: PathBuf) -> Self {
        Self {
            name: format!("{SOCKET_SCHEME}{}", socket.display()),
            base: "http://localhost".to_owned(),
            socket: Some(socket),
            login: None,
        }
    }
}

/// A server's URL in the one spelling that its login is stored under.
pub fn check_url(url: &str) -> Result<String, Failure> {
    let parsed = reqwest::Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    match parsed {
        Some(url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        None => Err(Failure::bad_input(format!("the server's address `{url}` is not an http or https URL"))
            .with_hint(
                "give --server URL or HEADWATER_SERVER, such as https://headwater.example:8470, or unix:PATH",
            )),
    }
}

/// Whether a URL names this machine, so that what is sent there stays here.
pub fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    url.host_str().is_some_and(is_loopback_host)
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_a_url_of_this_machine_is_loopback() {
        let check = |url: &str, expected: bool| assert_eq!(is_loopback(url), expected, "{url}");
        check("http://127.9.8.7:8470", true);
        check("http://[::1]:8470", true);
        check("http://localhost", true);
        check("http://[::ffff:127.0.0.1]", true);
        check("http://here.localhost.", true);
        check("http://localhost.example", false);
        check("http://10.0.0.1", false);
        check("http://[2001:db8::1]", false);
        check("127.0.0.1", false);
    }
}
