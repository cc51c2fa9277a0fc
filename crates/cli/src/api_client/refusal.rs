//! Why a request failed and what to do about it: no answer, or a refusal by the server.

use std::error::Error;
use std::io;

use headwater_api::v1::ErrorAnswer;
use headwater_repo::error_chain;
use reqwest::StatusCode;
use rustls::CertificateError;
use serde_json::Value;

use crate::limits::CONNECT_TIMEOUT_SECONDS;
use crate::terminal::failure::{Exit, Failure};
use crate::values::draft_flag;

const WRONG_LISTENER: &str =
    "check that --server names the console listener, and that both programs have the same version";

/// The failure of a request that got no answer from the server named `name`.
pub(super) fn unreachable(name: &str, error: &reqwest::Error) -> Failure {
    if !error.is_connect() && !error.is_timeout() {
        return broken_off(name, error);
    }
    let (message, hint) = match cause(error) {
        Cause::Certificate(problem) => {
            let (reason, hint) = certificate(&problem);
            (format!("cannot reach {name}: its certificate {reason} ({problem})"), hint)
        }
        Cause::Permission(reason) => (
            format!("cannot reach {name}: {reason}"),
            "the local socket is for the server's own user and root: use sudo, or sign in with `headwater login URL`",
        ),
        Cause::Name(reason) => (
            format!("cannot reach {name}: the host name has no address ({reason})"),
            "check the host name in --server, HEADWATER_SERVER or `headwater login`",
        ),
        Cause::Other(_) if error.is_timeout() => (
            format!("no server answers at {name} within {CONNECT_TIMEOUT_SECONDS} s"),
            "check the address and port, and that no firewall is between",
        ),
        Cause::Other(reason) => (
            format!("no server answers at {name}: {reason}"),
            "start one with `headwater server --data DIR`, or name a running one with --data DIR, --server URL or HEADWATER_SERVER",
        ),
    };
    Failure::failed(message).with_hint(hint)
}

/// The failure of an exchange that broke off.
pub(super) fn broken_off(name: &str, error: &reqwest::Error) -> Failure {
    Failure::failed(format!("the connection to the server at {name} broke off: {}", error_chain(error)))
        .with_hint("look at the server's log, then run the command again")
}

/// The failure of an answer that is not the expected message.
pub(super) fn unexpected_answer(name: &str, error: &serde_json::Error) -> Failure {
    Failure::failed(format!(
        "the server at {name} sent an answer that this program does not understand: {error}"
    ))
    .with_hint(WRONG_LISTENER)
}

/// The failure that an error answer of the server stands for.
pub(super) fn refusal(name: &str, status: StatusCode, body: &[u8]) -> Failure {
    let exit = match status.as_u16() {
        400 | 404 | 413 | 422 => Exit::BadInput,
        507 => Exit::Disk,
        _ => Exit::Failed,
    };
    let Ok(ErrorAnswer { error }) = serde_json::from_slice(body) else {
        return Failure::new(exit, format!("the server at {name} refused the request: HTTP {status}"))
            .with_hint(WRONG_LISTENER);
    };
    let hint = hint(&error.code, error.details.as_ref());
    let (message, problems) = without_problems(error.message, problems(error.details.as_ref()));
    let failure = Failure::new(exit, message).with_problems(problems).with_hint(hint);
    Failure { code: Some(error.code), ..failure }
}

/// Why no connection came about.
enum Cause {
    Certificate(CertificateError),
    Permission(String),
    Name(String),
    Other(String),
}

/// What is wrong with the server's certificate, and what to do about it.
fn certificate(problem: &CertificateError) -> (&'static str, &'static str) {
    match problem {
        CertificateError::UnknownIssuer => (
            "is not signed by a CA that this program trusts",
            "copy console-ca.pem from the server's data folder, then `headwater login URL --ca console-ca.pem`",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "is for another name",
            "use a name that the certificate has, or add this one to `console_names` in the server's configuration",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("has expired", "check the clock of this machine; if it is right, renew the server's certificate")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not valid yet", "check the clocks of this machine and of the server")
        }
        _ => (
            "is not valid",
            "check the certificate of the console listener, and the CA that `headwater login URL --ca FILE` stored",
        ),
    }
}

/// The innermost cause of a failed connection, without the layers above it.
fn cause(error: &reqwest::Error) -> Cause {
    let mut cause: &(dyn Error + 'static) = error;
    let mut is_name = false;
    loop {
        if let Some(rustls::Error::InvalidCertificate(problem)) = cause.downcast_ref() {
            return Cause::Certificate(problem.clone());
        }
        let io = cause.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
            return Cause::Permission(cause.to_string());
        }
        // The resolver's errors have no type of their own.
        is_name |= cause.to_string().starts_with("dns error");
        // An I/O error hides what it wraps from `source`.
        let wrapped = io.and_then(io::Error::get_ref).map(|inner| inner as &(dyn Error + 'static));
        match wrapped.or_else(|| cause.source()) {
            Some(deeper) => cause = deeper,
            None if is_name => return Cause::Name(cause.to_string()),
            None => return Cause::Other(cause.to_string()),
        }
    }
}

/// What to do about a refusal, in the words of this program; empty where the message says it.
fn hint(code: &str, details: Option<&Value>) -> String {
    let detail = |key: &str| {
        let text = details.and_then(|details| details.get(key)).and_then(Value::as_str);
        text.map(str::to_owned)
    };
    match (code, detail("domain")) {
        ("draft_outdated", Some(domain)) => match detail("draft") {
            None => format!("look at what changed; if you still want your change, run the command again with --base-version {}", version(details)),
            Some(draft) => {
                let named = draft_flag(&draft);
                format!("look at what changed; then `headwater domains settings save {domain}{named} --over-version {}` publishes your draft over it, `headwater domains settings discard {domain}{named}` drops your draft", version(details))
            }
        },
        ("draft_changed", Some(domain)) => format!("somebody else edited the same draft: look at it with `headwater domains settings diff {domain}`, or use one of your own with --draft NAME"),
        ("draft_outdated", None) => {
            let version = version(details);
            format!("look at what changed; then `headwater sources save --over-version {version}` publishes your draft over it, `headwater sources discard` drops your draft")
        }
        ("draft_changed", None) => "somebody else edited the same draft: look at it with `headwater sources list`, or use one of your own with --draft NAME".to_owned(),
        ("named_by_entries", _) => "give --force to do it nevertheless".to_owned(),
        ("not_signed_in" | "bad_api_token", _) => {
            "sign in with `headwater login URL`, or run the command on the server's own machine".to_owned()
        }
        _ => String::new(),
    }
}

/// The saved version that the details of an error name.
fn version(details: Option<&Value>) -> String {
    let saved = details.and_then(|details| details.get("saved_version")).and_then(Value::as_u64);
    saved.map_or_else(|| "VERSION".to_owned(), |version| version.to_string())
}

/// A message that already holds its problems, without them; a single problem stays in the message.
fn without_problems(message: String, problems: Vec<String>) -> (String, Vec<String>) {
    match problems.as_slice() {
        [] => (message, problems),
        [only] if message.contains(only) => (message, Vec::new()),
        [first, ..] if message.starts_with(first.as_str()) => ("the input is not valid".to_owned(), problems),
        [first, ..] => match message.find(&format!(": {first}")) {
            Some(at) => (message[..at].to_owned(), problems),
            None => (message, problems),
        },
    }
}

/// The single problems in the details of an error: of entries, of changes, or of numbers.
fn problems(details: Option<&Value>) -> Vec<String> {
    let list = |key: &str| {
        details.and_then(|details| details.get(key)).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let of_entries =
        list("problems").into_iter().map(|problem| match problem.get("entry").and_then(Value::as_u64) {
            Some(entry) => format!("entry {entry}: {}", text(&problem, "message")),
            None => text(&problem, "message"),
        });
    let of_changes = list("changes").into_iter().map(|change| text(&change, "text"));
    of_entries.chain(of_changes).filter(|problem| !problem.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::{certificate, without_problems};

    #[test]
    fn each_problem_of_a_certificate_has_its_own_hint() {
        let check = |problem: CertificateError, word: &str| {
            let (reason, hint) = certificate(&problem);
            assert!(hint.contains(word), "{problem:?}: {reason}: {hint}");
        };
        check(CertificateError::UnknownIssuer, "--ca console-ca.pem");
        check(CertificateError::NotValidForName, "console_names");
        check(CertificateError::Expired, "clock of this machine");
        check(CertificateError::NotValidYet, "clocks");
        check(CertificateError::BadEncoding, "--ca FILE");
    }

    #[test]
    fn a_problem_is_reported_once() {
        let check = |message: &str, problems: &[&str], expected: &str, left: usize| {
            let problems = problems.iter().map(|problem| (*problem).to_owned()).collect();
            let (message, problems) = without_problems(message.to_owned(), problems);
            assert_eq!((message.as_str(), problems.len()), (expected, left));
        };
        check("no such list", &[], "no such list", 0);
        check(
            "the list cannot be taken: entry 2: bad",
            &["entry 2: bad"],
            "the list cannot be taken: entry 2: bad",
            0,
        );
        check("the list cannot be taken: a; b", &["a", "b"], "the list cannot be taken", 2);
        check("a; b", &["a", "b"], "the input is not valid", 2);
        check("it changed meanwhile", &["added entry 1"], "it changed meanwhile", 1);
    }
}
