//! `headwater login` and `logout`: access to a server from another machine (I4).
//!
//! The password is sent once, for a session that creates an API token and ends. Only the token is stored.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;

use clap::{Args, ValueHint};
use headwater_api::v1::{ApiTokenRequest, LOGIN_TOKEN_PREFIX, NewApiToken, SessionView, SignInRequest};
use reqwest::Method;
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::api_client::credentials::{Credentials, Login};
use crate::api_client::{ApiClient, ServerLocation, check_url, segment};
use crate::limits::{LOGIN_NAME_LETTERS, PASSWORD_INPUT_BYTES_MAX};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::input::read_text;
use crate::terminal::output::{Output, time};

const EXAMPLES: &str = "\
Examples:
  headwater login https://headwater.example:8470 --ca console-ca.pem
  headwater login https://headwater.example:8470 --name ann --days 7

The command asks for the password on the terminal, or reads it from stdin. A password for one sign-in has to be replaced:
the new one is asked for as well, or is the second line of stdin. On the server's own machine no login is needed.";

const LOGOUT_EXAMPLES: &str = "\
Examples:
  headwater logout
  headwater logout https://headwater.example:8470";

/// Sign in to a server on another machine and store a token for it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LoginArguments {
    /// The server's console listener
    #[arg(value_hint = ValueHint::Url)]
    url: String,
    /// Your name as an administrator
    #[arg(long, default_value = "admin", value_hint = ValueHint::Other)]
    name: String,
    /// CA certificates that the server's certificate must be signed by, in PEM [default: the system's CAs]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca: Option<PathBuf>,
    /// Days until the login expires
    #[arg(long, default_value_t = 30, value_hint = ValueHint::Other)]
    days: u32,
}

/// Remove a stored login and revoke its token
#[derive(Debug, Args)]
#[command(after_help = LOGOUT_EXAMPLES)]
pub struct LogoutArguments {
    /// The server [default: the server of the last login]
    #[arg(value_hint = ValueHint::Url)]
    url: Option<String>,
}

/// Signs in.
pub async fn run(arguments: LoginArguments, output: Output) -> Result<Exit, Failure> {
    let ca = arguments.ca.as_deref().map(read_text).transpose()?;
    let api = ApiClient::anonymous(&arguments.url, ca.as_deref())?;
    api.refuse_in_the_clear("the password")?;
    // A damaged file of logins is found before there is a token to lose.
    let mut credentials = Credentials::read()?;
    let mut input = Input::new()?;
    let password = input.secret("password: ")?;
    let mut request = SignInRequest { name: arguments.name, password, new_password: None };
    let session = match sign_in(&api, &request).await {
        Err(failure) if failure.code.as_deref() == Some("one_time_password") => {
            output.note("this password is valid for one sign-in; choose another");
            request.new_password = Some(input.secret("new password: ")?);
            sign_in(&api, &request).await?
        }
        done => done?,
    };
    let made = make_token(&api, &session, arguments.days).await;
    let former_left = match &made {
        Ok(_) => revoke_former(&api, &session, credentials.servers.get(api.base())).await,
        Err(_) => None,
    };
    // The session ends in any case.
    let out = with_session(&api, &session, Method::POST, "/api/v1/sign-out")?;
    let ended = api.receive::<()>(out).await;
    let made = made?;
    ended?;
    let base = api.base().to_owned();
    let login = Login { token: made.token.expose_secret().to_owned(), name: made.details.name, ca };
    credentials.servers.insert(base.clone(), login);
    credentials.default = Some(base.clone());
    let kept = credentials.write()?;
    let (role, until) = (&session.view.role, made.details.expires);
    let result = json!({"server": base, "name": session.view.name, "role": role, "until": until});
    output.result(&result, |_| {
        format!("logged in to {base} as {} ({role}) until {}", session.view.name, time(until))
    });
    if !output.is_json() {
        output.note(&format!("the token is in {}; `headwater` uses this server from now on", kept.display()));
        if let Some(left) = former_left {
            output.note(&left);
        }
    }
    Ok(Exit::Done)
}

/// Removes a login.
pub async fn run_logout(arguments: LogoutArguments, output: Output) -> Result<Exit, Failure> {
    let mut credentials = Credentials::read()?;
    let named = arguments.url.as_deref().map(check_url).transpose()?;
    let Some(base) = named.or_else(|| credentials.default.clone()) else {
        return Err(Failure::bad_input("there is no stored login, so there is nothing to do"));
    };
    let Some(login) = credentials.servers.get(&base) else {
        return Err(Failure::bad_input(format!("there is no stored login for {base}")));
    };
    let path = format!("/api/v1/tokens/{}", segment(&login.name));
    let revoked = ApiClient::new(&ServerLocation::at(&base))?.ask::<()>(Method::DELETE, &path).await;
    credentials.servers.remove(&base);
    credentials.default = credentials.default.filter(|default| *default != base);
    credentials.write()?;
    if let Err(failure) = &revoked {
        output.note(&format!(
            "the login is removed here, but the server could not revoke its token: {failure}"
        ));
    }
    output.result(&json!({"server": base, "revoked": revoked.is_ok()}), |_| format!("logged out of {base}"));
    Ok(if revoked.is_ok() { Exit::Done } else { Exit::Partly })
}

/// A session, with its cookie.
struct Session {
    view: SessionView,
    cookie: String,
}

async fn sign_in(api: &ApiClient, request: &SignInRequest) -> Result<Session, Failure> {
    let response = api.send(api.request(Method::POST, "/api/v1/sign-in")?.json(request)).await?;
    let cookie = response.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok());
    let cookie = cookie.and_then(|text| text.split(';').next()).unwrap_or_default().to_owned();
    let view = api.parse(&api.body(response).await?)?;
    Ok(Session { view, cookie })
}

async fn make_token(api: &ApiClient, session: &Session, days: u32) -> Result<NewApiToken, Failure> {
    let name = format!("{LOGIN_TOKEN_PREFIX}{}", headwater_server::secret::random_name(LOGIN_NAME_LETTERS));
    let request =
        ApiTokenRequest { name, role: session.view.role.clone(), scopes: Vec::new(), days: Some(days) };
    api.receive(with_session(api, session, Method::POST, "/api/v1/tokens")?.json(&request)).await
}

/// Revokes the token of an earlier login here at the same server, which nothing would use any more. Returns what to do if
/// that failed.
async fn revoke_former(api: &ApiClient, session: &Session, former: Option<&Login>) -> Option<String> {
    let name = &former?.name;
    let path = format!("/api/v1/tokens/{}", segment(name));
    let revoked = match with_session(api, session, Method::DELETE, &path) {
        Ok(request) => api.receive::<()>(request).await,
        Err(failure) => Err(failure),
    };
    match revoked {
        Ok(()) => None,
        // Somebody revoked it, or it expired.
        Err(failure) if failure.code.as_deref() == Some("not_found") => None,
        Err(failure) => Some(format!(
            "warning: the token {name} of an earlier login stays valid: {}; revoke it with `headwater tokens revoke {name}`",
            failure.message
        )),
    }
}

/// A request with the session's cookie and the console's origin: the server accepts no change by a cookie alone.
fn with_session(
    api: &ApiClient,
    session: &Session,
    method: Method,
    path: &str,
) -> Result<reqwest::RequestBuilder, Failure> {
    Ok(api.request(method, path)?.header(COOKIE, &session.cookie).header(ORIGIN, api.origin()))
}

/// Where passwords come from.
enum Input {
    Terminal,
    Lines(std::vec::IntoIter<String>),
}

impl Input {
    fn new() -> Result<Self, Failure> {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Ok(Self::Terminal);
        }
        Self::read(stdin)
    }

    /// The lines of what is not a terminal. Longer input is refused: a password must not be cut.
    fn read(input: impl std::io::Read) -> Result<Self, Failure> {
        let mut text = String::new();
        input
            .take(PASSWORD_INPUT_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(|error| Failure::bad_input(format!("cannot read the password from stdin: {error}")))?;
        if text.len() as u64 > PASSWORD_INPUT_BYTES_MAX {
            let limit = PASSWORD_INPUT_BYTES_MAX;
            return Err(Failure::bad_input(format!("stdin holds more than {limit} bytes"))
                .with_hint("give only the password, and a new one as the second line"));
        }
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        Ok(Self::Lines(lines.into_iter()))
    }

    fn secret(&mut self, prompt: &str) -> Result<SecretString, Failure> {
        let line = match self {
            Self::Terminal => rpassword::prompt_password(prompt)
                .map_err(|error| Failure::bad_input(format!("cannot read the password: {error}")))?,
            Self::Lines(lines) => lines.next().unwrap_or_default(),
        };
        if line.is_empty() {
            let what = prompt.trim_end_matches(": ");
            return Err(Failure::bad_input(format!("no {what} was given"))
                .with_hint("type it, or give it as a line of stdin"));
        }
        Ok(SecretString::from(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_on_stdin_are_read_whole_or_not_at_all() {
        let check = |bytes: u64, taken: bool| {
            let text = "a".repeat(bytes as usize);
            let given = Input::read(text.as_bytes()).and_then(|mut input| input.secret("password: "));
            match taken {
                true => assert_eq!(given.map(|secret| secret.expose_secret() == text).ok(), Some(true)),
                false => assert!(given.is_err()),
            }
        };
        check(0, false);
        check(1, true);
        check(PASSWORD_INPUT_BYTES_MAX, true);
        check(PASSWORD_INPUT_BYTES_MAX + 1, false);
    }
}
