//! Clients as administrators see them: how each stands, since when and why, and how many stand how (R1a).
//!
//! The state of a client is a fact of the database; what is silent is decided by the time of the request. The sentences
//! that say why are made here.

use std::collections::BTreeSet;

use headwater_api::policy::UpdateAgentDocument;
use headwater_api::report::ClassResult;
use headwater_api::v1::{
    ClientCounts, ClientDayView, ClientRelease, ClientState, ClientView, ClientsAnswer, ClientsQuery,
    IdentityView, ReportGap,
};
use headwater_policy::Problem;
use jiff::{SignedDuration, Timestamp};

use super::registry::known_client;
use super::service::FleetService;
use crate::db::client_releases::ReleaseFact;
use crate::db::copies;
use crate::db::fleet_view::{ClassProblem, Counts, Filter, FleetRow};
use crate::db::identities;
use crate::db::policies::PolicyRow;
use crate::error::Result;
use crate::limits;
use crate::request::{page, refuse};

/// Names that a sentence lists before it counts the rest.
const NAMES_IN_SENTENCE: usize = 3;

/// A query, read.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    states: BTreeSet<ClientState>,
    release: Option<(String, String)>,
    silent: u32,
    limit: u32,
}

impl FleetService {
    /// Clients in order of id, and on the first page how many stand how.
    ///
    /// # Errors
    /// Refusals for an unknown domain and a query that cannot be read.
    pub async fn client_views(&self, query: &ClientsQuery, now: Timestamp) -> Result<ClientsAnswer> {
        let wanted = read(query)?;
        let domains = match &query.domain {
            Some(domain) => {
                self.source_list.domain_and_below(&mut self.db.connection().await?, domain).await?
            }
            None => None,
        };
        let policy = self.db.policy_now().await?;
        let filter = Filter {
            ids: None,
            domains: domains.as_deref(),
            release: wanted.release.as_ref().map(|(name, version)| (name.as_str(), version.as_str())),
            states: wanted.states,
            policy_before: query.policy_behind.then_some(policy.version),
        };
        let silent_before = before(now, wanted.silent);
        let after = query.after.clone().unwrap_or_default();
        let rows = self.db.fleet_page(&filter, silent_before, &after, wanted.limit, query.releases).await?;
        let is_full = rows.len() == wanted.limit as usize;
        let next = rows.last().filter(|_| is_full).map(|row| row.client.id.clone());
        let first = query.after.is_none();
        let counts = match first {
            true => {
                let filter = Filter { states: BTreeSet::new(), policy_before: None, ..filter };
                let counts = self.db.fleet_counts(&filter, silent_before, policy.version).await?;
                Some(counts_view(&counts, wanted.silent))
            }
            false => None,
        };
        let mut items: Vec<ClientView> = rows.into_iter().map(|row| view(row, &policy)).collect();
        self.add_copied(&mut items).await?;
        Ok(ClientsAnswer { items, next, counts, policy_version: first.then_some(policy.version) })
    }

    /// These clients, in order of id.
    pub(super) async fn views_of(&self, ids: &[String], now: Timestamp) -> Result<Vec<ClientView>> {
        let policy = self.db.policy_now().await?;
        let filter = Filter { ids: Some(ids), ..Filter::default() };
        let silent_before = before(now, limits::SILENT_SECONDS_DEFAULT);
        let rows = self.db.fleet_page(&filter, silent_before, "", u32::MAX, false).await?;
        let mut items: Vec<ClientView> = rows.into_iter().map(|row| view(row, &policy)).collect();
        self.add_copied(&mut items).await?;
        Ok(items)
    }

    /// Adds what was found of clients whose identity two machines use. They are in order of id.
    async fn add_copied(&self, clients: &mut [ClientView]) -> Result<()> {
        let ([first, ..], [.., last]) = (&*clients, &*clients) else { return Ok(()) };
        let mut db = self.db.connection().await?;
        let mut found = copies::between(&mut db, &first.id, &last.id).await?;
        for client in clients {
            client.copied = found.remove(&client.id);
        }
        Ok(())
    }

    /// One client with its latest report, everything that it has, and what it had from where lately.
    ///
    /// # Errors
    /// A refusal when it is not known.
    pub async fn client_view(&self, id: &str, now: Timestamp) -> Result<ClientView> {
        known_client(&mut self.db.connection().await?, id).await?;
        let report = self.db.reports(Some(id), u64::MAX, 1).await?.pop();
        let policy = self.db.policy_now().await?;
        let ids = [id.to_owned()];
        let filter = Filter { ids: Some(&ids), ..Filter::default() };
        let silent_before = before(now, limits::SILENT_SECONDS_DEFAULT);
        let row = self.db.fleet_page(&filter, silent_before, "", 1, true).await?.pop();
        let row = row.ok_or_else(|| crate::error::Refusal::no_client(id))?;
        let mut view = view(row, &policy);
        self.add_copied(std::slice::from_mut(&mut view)).await?;
        view.last_report = report.map(|stored| stored.report);
        let since = now - SignedDuration::from_hours(24 * (limits::CLIENT_DAYS_SHOWN - 1));
        view.days = self.db.days_of_client(id, since).await?.into_iter().map(day_view).collect();
        let mut db = self.db.connection().await?;
        if let Some(identity) = identities::of_client(&mut db, id).await? {
            let gaps = identities::gaps(&mut db, id).await?;
            view.identity = Some(identity_view(identity, gaps));
        }
        Ok(view)
    }

    /// How many clients have an identity that two machines use, and the warning of it.
    ///
    /// # Errors
    /// Only when the database fails.
    pub(crate) async fn copied_identities(&self) -> Result<(u64, Option<String>)> {
        let copied = copies::count_all(&mut self.db.connection().await?).await?;
        Ok((copied, super::copies::warning(copied)))
    }

    /// How all clients stand.
    ///
    /// # Errors
    /// Only when the database fails.
    pub(crate) async fn client_counts(&self, now: Timestamp) -> Result<ClientCounts> {
        let silent = limits::SILENT_SECONDS_DEFAULT;
        let policy = self.db.policy_now().await?;
        let counts = self.db.fleet_counts(&Filter::default(), before(now, silent), policy.version).await?;
        Ok(counts_view(&counts, silent))
    }
}

fn before(now: Timestamp, silent: u32) -> Timestamp {
    now - SignedDuration::from_secs(silent.into())
}

fn read(query: &ClientsQuery) -> Result<Wanted> {
    let mut problems = Vec::new();
    let mut states = BTreeSet::new();
    for word in query.state.iter().flat_map(|words| words.split(',')).map(str::trim) {
        match serde_json::from_value(serde_json::Value::from(word)) {
            Ok(state) => drop(states.insert(state)),
            Err(_) => problems.push(Problem::general(format!(
                "state: `{}` is none of current, outdated, failed, reverted, silent, unknown",
                word.escape_debug()
            ))),
        }
    }
    let silent = query.silent_seconds.unwrap_or(limits::SILENT_SECONDS_DEFAULT);
    let (min, max) = (limits::SILENT_SECONDS_MIN, limits::SILENT_SECONDS_MAX);
    if !(min..=max).contains(&silent) {
        problems.push(Problem::general(format!("silent_seconds: {silent} is outside {min} to {max}")));
    }
    let release = query.release.as_deref().map(|release| release.split_once('=').ok_or(release));
    let release = match release {
        Some(Ok((name, version))) => Some((name.to_owned(), version.to_owned())),
        Some(Err(wrong)) => {
            let wrong = wrong.escape_debug();
            problems.push(Problem::general(format!("release: `{wrong}` is not NAME=VERSION")));
            None
        }
        None => None,
    };
    refuse(problems)?;
    let limit = page(query.limit)?;
    let limit = if query.releases { limit.min(limits::CLIENTS_WITH_RELEASES_MAX) } else { limit };
    Ok(Wanted { states, release, silent, limit })
}

fn view(row: FleetRow, policy: &PolicyRow) -> ClientView {
    let reason = reason(&row, policy.version);
    let is_agent = |agent: &UpdateAgentDocument| agent.id == row.client.id;
    ClientView {
        update_agent: policy.document.update_agents.iter().any(is_agent),
        state: row.state,
        since: row.since,
        reason,
        releases: row.releases.into_iter().map(release_view).collect(),
        days: Vec::new(),
        id: row.client.id,
        domain: row.client.domain,
        addresses: row.client.addresses,
        program: row.client.program,
        policy_version: row.client.policy_version,
        versions: row.client.versions,
        first_seen: row.client.first_seen,
        last_seen: row.client.last_seen,
        identity: None,
        no_key: !row.has_key,
        copied: None,
        last_report: None,
    }
}

/// Why a client stands as it does; `None` if there is nothing to say. Of a silent one: the error of its newest run.
fn reason(row: &FleetRow, newest_policy: u64) -> Option<String> {
    match row.state {
        ClientState::Current => None,
        ClientState::Unknown => Some("it has not reported a run yet".to_owned()),
        ClientState::Failed => problem(&row.problems, &[ClassResult::Failed]),
        ClientState::Reverted => problem(&row.problems, &[ClassResult::Reverted]),
        ClientState::Silent => problem(&row.problems, &[ClassResult::Failed, ClassResult::Reverted]),
        ClientState::Outdated => outdated(row, newest_policy),
    }
}

/// The error of the first class that ended so, in the order of the results.
fn problem(problems: &[ClassProblem], results: &[ClassResult]) -> Option<String> {
    let of = |result| problems.iter().find(|problem| problem.result == result);
    let first = results.iter().copied().find_map(of)?;
    Some(format!("{}: {}", first.class, first.message))
}

fn outdated(row: &FleetRow, newest_policy: u64) -> Option<String> {
    let mut parts = Vec::new();
    if row.client.policy_version < newest_policy {
        parts.push(match row.client.policy_version {
            0 => format!("it has no policy, and version {newest_policy} is the newest"),
            has => format!("it has policy version {has}, and {newest_policy} is the newest"),
        });
    }
    parts.extend(row.problems.iter().map(|problem| format!("{}: {}", problem.class, problem.message)));
    let behind: Vec<&ReleaseFact> = row.releases.iter().filter(|fact| is_behind(fact)).collect();
    for fact in behind.iter().take(NAMES_IN_SENTENCE) {
        let wanted = fact.wanted.as_ref().map_or("", |(_, version)| version.as_str());
        parts.push(match &fact.has {
            Some((_, has)) => format!("{} is at {has}, and {wanted} is current", fact.name),
            None => format!("{} {wanted} is missing", fact.name),
        });
    }
    match behind.len().saturating_sub(NAMES_IN_SENTENCE) {
        0 => {}
        1 => parts.push("1 more name is outdated".to_owned()),
        more => parts.push(format!("{more} more names are outdated")),
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn is_behind(fact: &ReleaseFact) -> bool {
    let has = fact.has.as_ref().map_or(0, |(sequence, _)| *sequence);
    fact.wanted.as_ref().is_some_and(|(wanted, _)| *wanted != has)
}

fn release_view(fact: ReleaseFact) -> ClientRelease {
    let state = match fact.result {
        ClassResult::Failed => ClientState::Failed,
        ClassResult::Reverted => ClientState::Reverted,
        _ if is_behind(&fact) => ClientState::Outdated,
        _ => ClientState::Current,
    };
    ClientRelease {
        class: fact.class,
        name: fact.name,
        version: fact.has.map(|(_, version)| version),
        wanted: fact.wanted.map(|(_, version)| version),
        state,
        since: fact.since,
        reason: (!fact.reason.is_empty()).then_some(fact.reason),
    }
}

fn counts_view(counts: &Counts, silent_seconds: u32) -> ClientCounts {
    let of = |state| counts.by_state.get(&state).copied().unwrap_or_default();
    ClientCounts {
        clients: counts.by_state.values().sum(),
        current: of(ClientState::Current),
        outdated: of(ClientState::Outdated),
        failed: of(ClientState::Failed),
        reverted: of(ClientState::Reverted),
        silent: of(ClientState::Silent),
        unknown: of(ClientState::Unknown),
        policy_behind: counts.policy_behind,
        silent_seconds,
    }
}

fn day_view(day: crate::db::report_days::ClientDay) -> ClientDayView {
    let used = day.use_of_source;
    ClientDayView { day: day.day, class: used.class, source: used.source, runs: used.runs, bytes: used.bytes }
}

fn identity_view(identity: identities::IdentityRow, gaps: Vec<identities::Gap>) -> IdentityView {
    IdentityView {
        key: identity.key,
        enrolled: identity.enrolled,
        certificate_end: identity.certificate_end,
        reports_made: identity.reports_made,
        reports_taken: identity.taken.report,
        report_gaps: gaps.into_iter().map(|(first, last)| ReportGap { first, last }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_or_all_that_is_wrong_with_it_is_named() {
        let query = |state: &str, silent: u32, release: &str| ClientsQuery {
            state: (!state.is_empty()).then(|| state.to_owned()),
            silent_seconds: Some(silent),
            release: (!release.is_empty()).then(|| release.to_owned()),
            ..ClientsQuery::default()
        };
        let (min, max) = (limits::SILENT_SECONDS_MIN, limits::SILENT_SECONDS_MAX);
        for silent in [min, max] {
            let wanted = read(&query("failed, silent", silent, "rules=1=2")).unwrap();
            assert_eq!(wanted.states, BTreeSet::from([ClientState::Failed, ClientState::Silent]));
            assert_eq!(wanted.release, Some(("rules".to_owned(), "1=2".to_owned())));
        }
        let check = |wrong: ClientsQuery, expected: &str| {
            let error = read(&wrong).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(query("bad", min, ""), "`bad` is none of current");
        check(query("", min - 1, ""), "silent_seconds: 59 is outside 60");
        check(query("", max + 1, ""), "silent_seconds");
        check(query("", min, "rules"), "`rules` is not NAME=VERSION");
        let many = ClientsQuery { limit: Some(limits::PAGE_ITEMS_MAX), ..ClientsQuery::default() };
        assert_eq!(read(&many).unwrap().limit, limits::PAGE_ITEMS_MAX);
        let whole = ClientsQuery { releases: true, ..many };
        assert_eq!(read(&whole).unwrap().limit, limits::CLIENTS_WITH_RELEASES_MAX);
    }
}
