//! The client registry: check-ins, reports (P12), moving, removing. Looking at clients: `fleet_view`.
//!
//! What a client states of itself is stored as it is, within limits: it decides nothing but what is shown and previewed.

use std::collections::BTreeMap;

use headwater_api::checkin::{CheckIn, CheckInAnswer};
use headwater_api::report::Report;
use headwater_api::v1::{ClientView, RemovedClientAnswer, ServerProblem, StoredReport};
use headwater_policy::{ADDRESSES_MAX, ClientId, Problem, Repository, parse_address};
use jiff::Timestamp;
use serde_json::{Map, json};

use super::kept_reports::is_kept;
use super::registry::{known_client, refuse_more_clients};
use super::service::FleetService;
use crate::caller::Caller;
use crate::db::clients::{self as rows, ClientRow};
use crate::db::reports::{self, Storing};
use crate::db::{Tx, identities, report_room};
use crate::error::{Refusal, Result};
use crate::limits;
use crate::request::{page, parse_each, refuse};

/// A report that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reported<'a> {
    /// As the client sent it.
    pub report: &'a Report,
    /// None that the client made later has come.
    pub newest: bool,
}

impl FleetService {
    /// What a check-in is answered.
    pub(crate) fn check_in_answer(&self, domain: String, now: Timestamp) -> CheckInAnswer {
        let announced =
            Repository::ALL.map(|repository| (repository.to_string(), self.publishing.announced(repository)));
        let roots = self.publishing.root_versions();
        CheckInAnswer {
            domain,
            announced: announced.into(),
            roots,
            server_time: now,
            domain_keys: Vec::new(),
        }
    }

    /// Notes the versions that a client states.
    pub(super) fn note_versions(&self, client: &str, stated: &BTreeMap<String, u64>, now: Timestamp) {
        let signed = |repository| self.publishing.targets_version(repository);
        let mut ahead = self.ahead.lock().expect("nobody panics while holding this lock");
        if ahead.note(client, stated, signed, now) {
            tracing::warn!(
                client,
                ?stated,
                "the client states versions that this server never signed; see the status"
            );
        }
    }

    /// What is to be known of clients that state versions which were never signed here.
    pub(crate) fn clients_ahead(&self) -> Option<ServerProblem> {
        self.ahead.lock().expect("nobody panics while holding this lock").problem()
    }

    /// Files clients under another domain: all or none.
    ///
    /// # Errors
    /// Refusals for an unknown domain or client.
    pub async fn move_clients(
        &self,
        ids: &[String],
        domain: &str,
        caller: &Caller,
    ) -> Result<Vec<ClientView>> {
        if ids.len() > limits::MOVE_CLIENTS_MAX {
            return Err(Refusal::TooLarge {
                what: "the number of clients to move".to_owned(),
                limit: limits::MOVE_CLIENTS_MAX as u64,
                unit: "clients",
                hint: "move them in several requests",
            }
            .into());
        }
        let _change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let domain = self.source_list.known_domain(&mut tx, domain).await?;
        let mut left = Vec::new();
        let mut before = Map::new();
        for id in ids {
            let row = known_client(&mut tx, id).await?;
            if row.domain != domain.as_str() && !left.contains(&row.domain) {
                left.push(row.domain.clone());
            }
            rows::set_domain(&mut tx, &row.id, domain.as_str()).await?;
            before.insert(row.id, row.domain.into());
        }
        let staged = self.source_list.stage_fleet(&mut tx, &left, caller.now).await?;
        let audit_entry = caller.audit_entry("client.move", format!("{} clients", ids.len()));
        let audit_entry = audit_entry.before(before.into()).after(json!({"domain": domain.as_str()}));
        self.publishing.commit(tx, staged, audit_entry).await?;
        self.views_of(ids, caller.now).await
    }

    /// Removes a client and its reports, and revokes its key. An update agent keeps its role until that is taken from it.
    ///
    /// # Errors
    /// Refusals when it is not known, or is an update agent.
    pub async fn remove_client(&self, id: &str, caller: &Caller) -> Result<RemovedClientAnswer> {
        let _change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let row = known_client(&mut tx, id).await?;
        let policy = tx.policy_now().await?;
        if policy.document.update_agents.iter().any(|agent| agent.id == row.id) {
            return Err(Refusal::IsUpdateAgent(row.id).into());
        }
        let staged = match identities::of_client(&mut tx, id).await? {
            Some(identity) => {
                super::revocation::revoke(&mut tx, &identity, caller.now).await?;
                self.source_list.stage_fleet(&mut tx, std::slice::from_ref(&row.domain), caller.now).await?
            }
            None => Vec::new(),
        };
        let readable = self.still_readable(&mut tx, &row).await?;
        rows::delete(&mut tx, id).await?;
        let before = json!({"domain": row.domain, "addresses": row.addresses, "first_seen": row.first_seen});
        self.publishing.commit(tx, staged, caller.audit_entry("client.remove", id).before(before)).await?;
        Ok(RemovedClientAnswer { client: row.id, readable })
    }

    /// Reports, newest first; and where the next page begins.
    ///
    /// # Errors
    /// A refusal when the client is unknown.
    pub async fn reports(
        &self,
        client: Option<&str>,
        before: Option<u64>,
        limit: Option<u32>,
    ) -> Result<(Vec<StoredReport>, Option<u64>)> {
        let limit = page(limit)?;
        if let Some(id) = client {
            known_client(&mut self.db.connection().await?, id).await?;
        }
        let reports = self.db.reports(client, before.unwrap_or(u64::MAX), limit).await?;
        let next =
            (reports.len() == limit as usize).then(|| reports.last().map(|report| report.number)).flatten();
        Ok((reports, next))
    }

    /// Stores what a client states of itself; returns the domain that it is filed under.
    pub(super) async fn note_client(
        &self,
        tx: &mut Tx,
        mut row: ClientRow,
        reported: Option<Reported<'_>>,
        now: Timestamp,
    ) -> Result<String> {
        // Nothing here is signed, so the turn of those who sign is not waited for: the database is enough.
        match tx.client(&row.id).await? {
            Some(known) => {
                match reported {
                    None => row.domain = known.domain,
                    Some(Reported { newest: false, .. }) => {
                        row = ClientRow { last_seen: row.last_seen, ..known }
                    }
                    Some(Reported { newest: true, .. }) => {
                        row.domain = known.domain;
                        // A report names the classes that it tried; the others stay as they were.
                        let tried = std::mem::replace(&mut row.versions, known.versions);
                        row.versions.extend(tried);
                    }
                }
            }
            None => {
                refuse_more_clients(tx).await?;
                row.domain = self.source_list.nearest_domain(tx, &row.domain).await?;
            }
        }
        rows::put(tx, &row).await?;
        if let Some(Reported { report, newest }) = reported {
            let storing = Storing { kept: is_kept(report), newest };
            reports::insert(tx, report, storing, now).await?;
            if self.publishing.deletes_nothing_until(now).is_none() {
                report_room::delete_over(tx, self.settings.reports_bytes_max).await?;
            }
        }
        Ok(row.domain)
    }
}

/// What a check-in states of its client.
///
/// # Errors
/// A refusal that names everything wrong with it.
pub(crate) fn row_of_check_in(check_in: CheckIn, now: Timestamp) -> Result<ClientRow> {
    let mut problems = Vec::new();
    let row = ClientRow {
        id: client_id(&check_in.client, &mut problems),
        domain: check_in.domain,
        addresses: addresses(&check_in.addresses, &mut problems),
        program: text("program", check_in.program, &mut problems),
        policy_version: check_in.policy_version,
        versions: check_in.versions,
        first_seen: now,
        last_seen: now,
    };
    if let Some(name) = row.versions.keys().find(|name| name.parse::<Repository>().is_err()) {
        problems.push(Problem::general(format!(
            "versions: `{}` is neither a class nor `policy`",
            name.escape_debug()
        )));
    }
    refuse(problems)?;
    Ok(row)
}

/// What a report states of its client.
///
/// # Errors
/// A refusal that names everything wrong with it.
pub(crate) fn row_of_report(report: &Report, now: Timestamp) -> Result<ClientRow> {
    let mut problems = check_report(report);
    let row = ClientRow {
        id: client_id(&report.client, &mut problems),
        domain: report.domain.clone(),
        addresses: addresses(&report.addresses, &mut problems),
        program: text("program", report.program.clone(), &mut problems),
        policy_version: report.policy_version,
        versions: report
            .attempts
            .iter()
            .filter(|attempt| attempt.class.parse::<Repository>().is_ok())
            .map(|attempt| (attempt.class.clone(), attempt.to_version.max(attempt.from_version)))
            .collect(),
        first_seen: now,
        last_seen: now,
    };
    refuse(problems)?;
    Ok(row)
}

pub(crate) fn client_id(text: &str, problems: &mut Vec<Problem>) -> String {
    if let Err(error) = text.parse::<ClientId>() {
        problems.push(Problem::general(format!("client: {error}")));
    }
    text.to_owned()
}

pub(crate) fn addresses(texts: &[String], problems: &mut Vec<Problem>) -> Vec<String> {
    if texts.len() > ADDRESSES_MAX {
        problems.push(Problem::general(format!(
            "addresses: there are {}, at most {ADDRESSES_MAX} are allowed",
            texts.len()
        )));
        return Vec::new();
    }
    let addresses = parse_each("addresses", texts, parse_address, problems);
    addresses.iter().map(ToString::to_string).collect()
}

pub(crate) fn text(name: &str, text: String, problems: &mut Vec<Problem>) -> String {
    if text.len() > limits::REPORT_TEXT_BYTES_MAX {
        problems.push(Problem::general(format!(
            "{name}: it has {} bytes, at most {} are allowed",
            text.len(),
            limits::REPORT_TEXT_BYTES_MAX
        )));
    }
    text
}

fn check_report(report: &Report) -> Vec<Problem> {
    let mut problems = Vec::new();
    if report.format != headwater_api::report::FORMAT {
        let known = headwater_api::report::FORMAT;
        problems.push(Problem::general(format!(
            "format: {} is unknown, this server reads {known}",
            report.format
        )));
    }
    if report.attempts.len() > limits::REPORT_ATTEMPTS_MAX {
        let max = limits::REPORT_ATTEMPTS_MAX;
        problems.push(Problem::general(format!(
            "attempts: there are {}, at most {max} are allowed",
            report.attempts.len()
        )));
    }
    let installed: usize = report.installed.values().map(std::collections::BTreeMap::len).sum();
    if installed > limits::REPORT_INSTALLED_MAX {
        let max = limits::REPORT_INSTALLED_MAX;
        problems
            .push(Problem::general(format!("installed: there are {installed}, at most {max} are allowed")));
    }
    let class = |text: &str| text.parse::<Repository>().is_err().then(|| text.escape_debug().to_string());
    let classes =
        report.classes.iter().map(|outcome| &outcome.class).chain(report.attempts.iter().map(|a| &a.class));
    if let Some(wrong) = classes.filter_map(|text| class(text)).next() {
        problems.push(Problem::general(format!("`{wrong}` is neither a class nor `policy`")));
    }
    problems
}
