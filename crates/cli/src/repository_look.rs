//! A look at a URL that shall be a source: whether a repository is there, which, how old, and whether it is this fleet's.
//!
//! It is a look and no proof: it verifies no signature and compares only the ids of keys. Clients and the server verify
//! everything when they fetch. It is made from this machine, by the proxy of its environment.

use std::time::Duration;

use headwater_api::v1::KeysView;
use headwater_depot::http::{WEB_PAGE, connection_failure, describe_unreadable, is_web_page, read_body};
use headwater_policy::{Class, Repository};
use headwater_repo::limits::TIMESTAMP_LENGTH_MAX;
use jiff::Timestamp;
use serde::Deserialize;

use crate::api_client::is_loopback;
use crate::limits::LOOK_TIMEOUT_SECONDS;
use crate::terminal::output::time;

/// What is at one repository's place below a URL.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Metadata, with its version, when it expires, and who signed it.
    Timestamp { version: u64, expires: Timestamp, signers: Vec<String> },
    /// The source has no such repository.
    Absent,
    /// Something else answers, or nobody: a sentence.
    Unusable(String),
}

/// The part of a signed timestamp that is looked at.
#[derive(Deserialize)]
struct SignedTimestamp {
    signatures: Vec<Signature>,
    signed: Signed,
}

#[derive(Deserialize)]
struct Signature {
    keyid: String,
}

#[derive(Deserialize)]
struct Signed {
    #[serde(rename = "_type")]
    kind: String,
    version: u64,
    expires: Timestamp,
}

/// Looks for these classes, and for the policy if `ours` has the fleet's keys: a line on what is there, and warnings.
pub async fn look(
    url: &str,
    classes: &[Class],
    ours: Option<&KeysView>,
    now: Timestamp,
) -> (String, Vec<String>) {
    let wanted = ours.is_some().then_some(Repository::Policy).into_iter();
    let mut found = Vec::new();
    for repository in wanted.chain(classes.iter().copied().map(Repository::from)) {
        let one = look_at(url, repository).await;
        let is_unreachable = matches!(one, Found::Unusable(_));
        found.push((repository, one));
        // The other repositories are at the same host.
        if is_unreachable {
            break;
        }
    }
    describe(url, &found, ours, now)
}

async fn look_at(url: &str, repository: Repository) -> Found {
    let address = format!("{}/{repository}/metadata/timestamp.json", url.trim_end_matches('/'));
    let http = reqwest::Client::builder().timeout(Duration::from_secs(LOOK_TIMEOUT_SECONDS));
    let http = if is_loopback(url) { http.no_proxy() } else { http };
    let client = match http.build() {
        Ok(client) => client,
        Err(error) => return Found::Unusable(connection_failure(&error).to_string()),
    };
    let mut response = match client.get(address).send().await {
        Ok(response) => response,
        Err(error) => return Found::Unusable(connection_failure(&error).to_string()),
    };
    let status = response.status();
    match status.as_u16() {
        200 => {}
        403 | 404 | 410 => return Found::Absent,
        _ => return Found::Unusable(format!("it answers with HTTP status {status}")),
    }
    match read_body(&mut response, TIMESTAMP_LENGTH_MAX as usize).await {
        Ok(body) => understood(&body),
        Err(error) => Found::Unusable(headwater_repo::error_chain(&error)),
    }
}

fn understood(body: &[u8]) -> Found {
    match serde_json::from_slice::<SignedTimestamp>(body) {
        Ok(SignedTimestamp { signatures, signed }) if signed.kind == "timestamp" => Found::Timestamp {
            version: signed.version,
            expires: signed.expires,
            signers: signatures.into_iter().map(|signature| signature.keyid).collect(),
        },
        Ok(_) => Found::Unusable("its timestamp.json is another document".to_owned()),
        Err(_) if is_web_page(body) => Found::Unusable(WEB_PAGE.to_owned()),
        Err(error) => Found::Unusable(describe_unreadable(body, &error)),
    }
}

fn describe(
    url: &str,
    found: &[(Repository, Found)],
    ours: Option<&KeysView>,
    now: Timestamp,
) -> (String, Vec<String>) {
    let (mut there, mut missing, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for (repository, one) in found {
        match one {
            Found::Unusable(why) => warnings.push(format!("{url} cannot be used from this machine: {why}")),
            Found::Absent => missing.push(repository.as_str()),
            Found::Timestamp { version, expires, signers } => {
                there.push(format!("{repository} (version {version}, valid until {})", time(*expires)));
                if *expires <= now {
                    warnings.push(format!(
                        "{repository} at {url} has expired: clients pass it over until it is copied or signed again"
                    ));
                }
                if ours.is_some_and(|ours| !is_ours(ours, *repository, signers)) {
                    warnings.push(format!(
                        "{repository} at {url} is not signed by this server's keys: it is of another publisher, or older than a \
                         replacement of keys"
                    ));
                }
            }
        }
    }
    if !missing.is_empty() {
        let missing = missing.join(", ");
        warnings.push(match there.is_empty() {
            true => format!("there is no repository at {url} (looked for: {missing})"),
            false => format!("{url} has no {missing}"),
        });
    }
    let there = if there.is_empty() { String::new() } else { format!("{url} has {}", there.join(", ")) };
    (there, warnings)
}

/// Whether a key that signs timestamps of the repository, or did until it was replaced, is among the signers.
fn is_ours(ours: &KeysView, repository: Repository, signers: &[String]) -> bool {
    let view = ours.repositories.iter().find(|view| view.repository == repository.as_str());
    view.is_some_and(|view| {
        let present = view.roles.iter().filter(|role| role.role == "timestamp").flat_map(|role| &role.keys);
        let retired = view.retired.iter().filter(|key| key.role == "timestamp").map(|key| &key.key);
        present.chain(retired).any(|key| signers.contains(key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamp(expires: &str, signer: &str) -> String {
        format!(
            r#"{{"signatures":[{{"keyid":"{signer}","sig":"00"}}],"signed":{{"_type":"timestamp","version":7,"expires":"{expires}"}}}}"#
        )
    }

    #[test]
    fn what_is_there_is_described() {
        let now = "2026-11-28T12:00:00Z".parse().unwrap();
        let ours: KeysView = serde_json::from_value(serde_json::json!({"to_do": [], "repositories": [{
            "repository": "components", "root_version": 1, "root_expires": "2027-01-01T00:00:00Z",
            "renew_by": "2026-12-01T00:00:00Z", "root_keys_here": true,
            "roles": [{"role": "timestamp", "threshold": 1, "keys": ["aa"], "here": 1, "expires": "2026-12-01T00:00:00Z"}],
        }]}))
        .unwrap();
        let check = |body: &str, there: &str, warning: &str| {
            let found = [(Repository::from(Class::Components), understood(body.as_bytes()))];
            let (shown, warnings) = describe("http://m.example", &found, Some(&ours), now);
            assert!(shown.contains(there), "{shown}");
            assert_eq!(warnings.is_empty(), warning.is_empty(), "{warnings:?}");
            assert!(warnings.iter().any(|one| one.contains(warning)) || warning.is_empty(), "{warnings:?}");
        };
        check(&timestamp("2026-11-29T00:00:00Z", "aa"), "components (version 7", "");
        check(&timestamp("2026-11-27T00:00:00Z", "aa"), "components (version 7", "has expired");
        check(&timestamp("2026-11-29T00:00:00Z", "bb"), "components (version 7", "not signed by this server");
        check("<html>", "", "captive portal");
        check("{}", "", "not what this program expects");
        let absent = [(Repository::from(Class::Programs), Found::Absent)];
        let (shown, warnings) = describe("http://m.example", &absent, None, now);
        assert!(shown.is_empty() && warnings[0].contains("there is no repository at http://m.example"));
    }
}
