//! `headwater clients list`: which clients are outdated, failed, reverted or silent, since when and why.

use clap::{Args, ValueHint};
use headwater_api::v1::{ClientCounts, ClientRelease, ClientState, ClientView, ClientsAnswer};

use crate::api_client::{ApiClient, segment};
use crate::completions::candidates;
use crate::terminal::failure::Failure;
use crate::terminal::output::{counted, table, time, word};
use crate::values::parse_seconds;

/// Which clients are listed. Of several states any is enough; everything else narrows the list down.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Only clients of this domain and its sub-domains
    #[arg(long, value_hint = ValueHint::Other, add = candidates::domains())]
    domain: Option<String>,
    /// Clients that do not have what they should have
    #[arg(long)]
    outdated: bool,
    /// Clients whose newest run failed
    #[arg(long)]
    failed: bool,
    /// Clients that reverted to the last good release
    #[arg(long)]
    reverted: bool,
    /// Clients that have not contacted the server for this time; also what counts as silent in this list
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    silent: Option<u32>,
    /// Only clients that have this release of a component or program
    #[arg(long, value_name = "NAME=VERSION", value_hint = ValueHint::Other)]
    release: Option<String>,
    /// Only clients that do not have the newest policy
    #[arg(long)]
    policy_behind: bool,
    /// Show everything that each client has installed
    #[arg(long)]
    releases: bool,
}

impl ListArguments {
    fn query(&self) -> String {
        let states = [
            (self.outdated, ClientState::Outdated),
            (self.failed, ClientState::Failed),
            (self.reverted, ClientState::Reverted),
            (self.silent.is_some(), ClientState::Silent),
        ];
        let states: Vec<String> =
            states.iter().filter(|(wanted, _)| *wanted).map(|(_, state)| word(state)).collect();
        let states = (!states.is_empty()).then(|| states.join(","));
        let silent = self.silent.map(|seconds| seconds.to_string());
        let given = [
            ("domain", self.domain.as_deref()),
            ("state", states.as_deref()),
            ("silent_seconds", silent.as_deref()),
            ("release", self.release.as_deref()),
            ("policy_behind", self.policy_behind.then_some("true")),
            ("releases", self.releases.then_some("true")),
        ];
        let given = given.into_iter().filter_map(|(key, value)| Some((key, value?)));
        given.map(|(key, value)| format!("&{key}={}", segment(value))).collect()
    }

    /// Whether it asks for some clients only.
    fn is_filtered(&self) -> bool {
        let by_state = self.outdated || self.failed || self.reverted || self.silent.is_some();
        by_state || self.policy_behind || self.domain.is_some() || self.release.is_some()
    }
}

/// All clients, page by page. The counts are those of the first page.
pub async fn list(api: &ApiClient, wanted: &ListArguments) -> Result<ClientsAnswer, Failure> {
    let query = wanted.query();
    let mut all: ClientsAnswer = api.get(&format!("/api/v1/clients?limit=1000{query}")).await?;
    while let Some(after) = all.next.take() {
        let path = format!("/api/v1/clients?limit=1000{query}&after={}", segment(&after));
        let page: ClientsAnswer = api.get(&path).await?;
        all.items.extend(page.items);
        all.next = page.next;
    }
    Ok(all)
}

/// The list for people, with how many clients stand how.
pub fn list_text(answer: &ClientsAnswer, wanted: &ListArguments) -> String {
    let empty = wanted.is_filtered().then_some("no such client");
    let mut text = match wanted.releases && !answer.items.is_empty() {
        true => releases_table(&answer.items),
        false => table_of(&answer.items, empty),
    };
    if let Some(counts) = answer.counts.as_ref().filter(|counts| counts.clients > 0) {
        text.push_str(&format!("\n\n{}", counts_text(counts, answer.policy_version.unwrap_or_default())));
    }
    text
}

/// A line for each client; `empty` in place of a list without any.
pub fn table_of(clients: &[ClientView], empty: Option<&str>) -> String {
    let rows = clients.iter().map(|client| {
        let role = if client.update_agent { "update agent" } else { "" };
        vec![
            client.id.clone(),
            client.domain.clone(),
            client.addresses.join(" "),
            role.to_owned(),
            word(&client.state),
            time(client.since),
            time(client.last_seen),
            client.policy_version.to_string(),
            reason(client),
        ]
    });
    let headings = ["id", "domain", "addresses", "role", "state", "since", "last seen", "policy", "reason"];
    let nobody = "no client has checked in yet\nnext: `headwater clients enrol-bundle --out FILE`, then `headwater-client enrol FILE`";
    table(&headings, rows.collect(), empty.unwrap_or(nobody))
}

/// A line for each release of each client.
pub fn releases_table(clients: &[ClientView]) -> String {
    let row = |(client, release): (&ClientView, &ClientRelease)| {
        let none = || "-".to_owned();
        vec![
            client.id.clone(),
            release.class.clone(),
            release.name.clone(),
            release.version.clone().unwrap_or_else(none),
            release.wanted.clone().unwrap_or_else(none),
            word(&release.state),
            time(release.since),
            release.reason.clone().unwrap_or_default(),
        ]
    };
    let releases = clients.iter().flat_map(|client| client.releases.iter().map(move |it| (client, it)));
    let headings = ["client", "class", "name", "has", "current", "state", "since", "reason"];
    table(&headings, releases.map(row).collect(), "nothing is installed")
}

/// How a client stands, in one line.
pub fn standing(client: &ClientView) -> String {
    let reason = reason(client);
    let separator = if reason.is_empty() { "" } else { ": " };
    format!("{} since {}{separator}{reason}", word(&client.state), time(client.since))
}

/// Why a client stands as it does, that the fleet rejects it, and that two machines use its identity.
fn reason(client: &ClientView) -> String {
    let rejected = client.no_key.then(|| "the fleet rejects it, because it has no valid key".to_owned());
    let copied = client.copied.as_ref().map(ToString::to_string);
    let parts: Vec<String> = rejected.into_iter().chain(copied).chain(client.reason.clone()).collect();
    parts.join("; ")
}

/// How many clients stand how, in one line.
pub fn counts_text(counts: &ClientCounts, policy_version: u64) -> String {
    let states = [
        (counts.current, "current".to_owned()),
        (counts.outdated, "outdated".to_owned()),
        (counts.failed, "failed".to_owned()),
        (counts.reverted, "reverted".to_owned()),
        (counts.silent, format!("silent for {}", span(counts.silent_seconds))),
        (counts.unknown, "without a report yet".to_owned()),
    ];
    let states: Vec<String> = states
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, state)| format!("{count} {state}"))
        .collect();
    let mut text = format!("{}: {}", counted(counts.clients as usize, "client"), states.join(", "));
    if counts.policy_behind > 0 {
        text.push_str(&format!("; {} without policy version {policy_version}", counts.policy_behind));
    }
    text
}

/// Seconds as people say them, in the largest unit that fits.
fn span(seconds: u32) -> String {
    for (unit, name) in [(86_400, "day"), (3600, "hour"), (60, "minute")] {
        if seconds.is_multiple_of(unit) && seconds > 0 {
            return counted((seconds / unit) as usize, name);
        }
    }
    format!("{seconds} seconds")
}

#[cfg(test)]
mod tests {
    use super::{ClientCounts, counts_text};

    #[test]
    fn counts_are_one_line_without_what_there_is_none_of() {
        let check = |counts: ClientCounts, expected: &str| assert_eq!(counts_text(&counts, 4), expected);
        let one = ClientCounts { clients: 1, current: 1, silent_seconds: 60, ..ClientCounts::default() };
        check(one, "1 client: 1 current");
        let many = ClientCounts {
            clients: 9,
            current: 2,
            outdated: 1,
            failed: 1,
            reverted: 1,
            silent: 3,
            unknown: 1,
            policy_behind: 2,
            silent_seconds: 172_800,
        };
        let all = "9 clients: 2 current, 1 outdated, 1 failed, 1 reverted, 3 silent for 2 days, 1 without a report yet; \
                   2 without policy version 4";
        check(many, all);
    }
}
