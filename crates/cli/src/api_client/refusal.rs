//! Why a request failed and what to do about it: no answer, or a refusal by the server.

use headwater_api::v1::ErrorAnswer;
use headwater_depot::http::{
    ConnectionProblem, WEB_PAGE, connection_failure, describe_unreadable, is_web_page,
};
use reqwest::StatusCode;
use serde_json::Value;

use super::location::{SOCKET_SCHEME, is_loopback};
use crate::limits::CONNECT_TIMEOUT_SECONDS;
use crate::terminal::failure::{Exit, Failure};
use crate::values::draft_flag;

const WRONG_LISTENER: &str =
    "check that --server names the console listener, and that both programs have the same version";

/// What to do about a root that too few keys signed.
pub const ROOT_KEYS_HINT: &str = "pass the folder of the root keys with --root-keys FOLDER, once for each holder who must sign; for holders \
                                  elsewhere: `headwater keys export-root --out FILE`";

const NO_SERVER: &str = "check the address; log in to the network in a browser if it wants that; name the server's host in NO_PROXY if a \
                         proxy answers";

/// The failure of a request that got no answer from the server named `name`.
pub(super) fn unreachable(name: &str, error: &reqwest::Error) -> Failure {
    let failure = connection_failure(error);
    let message = match failure.problem {
        ConnectionProblem::TimedOut => {
            format!("no server answers at {name} within {CONNECT_TIMEOUT_SECONDS} s")
        }
        _ => format!("cannot reach {name}: {failure}"),
    };
    Failure::failed(message).with_hint(reach_hint(name, failure.problem))
}

/// What to do if the server named `name` is not reached: each problem has its own cure.
fn reach_hint(name: &str, problem: ConnectionProblem) -> &'static str {
    use ConnectionProblem as Problem;
    let is_here = name.starts_with(SOCKET_SCHEME) || is_loopback(name);
    match problem {
        Problem::UnknownCa | Problem::NoCa => {
            "copy console-ca.pem from the server's data folder, then `headwater login URL --ca console-ca.pem`"
        }
        Problem::OtherName => {
            "use a name that the certificate has, or add this one to `console_names` in the server's configuration"
        }
        Problem::Expired => {
            "check the clock of this machine; if it is right, renew the server's certificate, or restart the server if it \
             issues its own"
        }
        Problem::NotYetValid => "check the clocks of this machine and of the server",
        Problem::Certificate => {
            "check the certificate of the console listener, and the CA that `headwater login URL --ca FILE` stored"
        }
        Problem::NotTls => {
            "check the port; a console listener on loopback without console_names speaks plain HTTP: then write http://"
        }
        Problem::NotHttp => "write https:// if this is the console listener, else check the port",
        Problem::Rejected => {
            "this is the listener of clients: name that of administrators (console_listen, port 8470 unless configured)"
        }
        Problem::TlsVersion => "check the port: the console listener speaks TLS 1.3",
        Problem::Permission if name.starts_with(SOCKET_SCHEME) => {
            "the local socket is for the server's own user and root: use sudo, or sign in with `headwater login URL`"
        }
        Problem::Permission => {
            "a rule of this system forbids the connection: check its firewall and the proxy settings"
        }
        Problem::Name | Problem::NoCommonFamily => {
            "check the host name in --server, HEADWATER_SERVER or `headwater login`"
        }
        Problem::NoSocket | Problem::Refused if is_here => {
            "start one with `headwater server --data DIR`, or name a running one with --data DIR, --server URL or \
             HEADWATER_SERVER"
        }
        Problem::Refused | Problem::NoSocket => {
            "check the address and port, and that the server runs and listens there (console_listen in its configuration)"
        }
        Problem::NoRoute => "check the address, and the network and routes of this machine",
        Problem::TimedOut => "check the address and port, and that no firewall is between",
        Problem::Proxy => {
            "check HTTPS_PROXY, or name the server's host in NO_PROXY if it is reached without a proxy"
        }
        Problem::Closed | Problem::Other => "look at the server's log, then run the command again",
    }
}

/// The failure of an exchange that broke off.
pub(super) fn broken_off(name: &str, error: &reqwest::Error) -> Failure {
    let failure = connection_failure(error);
    Failure::failed(format!("the connection to the server at {name} broke off: {failure}"))
        .with_hint("look at the server's log, then run the command again")
}

/// The failure of an answer that is not the expected message.
pub(super) fn unexpected_answer(name: &str, body: &[u8], error: &serde_json::Error) -> Failure {
    let problem = describe_unreadable(body, error);
    let hint = if is_web_page(body) { NO_SERVER } else { WRONG_LISTENER };
    Failure::failed(format!("what answers at {name} is no Headwater server of this version: {problem}"))
        .with_hint(hint)
}

/// The failure that an error answer of the server stands for.
pub(super) fn refusal(name: &str, status: StatusCode, body: &[u8]) -> Failure {
    let exit = match status.as_u16() {
        400 | 404 | 413 | 422 => Exit::BadInput,
        507 => Exit::Disk,
        _ => Exit::Failed,
    };
    let Ok(ErrorAnswer { error }) = serde_json::from_slice(body) else {
        let (page, hint) = match is_web_page(body) {
            true => (format!(": {WEB_PAGE}"), NO_SERVER),
            false => (String::new(), WRONG_LISTENER),
        };
        return Failure::new(exit, format!("{name} refused the request with HTTP {status}{page}"))
            .with_hint(hint);
    };
    let hint = hint(&error.code, error.details.as_ref());
    let (message, problems) = without_problems(error.message, problems(error.details.as_ref()));
    let failure = Failure::new(exit, message).with_problems(problems).with_hint(hint);
    Failure { code: Some(error.code), ..failure }
}

/// What to do about a refusal, in the words of this program; empty where the message says it.
fn hint(code: &str, details: Option<&Value>) -> String {
    let detail = |key: &str| {
        let text = details.and_then(|details| details.get(key)).and_then(Value::as_str);
        text.map(str::to_owned)
    };
    let flag = draft_flag(detail("draft").as_deref().unwrap_or("default"), detail("owner").as_deref());
    let changed = |command: String| {
        format!(
            "it was edited meanwhile: look at it with `headwater {command}{flag}`, or use one of your own with --draft NAME"
        )
    };
    let outdated = |commands: &str, domain: &str| {
        let (domain, version) =
            (if domain.is_empty() { String::new() } else { format!(" {domain}") }, version(details));
        format!(
            "look at what changed; then `headwater {commands} save{domain}{flag} --over-version {version}` publishes the draft over it, `headwater {commands} discard{domain}{flag}` drops the draft"
        )
    };
    match (code, detail("domain")) {
        ("draft_outdated", Some(_)) if detail("draft").is_none() => format!(
            "look at what changed; if you still want your change, run the command again with --base-version {}",
            version(details)
        ),
        ("draft_outdated", Some(domain)) => outdated("domains settings", &domain),
        ("draft_outdated", None) => outdated("sources", ""),
        ("draft_changed", Some(domain)) => changed(format!("domains settings diff {domain}")),
        ("draft_changed", None) => changed("sources list".to_owned()),
        ("root_unsigned", _) => ROOT_KEYS_HINT.to_owned(),
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
    use headwater_depot::http::ConnectionProblem as Problem;

    use super::{reach_hint, unexpected_answer, without_problems};

    #[test]
    fn each_reason_for_no_answer_has_its_own_hint() {
        let there = |problem: Problem, word: &str| {
            let hint = reach_hint("https://headwater.example:8470", problem);
            assert!(hint.contains(word), "{problem:?}: {hint}");
            assert!(
                !hint.contains("headwater server"),
                "no server is started here for one elsewhere: {hint}"
            );
        };
        there(Problem::UnknownCa, "--ca console-ca.pem");
        there(Problem::NoCa, "--ca console-ca.pem");
        there(Problem::OtherName, "console_names");
        there(Problem::Expired, "clock of this machine");
        there(Problem::NotYetValid, "clocks");
        there(Problem::Certificate, "--ca FILE");
        there(Problem::NotTls, "http://");
        there(Problem::NotHttp, "https://");
        there(Problem::Rejected, "console_listen");
        there(Problem::Refused, "console_listen");
        there(Problem::NoRoute, "network");
        there(Problem::TimedOut, "firewall");
        there(Problem::Proxy, "NO_PROXY");
        there(Problem::Name, "host name");
        there(Problem::Closed, "log");
        let here = |name: &str, problem: Problem, word: &str| {
            let hint = reach_hint(name, problem);
            assert!(hint.contains(word), "{name} {problem:?}: {hint}");
        };
        here("unix:/var/lib/headwater/console.sock", Problem::NoSocket, "headwater server --data");
        here("unix:/var/lib/headwater/console.sock", Problem::Permission, "sudo");
        here("http://127.0.0.1:8470", Problem::Refused, "headwater server --data");
    }

    #[test]
    fn a_web_page_in_place_of_an_answer_is_named() {
        let check = |body: &str, message: &str, hint: &str| {
            let error = serde_json::from_str::<u32>(body).unwrap_err();
            let failure = unexpected_answer("https://headwater.example", body.as_bytes(), &error);
            assert!(failure.message.contains(message) && failure.hint.contains(hint), "{failure}");
        };
        check("<html><form>", "captive portal", "browser");
        check("{\"a\": 1}", "invalid type", "same version");
        check("", "empty", "same version");
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
