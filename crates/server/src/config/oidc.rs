//! `[oidc]`: the identity provider whose word signs administrators in (I4).
//!
//! Left to others: asking the provider (`access/oidc/provider.rs`), and reading a role from its claims
//! (`access/oidc/claims.rs`).

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::error::{ConfigError, value};
use crate::caller::AdministratorRole;
use crate::limits;

/// The path below the console's URL that the provider sends browsers back to.
pub const CALLBACK_PATH: &str = "/api/v1/sign-in/oidc/callback";

/// Claims that people may choose for themselves at many a provider: none of them may give a role.
const CHOSEN_CLAIMS: [&str; 5] = ["preferred_username", "email", "name", "nickname", "given_name"];

/// The section as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawOidc {
    /// The provider's URL, letter by letter as it names itself.
    pub issuer: Option<String>,
    /// By which the provider knows this server.
    pub client_id: Option<String>,
    /// A file whose first line is the secret that the provider gave out with it.
    pub client_secret_file: Option<PathBuf>,
    /// Where the provider sends browsers back to. Default: the console's URL and `/api/v1/sign-in/oidc/callback`.
    pub redirect_url: Option<String>,
    /// What is asked for beside `openid`. Default: `["profile"]`.
    pub scopes: Option<Vec<String>>,
    /// The claim with the name, for people to read. Default: `preferred_username`.
    pub name_claim: Option<String>,
    /// The claim with the role. Default: `groups`.
    pub role_claim: Option<String>,
    /// Which of its values give which role.
    pub roles: Option<BTreeMap<String, String>>,
}

/// The section, valid.
#[derive(Debug, Clone)]
pub struct OidcConfig {
    /// The provider's URL, letter by letter as it names itself.
    pub issuer: String,
    /// By which the provider knows this server.
    pub client_id: String,
    /// The secret that goes with it.
    pub client_secret: SecretString,
    /// Where the provider sends browsers back to; `None` if that is below the console's URL.
    pub redirect_url: Option<Url>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim with the name, for people to read.
    pub name_claim: String,
    /// The claim with the role.
    pub role_claim: String,
    /// The roles that its values give.
    pub roles: BTreeMap<String, AdministratorRole>,
}

impl OidcConfig {
    /// Sets where browsers are sent back to, unless the file names it: below the console's URL.
    pub fn lead_back_to(&mut self, console_url: &str) {
        let below = || Url::parse(console_url).and_then(|url| url.join(CALLBACK_PATH));
        self.redirect_url = self.redirect_url.take().or_else(|| below().ok());
    }
}

impl TryFrom<RawOidc> for OidcConfig {
    type Error = ConfigError;

    fn try_from(raw: RawOidc) -> Result<Self, ConfigError> {
        let issuer = required("oidc.issuer", raw.issuer)?;
        web_url("oidc.issuer", &issuer)?;
        let role_claim = raw.role_claim.unwrap_or_else(|| "groups".to_owned());
        if CHOSEN_CLAIMS.contains(&role_claim.as_str()) {
            return Err(value(
                "oidc.role_claim",
                format!(
                    "people can choose their `{role_claim}` at many a provider; take `groups`, `roles` or `sub`"
                ),
            ));
        }
        Ok(Self {
            client_id: required("oidc.client_id", raw.client_id)?,
            client_secret: client_secret(raw.client_secret_file)?,
            redirect_url: raw.redirect_url.as_deref().map(redirect_url).transpose()?,
            scopes: scopes(raw.scopes)?,
            name_claim: raw.name_claim.unwrap_or_else(|| "preferred_username".to_owned()),
            roles: roles(raw.roles.unwrap_or_default())?,
            issuer,
            role_claim,
        })
    }
}

fn required(key: &'static str, text: Option<String>) -> Result<String, ConfigError> {
    text.filter(|text| !text.is_empty()).ok_or_else(|| {
        value(key, "is missing; the identity provider shows it where this server is registered".to_owned())
    })
}

/// What goes there in the clear anybody on the way can take; on this machine there is nobody.
fn web_url(key: &'static str, text: &str) -> Result<Url, ConfigError> {
    let bad = |reason: &str| value(key, format!("`{text}`: {reason}"));
    let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    let is_local = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
        return Err(bad("write https://; http:// is for a loopback address alone"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(bad("leave out what is a query, a fragment or a user"));
    }
    Ok(url)
}

fn redirect_url(text: &str) -> Result<Url, ConfigError> {
    let url = web_url("oidc.redirect_url", text)?;
    if url.path() != CALLBACK_PATH {
        return Err(value("oidc.redirect_url", format!("`{text}`: its path must be {CALLBACK_PATH}")));
    }
    Ok(url)
}

fn scopes(scopes: Option<Vec<String>>) -> Result<Vec<String>, ConfigError> {
    let scopes = scopes.unwrap_or_else(|| vec!["profile".to_owned()]);
    let max = limits::OIDC_SCOPES_MAX;
    if scopes.len() > max {
        return Err(value("oidc.scopes", format!("there are {}, at most {max} are allowed", scopes.len())));
    }
    // RFC 6749, 3.3.
    let fits = |c: u8| c.is_ascii_graphic() && c != b'"' && c != b'\\';
    match scopes.iter().find(|scope| scope.is_empty() || !scope.bytes().all(fits)) {
        Some(scope) => Err(value("oidc.scopes", format!("`{}` is no scope", scope.escape_debug()))),
        None => Ok(scopes),
    }
}

fn roles(roles: BTreeMap<String, String>) -> Result<BTreeMap<String, AdministratorRole>, ConfigError> {
    let max = limits::OIDC_ROLES_MAX;
    if roles.is_empty() || roles.len() > max {
        return Err(value(
            "oidc.roles",
            format!("there are {}; give 1 to {max}, such as staff = \"viewer\"", roles.len()),
        ));
    }
    let parse = |(claimed, role): (String, String)| match role.parse() {
        Ok(role) => Ok((claimed, role)),
        Err(error) => Err(value("oidc.roles", format!("{claimed}: {error}"))),
    };
    roles.into_iter().map(parse).collect()
}

/// The first line of a file that its owner alone may read.
fn client_secret(path: Option<PathBuf>) -> Result<SecretString, ConfigError> {
    const KEY: &str = "oidc.client_secret_file";
    let path =
        path.ok_or_else(|| value(KEY, "is missing; put the secret into a file of its own".to_owned()))?;
    let bad = |reason: &str| value(KEY, format!("{}: {reason}", path.display()));
    let text = read_private(&path).map_err(|error| bad(&error.to_string()))?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() || line.len() > limits::OIDC_SECRET_BYTES_MAX {
        let max = limits::OIDC_SECRET_BYTES_MAX;
        return Err(bad(&format!("its first line has {} bytes; 1 to {max} are allowed", line.len())));
    }
    Ok(SecretString::from(line.to_owned()))
}

fn read_private(path: &Path) -> std::io::Result<String> {
    let file = std::fs::File::open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        return Err(std::io::Error::other("others than its owner may read it; chmod 600"));
    }
    let mut text = String::new();
    file.take(limits::OIDC_SECRET_BYTES_MAX as u64 + 2).read_to_string(&mut text)?;
    Ok(text)
}
