//! The result of the demo: which clients are current, and which bytes came from which source. Pure.

use std::collections::{BTreeMap, BTreeSet};

use headwater_api::report::{Attempt, AttemptResult, ClassResult, Report};
use headwater_api::v1::{ComponentView, ReleasesAnswer, StoredReport};
use secrecy::SecretString;
use serde::Serialize;

/// The demo's one JSON object.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Totals {
    /// Password of the demo's administrator `admin`, valid for one sign-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "headwater_api::secret::serialize_option")]
    pub first_password: Option<SecretString>,
    /// Clients, update agents not counted.
    pub clients: usize,
    /// Clients that have everything that is published and saved.
    pub current: usize,
    /// Update agents.
    pub update_agents: usize,
    /// Update agents that have everything that is published and saved.
    pub update_agents_current: usize,
    /// Publications so far.
    pub publications: usize,
    /// What clients received, by class and source.
    pub by_source: BTreeMap<String, BTreeMap<String, FromSource>>,
    /// Bytes that the server sent.
    pub bytes_from_server: u64,
    /// Bytes that update agents sent.
    pub bytes_from_update_agents: u64,
    /// Bytes that the vendor source sent to clients.
    pub bytes_from_vendor: u64,
    /// Of all bytes, those of deltas.
    pub bytes_by_delta: u64,
    /// Bytes of full bodies that deltas made unnecessary, less their own.
    pub bytes_spared_by_deltas: u64,
    /// Seconds since the start.
    pub seconds: f64,
    /// Every attempt, by client, in the order they began.
    pub attempts: BTreeMap<String, Vec<Attempt>>,
}

/// What came from one source, for one class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FromSource {
    /// Clients and update agents that asked it.
    pub clients: usize,
    /// Runs that received something new from it.
    pub updates: usize,
    /// Bytes that it sent.
    pub bytes: u64,
}

impl Totals {
    /// Adds up the reports.
    pub fn add_up(&mut self, reports: &[StoredReport]) {
        let mut clients_of: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for report in reports.iter().map(|stored| &stored.report) {
            self.bytes_spared_by_deltas +=
                report.classes.iter().map(|outcome| outcome.spared_bytes).sum::<u64>();
            for attempt in &report.attempts {
                self.bytes_by_delta += attempt.delta_bytes;
                let from = self
                    .by_source
                    .entry(attempt.class.clone())
                    .or_default()
                    .entry(attempt.source.clone())
                    .or_default();
                from.bytes += attempt.bytes;
                from.updates += usize::from(attempt.result == AttemptResult::Used);
                clients_of.entry((&attempt.class, &attempt.source)).or_default().insert(&report.client);
                match attempt.source.as_str() {
                    "server" => self.bytes_from_server += attempt.bytes,
                    "vendor" => self.bytes_from_vendor += attempt.bytes,
                    agent if agent.starts_with("update_agent:") => {
                        self.bytes_from_update_agents += attempt.bytes;
                    }
                    // A mirror that somebody added to the list: only `by_source` has it.
                    _ => {}
                }
            }
            self.attempts.entry(report.client.clone()).or_default().extend(report.attempts.iter().cloned());
        }
        for ((class, source), clients) in clients_of {
            if let Some(from) = self.by_source.get_mut(class).and_then(|sources| sources.get_mut(source)) {
                from.clients = clients.len();
            }
        }
    }

    /// Whether all clients and update agents are current.
    pub fn is_complete(&self) -> bool {
        self.current == self.clients && self.update_agents_current == self.update_agents
    }
}

/// What a client must have to be current.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// The saved version of the policy.
    pub policy_version: u64,
    /// The current sequence of everything that is published: class, name, sequence.
    pub releases: Vec<(String, String, u64)>,
}

impl Expected {
    /// What the server publishes now.
    pub fn new(policy_version: u64, releases: &ReleasesAnswer) -> Self {
        let current = |it: &ComponentView| (it.class.clone(), it.name.clone(), it.current);
        let releases = releases.items.iter().map(|item| current(&item.component)).collect();
        Self { policy_version, releases }
    }

    /// Whether a client with this report has all of it.
    pub fn is_met(&self, report: &Report) -> bool {
        let has = |(class, name, sequence): &(String, String, u64)| {
            let installed = report.installed.get(class).and_then(|names| names.get(name));
            installed.is_some_and(|installed| installed.sequence == *sequence)
        };
        let succeeded = |result: ClassResult| matches!(result, ClassResult::Updated | ClassResult::Current);
        report.policy_version == self.policy_version
            && report.classes.iter().all(|outcome| succeeded(outcome.result))
            && self.releases.iter().all(has)
    }
}

#[cfg(test)]
mod tests {
    use headwater_api::report::Report;
    use headwater_api::v1::StoredReport;
    use serde_json::json;

    use super::{Expected, Totals};

    fn report(client: &str, attempts: serde_json::Value) -> Report {
        serde_json::from_value(json!({
            "format": 1, "client": client, "domain": "root", "run": 1, "started": "2026-11-22T12:00:00Z", "duration_ms": 5,
            "addresses": ["127.1.1.2"], "program": "0.1.0", "policy_version": 3,
            "classes": [{"class": "components", "result": "updated", "source": "server", "message": ""}],
            "attempts": attempts,
            "installed": {"components": {"rules": {"sequence": 2, "version": "b"}}},
        }))
        .unwrap()
    }

    fn attempt(source: &str, result: &str, bytes: u64) -> serde_json::Value {
        json!({
            "source": source, "url": "http://x", "entry": null, "class": "components", "result": result, "reason": null,
            "detail": "", "bytes": bytes, "started": "2026-11-22T12:00:00Z", "duration_ms": 1, "from_version": 0, "to_version": 1,
        })
    }

    #[test]
    fn bytes_add_up_by_where_they_came_from() {
        let reports = [
            ("a", json!([attempt("update_agent:u", "failed", 7), attempt("server", "used", 100)])),
            ("b", json!([attempt("update_agent:u", "used", 50)])),
            ("c", json!([attempt("vendor", "current", 3)])),
        ];
        let stored: Vec<StoredReport> = reports
            .into_iter()
            .map(|(client, attempts)| StoredReport {
                number: 1,
                received: "2026-11-22T12:00:00Z".parse().unwrap(),
                report: report(client, attempts),
            })
            .collect();
        let mut totals = Totals::default();
        totals.add_up(&stored);
        assert_eq!(
            (totals.bytes_from_server, totals.bytes_from_update_agents, totals.bytes_from_vendor),
            (100, 57, 3)
        );
        let agent = &totals.by_source["components"]["update_agent:u"];
        assert_eq!((agent.clients, agent.updates, agent.bytes), (2, 1, 57));
        assert_eq!(totals.attempts["a"].len(), 2);
    }

    #[test]
    fn a_client_is_current_if_it_has_everything() {
        let has = report("a", json!([]));
        let check = |policy_version: u64, sequence: u64, expected: bool| {
            let releases = vec![("components".to_owned(), "rules".to_owned(), sequence)];
            assert_eq!(
                Expected { policy_version, releases }.is_met(&has),
                expected,
                "{policy_version} {sequence}"
            );
        };
        check(3, 2, true);
        check(4, 2, false);
        check(3, 3, false);
    }
}
