//! The client registry: check-ins, reports (P12), looking, moving, removing.
//!
//! What a client states of itself is stored as it is, within limits: it decides nothing but what is shown and previewed.

use headwater_api::checkin::{CheckIn, CheckInAnswer};
use headwater_api::report::Report;
use headwater_api::v1::{ClientView, IdentityView, ReportGap, StoredReport};
use headwater_policy::{ADDRESSES_MAX, Class, ClientId, Problem, parse_address};
use jiff::Timestamp;
use serde_json::{Map, json};

use super::registry::{known_client, refuse_more_clients};
use super::service::Fleet;
use crate::caller::Caller;
use crate::db::clients::{self as rows, ClientRow};
use crate::db::{Tx, identities, report_room, reports};
use crate::error::{Refusal, Result};
use crate::limits;
use crate::request::{page, parse_each, refuse};

impl Fleet {
    /// What a check-in is answered.
    pub(crate) fn check_in_answer(&self, domain: String, now: Timestamp) -> CheckInAnswer {
        let announced =
            Class::ALL.into_iter().map(|class| (class.to_string(), self.publishing.announced(class)));
        let roots = self.publishing.root_versions();
        CheckInAnswer {
            domain,
            announced: announced.collect(),
            roots,
            server_time: now,
            domain_keys: Vec::new(),
        }
    }

    /// One client with its latest report.
    ///
    /// # Errors
    /// A refusal when it is not known.
    pub async fn client_view(&self, id: &str) -> Result<ClientView> {
        let row = known_client(&mut self.db.connection().await?, id).await?;
        let report = self.db.reports(Some(id), u64::MAX, 1).await?.pop();
        let mut view = self.view(row).await?;
        view.last_report = report.map(|stored| stored.report);
        let mut db = self.db.connection().await?;
        if let Some(identity) = identities::of_client(&mut db, id).await? {
            let gaps = identities::gaps(&mut db, id).await?;
            view.identity = Some(identity_view(identity, gaps));
        }
        view.no_key = view.identity.is_none();
        Ok(view)
    }

    /// Clients after an id, in order of id, of one domain or of all; and where the next page begins.
    ///
    /// # Errors
    /// A refusal when the domain does not exist.
    pub async fn client_views(
        &self,
        domain: Option<&str>,
        after: Option<&str>,
        limit: Option<u32>,
    ) -> Result<(Vec<ClientView>, Option<String>)> {
        if let Some(domain) = domain {
            self.source_list.known_domain(&mut self.db.connection().await?, domain).await?;
        }
        let limit = page(limit)?;
        let rows = self.db.clients(domain, after.unwrap_or_default(), limit).await?;
        let next = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.id.clone())).flatten();
        let policy = self.db.policy_now().await?;
        let keyless = self.db.clients_without_key().await?;
        let view = |row: ClientRow| {
            let no_key = keyless.contains(&row.id);
            ClientView { no_key, ..client_view(row, &policy.document.update_agents) }
        };
        Ok((rows.into_iter().map(view).collect(), next))
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
        let (mut moved, mut left) = (Vec::new(), Vec::new());
        let mut before = Map::new();
        for id in ids {
            let row = known_client(&mut tx, id).await?;
            if row.domain != domain.as_str() && !left.contains(&row.domain) {
                left.push(row.domain.clone());
            }
            before.insert(row.id.clone(), row.domain.clone().into());
            moved.push(ClientRow { domain: domain.to_string(), ..row });
        }
        for row in &moved {
            rows::set_domain(&mut tx, &row.id, domain.as_str()).await?;
        }
        let staged = self.source_list.stage_fleet(&mut tx, &left, caller.now).await?;
        let audit_entry = caller.audit_entry("client.move", format!("{} clients", ids.len()));
        let audit_entry = audit_entry.before(before.into()).after(json!({"domain": domain.as_str()}));
        self.publishing.commit(tx, staged.into_iter().collect(), audit_entry).await?;
        let policy = self.db.policy_now().await?;
        Ok(moved.into_iter().map(|row| client_view(row, &policy.document.update_agents)).collect())
    }

    /// Removes a client and its reports, and revokes its key. An update agent keeps its role until that is taken from it.
    ///
    /// # Errors
    /// Refusals when it is not known, or is an update agent.
    pub async fn remove_client(&self, id: &str, caller: &Caller) -> Result<()> {
        let _change = self.publishing.change().await;
        let mut tx = self.db.begin().await?;
        let row = known_client(&mut tx, id).await?;
        let policy = tx.policy_now().await?;
        if policy.document.update_agents.iter().any(|agent| agent.id == row.id) {
            return Err(Refusal::Exists {
                what: "update agent",
                name: row.id,
                hint: "take the update agent role from the client before it is removed",
            }
            .into());
        }
        let staged = match identities::of_client(&mut tx, id).await? {
            Some(identity) => {
                super::revocation::revoke(&mut tx, &identity, caller.now).await?;
                self.source_list.stage_fleet(&mut tx, std::slice::from_ref(&row.domain), caller.now).await?
            }
            None => None,
        };
        rows::delete(&mut tx, id).await?;
        let before = json!({"domain": row.domain, "addresses": row.addresses, "first_seen": row.first_seen});
        self.publishing
            .commit(tx, staged.into_iter().collect(), caller.audit_entry("client.remove", id).before(before))
            .await
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

    async fn view(&self, row: ClientRow) -> Result<ClientView> {
        let policy = self.db.policy_now().await?;
        Ok(client_view(row, &policy.document.update_agents))
    }

    /// Stores what a client states of itself; returns the domain that it is filed under.
    pub(crate) async fn note_client(
        &self,
        tx: &mut Tx,
        mut row: ClientRow,
        report: Option<&Report>,
        now: Timestamp,
    ) -> Result<String> {
        // Nothing here is signed, so the turn of those who sign is not waited for: the database is enough.
        match tx.client(&row.id).await? {
            Some(known) => {
                row.domain = known.domain;
                if report.is_some() {
                    // A report names the classes that it tried; the others stay as they were.
                    let reported = std::mem::replace(&mut row.versions, known.versions);
                    row.versions.extend(reported);
                }
            }
            None => {
                refuse_more_clients(tx).await?;
                row.domain = self.source_list.nearest_domain(tx, &row.domain).await?;
            }
        }
        rows::put(tx, &row).await?;
        if let Some(report) = report {
            reports::insert(tx, report, now).await?;
            report_room::delete_over(tx, self.settings.reports_bytes_max).await?;
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
    if let Some(class) = row.versions.keys().find(|class| class.parse::<Class>().is_err()) {
        problems.push(Problem::general(format!("versions: `{}` is no class", class.escape_debug())));
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
            .filter(|attempt| attempt.class.parse::<Class>().is_ok())
            .map(|attempt| (attempt.class.clone(), attempt.to_version.max(attempt.from_version)))
            .collect(),
        first_seen: now,
        last_seen: now,
    };
    refuse(problems)?;
    Ok(row)
}

fn client_view(row: ClientRow, agents: &[headwater_api::policy::UpdateAgentDocument]) -> ClientView {
    ClientView {
        update_agent: agents.iter().any(|agent| agent.id == row.id),
        id: row.id,
        domain: row.domain,
        addresses: row.addresses,
        program: row.program,
        policy_version: row.policy_version,
        versions: row.versions,
        first_seen: row.first_seen,
        last_seen: row.last_seen,
        identity: None,
        no_key: false,
        last_report: None,
    }
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

pub(crate) fn client_id(text: &str, problems: &mut Vec<Problem>) -> String {
    if let Err(error) = text.parse::<ClientId>() {
        problems.push(Problem::general(format!("client: {error}")));
    }
    text.to_owned()
}

pub(crate) fn addresses(texts: &[String], problems: &mut Vec<Problem>) -> Vec<String> {
    if texts.len() > ADDRESSES_MAX {
        problems.push(Problem::general(format!(
            "addresses: there are {}, at most {ADDRESSES_MAX} are taken",
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
            "{name}: it has {} bytes, at most {} are taken",
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
            "attempts: there are {}, at most {max} are taken",
            report.attempts.len()
        )));
    }
    let installed: usize = report.installed.values().map(std::collections::BTreeMap::len).sum();
    if installed > limits::REPORT_INSTALLED_MAX {
        let max = limits::REPORT_INSTALLED_MAX;
        problems.push(Problem::general(format!("installed: there are {installed}, at most {max} are taken")));
    }
    let class = |text: &str| text.parse::<Class>().is_err().then(|| text.escape_debug().to_string());
    let classes =
        report.classes.iter().map(|outcome| &outcome.class).chain(report.attempts.iter().map(|a| &a.class));
    if let Some(wrong) = classes.filter_map(|text| class(text)).next() {
        problems.push(Problem::general(format!("`{wrong}` is no class")));
    }
    problems
}
