//! Values that only the server knows: ids, domains, names, versions. Each list is one request, bounded in time;
//! a failure of any kind completes nothing, because a shell has no place for an error.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use serde_json::Value;

use crate::api_client::{ApiClient, ServerLocation, install_tls_provider};
use crate::limits::{COMPLETION_CANDIDATES_MAX, COMPLETION_TIMEOUT};

/// Ids of clients.
pub fn clients() -> ArgValueCompleter {
    listed("/api/v1/clients?limit=1000", "id")
}

/// Ids of clients that ask and are not known.
pub fn unknown_clients() -> ArgValueCompleter {
    listed("/api/v1/unknown-clients", "client")
}

/// Ids of update agents.
pub fn update_agents() -> ArgValueCompleter {
    listed("/api/v1/update-agents", "id")
}

/// Paths of domains.
pub fn domains() -> ArgValueCompleter {
    listed("/api/v1/domains", "path")
}

/// Names of components and programs.
pub fn releases() -> ArgValueCompleter {
    listed("/api/v1/releases", "name")
}

/// Names of administrators.
pub fn administrators() -> ArgValueCompleter {
    listed("/api/v1/administrators", "name")
}

/// Names of API tokens.
pub fn tokens() -> ArgValueCompleter {
    listed("/api/v1/tokens", "name")
}

/// Numbers of enrolment tokens.
pub fn enrol_tokens() -> ArgValueCompleter {
    listed("/api/v1/enrol-tokens", "number")
}

/// Names of drafts of the source list.
pub fn drafts() -> ArgValueCompleter {
    listed("/api/v1/drafts", "name")
}

/// Owners of drafts of the source list.
pub fn draft_owners() -> ArgValueCompleter {
    listed("/api/v1/drafts", "owner")
}

/// Versions of the releases of a component or program that the line names.
pub fn versions() -> ArgValueCompleter {
    from_server("/api/v1/releases", |answer| {
        let line: Vec<String> = env::args().collect();
        let is_named =
            |item: &&Value| item["name"].as_str().is_some_and(|name| line.iter().any(|word| word == name));
        let releases = items(answer).filter(is_named).filter_map(|item| item["releases"].as_array());
        releases.flatten().filter_map(|release| text(&release["version"])).collect()
    })
}

/// Keys of typed settings, each with `=` behind it.
pub fn setting_assignments() -> ArgValueCompleter {
    from_server("/api/v1/domains/root", |answer| setting_keys(answer).map(|key| format!("{key}=")).collect())
}

/// Keys of typed settings.
pub fn settings() -> ArgValueCompleter {
    from_server("/api/v1/domains/root", |answer| setting_keys(answer).cloned().collect())
}

fn setting_keys(domain: &Value) -> impl Iterator<Item = &String> {
    domain["effective"]["settings"].as_object().into_iter().flat_map(|settings| settings.keys())
}

/// One field of every item of a list.
fn listed(path: &'static str, field: &'static str) -> ArgValueCompleter {
    from_server(path, move |answer| items(answer).filter_map(|item| text(&item[field])).collect())
}

fn items(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["items"].as_array().into_iter().flatten()
}

/// What stands on a command line for a value. Ids come from clients and may be anything: one with control characters is
/// left out, because a shell reads one candidate a line.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.chars().any(char::is_control)).then_some(text)
}

fn from_server(
    path: &'static str,
    values: impl Fn(&Value) -> Vec<String> + Send + Sync + 'static,
) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        let Some(answer) = ask(path) else { return Vec::new() };
        matching(values(&answer), current).map(CompletionCandidate::new).collect()
    })
}

/// The values that begin with `current`, as many as a shell can show.
fn matching(values: Vec<String>, current: &str) -> impl Iterator<Item = String> + use<'_> {
    values.into_iter().filter(move |value| value.starts_with(current)).take(COMPLETION_CANDIDATES_MAX)
}

fn ask(path: &str) -> Option<Value> {
    install_tls_provider();
    let api = ApiClient::new(&location(env::args_os().collect())).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async { tokio::time::timeout(COMPLETION_TIMEOUT, api.get(path)).await.ok()?.ok() })
}

/// The server that a line which is not complete yet names, or that the environment does.
fn location(line: Vec<OsString>) -> ServerLocation {
    let line: Vec<String> = line.into_iter().filter_map(|word| word.into_string().ok()).collect();
    let flag = |name: &str| {
        let separate = line.windows(2).find(|words| words[0] == name).map(|words| words[1].clone());
        separate.or_else(|| {
            line.iter().find_map(|word| Some(word.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
        })
    };
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    ServerLocation {
        url: flag("--server").or_else(|| variable("HEADWATER_SERVER")),
        data: flag("--data").or_else(|| variable("HEADWATER_DATA")).map(PathBuf::from),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{location, matching, text};
    use crate::limits::COMPLETION_CANDIDATES_MAX;

    #[test]
    fn the_server_is_the_one_that_the_line_names() {
        let check = |line: &str, url: Option<&str>, data: Option<&str>| {
            let found = location(line.split(' ').map(Into::into).collect());
            assert_eq!(
                (found.url.as_deref(), found.data.as_deref().and_then(|data| data.to_str())),
                (url, data)
            );
        };
        check(
            "headwater -- headwater clients show --server https://a --data d x",
            Some("https://a"),
            Some("d"),
        );
        check("headwater -- headwater clients show --server=unix:a x --data=d", Some("unix:a"), Some("d"));
    }

    #[test]
    fn candidates_begin_with_the_word_and_are_limited() {
        let check = |count: usize, expected: usize| {
            let values =
                (0..count).map(|number| format!("pc-{number}")).chain(["other".to_owned()]).collect();
            assert_eq!(matching(values, "pc-").count(), expected);
        };
        check(2, 2);
        check(COMPLETION_CANDIDATES_MAX, COMPLETION_CANDIDATES_MAX);
        check(COMPLETION_CANDIDATES_MAX + 1, COMPLETION_CANDIDATES_MAX);
    }

    #[test]
    fn a_candidate_is_one_line_of_text() {
        assert_eq!(text(&json!("pc-17")), Some("pc-17".to_owned()));
        assert_eq!(text(&json!(3)), Some("3".to_owned()));
        assert_eq!(text(&json!("a\nb")), None);
        assert_eq!(text(&json!(null)), None);
    }
}
