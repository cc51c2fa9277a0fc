//! The fleet as administrators look at it: pages of clients with how each stands and why, and how many stand how.
//!
//! A page is in order of id, whatever it is filtered by. Silence is a matter of time: a client that has not been in contact since
//! a moment counts as silent however its newest run ended.

use std::collections::{BTreeMap, BTreeSet};

use headwater_api::report::ClassResult;
use headwater_api::v1::ClientState;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use crate::client_releases::{self, ReleaseFact};
use crate::clients::{self, ClientRow};
use crate::error::Result;
use crate::report_rows::{parse, word};
use crate::{Connection, Db, SqlRow, count, number, time, to_json};

/// Which clients. Each part that is there narrows them down.
#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    /// Those with these ids.
    pub ids: Option<&'a [String]>,
    /// Those of these domains.
    pub domains: Option<&'a [String]>,
    /// Those with a release of a component or program: its name and version.
    pub release: Option<(&'a str, &'a str)>,
    /// Those in one of these states; empty: in any.
    pub states: BTreeSet<ClientState>,
    /// Those with an older policy than this version.
    pub policy_before: Option<u64>,
}

/// One client, and how it stands.
#[derive(Debug, Clone)]
pub struct FleetRow {
    /// What it stated of itself.
    pub client: ClientRow,
    /// How it stands.
    pub state: ClientState,
    /// Since when.
    pub since: Timestamp,
    /// It has a key.
    pub has_key: bool,
    /// The classes whose newest run did not end well.
    pub problems: Vec<ClassProblem>,
    /// What it has that it should have otherwise; all that it has if that was asked for.
    pub releases: Vec<ReleaseFact>,
}

/// A class whose newest run did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassProblem {
    /// The class.
    pub class: String,
    /// How it ended.
    pub result: ClassResult,
    /// A sentence for people.
    pub message: String,
    /// Since when its runs have ended so.
    pub since: Timestamp,
}

/// How many clients stand how; those with an older policy are counted beside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Clients by state.
    pub by_state: BTreeMap<ClientState, u64>,
    /// Clients that are not silent and have an older policy than the newest.
    pub policy_behind: u64,
}

/// A value of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Number(i64),
    Text(String),
}

/// A statement with its values, in the order of their numbers.
#[derive(Debug, Clone)]
pub(crate) struct SqlStatement {
    pub text: String,
    pub values: Vec<Value>,
}

impl SqlStatement {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), values: Vec::new() }
    }

    /// Adds a value; returns its number.
    fn value(&mut self, value: Value) -> usize {
        self.values.push(value);
        self.values.len()
    }

    fn query(&self) -> Query<'_, sqlx::Any, AnyArguments> {
        let query = sqlx::query(sqlx::AssertSqlSafe(self.text.clone()));
        self.values.iter().fold(query, |query, value| match value {
            Value::Number(number) => query.bind(*number),
            Value::Text(text) => query.bind(text.clone()),
        })
    }
}

/// Every state that is stored.
const STORED: [ClientState; 5] = [
    ClientState::Current,
    ClientState::Outdated,
    ClientState::Failed,
    ClientState::Reverted,
    ClientState::Unknown,
];

/// A page: clients after an id, in order of id.
pub(crate) fn page(
    db: &Connection,
    filter: &Filter<'_>,
    silent_before: Timestamp,
    after: &str,
    limit: u32,
) -> SqlStatement {
    let mut page = SqlStatement::new("SELECT ");
    page.text.push_str(clients::COLUMNS);
    page.text.push_str(
        ", state, state_since, EXISTS (SELECT 1 FROM identities WHERE client = clients.id) AS has_key FROM clients",
    );
    let after = page.value(Value::Text(after.to_owned()));
    page.text.push_str(&format!(" WHERE id > ${after}"));
    narrow(db, &mut page, filter);
    in_states(&mut page, &filter.states, silent_before);
    let limit = page.value(Value::Number(limit.into()));
    page.text.push_str(&format!(" ORDER BY id LIMIT ${limit}"));
    page
}

/// How many clients of a filter are in which stored state: all of them, or those of them that are silent. The silent
/// ones are few, so that the others are counted by subtracting them: each count reads one index.
pub(crate) fn counts(db: &Connection, filter: &Filter<'_>, silent_before: Option<Timestamp>) -> SqlStatement {
    // Text is appended where another index than that by state finds the clients: it would be read whole for its order.
    let by_another = silent_before.is_some() || filter.domains.is_some();
    let state = if by_another { "state || ''" } else { "state" };
    let mut counts =
        SqlStatement::new(&format!("SELECT {state} AS state, count(*) AS clients FROM clients WHERE "));
    match silent_before {
        Some(before) => silent(&mut counts, before),
        None if filter.domains.is_some() => counts.text.push_str("1 = 1"),
        None => {
            let states: Vec<String> = STORED.iter().map(|state| format!("'{}'", word(state))).collect();
            counts.text.push_str(&format!("state IN ({})", states.join(", ")));
        }
    }
    narrow(db, &mut counts, filter);
    counts.text.push_str(&format!(" GROUP BY {state}"));
    counts
}

/// How many clients of a filter have an older policy than `newest`: all of them, or those of them that are silent.
pub(crate) fn policy_behind(
    db: &Connection,
    filter: &Filter<'_>,
    silent_before: Option<Timestamp>,
    newest: u64,
) -> SqlStatement {
    let mut counts = SqlStatement::new("SELECT count(*) AS clients FROM clients WHERE ");
    let newest = counts.value(Value::Number(number(newest)));
    counts.text.push_str(&format!("policy_version < ${newest}"));
    if let Some(before) = silent_before {
        counts.text.push_str(" AND ");
        silent(&mut counts, before);
    }
    narrow(db, &mut counts, filter);
    counts
}

fn silent(statement: &mut SqlStatement, before: Timestamp) {
    let before = statement.value(Value::Number(before.as_second()));
    statement.text.push_str(&format!("last_seen < ${before}"));
}

/// The conditions of a filter but that of the states.
fn narrow(db: &Connection, statement: &mut SqlStatement, filter: &Filter<'_>) {
    if let Some(ids) = filter.ids {
        let list = statement.value(Value::Text(to_json(&ids)));
        statement.text.push_str(&format!(" AND id IN ({})", db.dialect().texts(list)));
    }
    if let Some(domains) = filter.domains {
        let list = statement.value(Value::Text(to_json(&domains)));
        statement.text.push_str(&format!(" AND domain IN ({})", db.dialect().texts(list)));
    }
    if let Some((name, version)) = filter.release {
        let name = statement.value(Value::Text(name.to_owned()));
        let version = statement.value(Value::Text(version.to_owned()));
        statement.text.push_str(&format!(
            " AND id IN (SELECT client FROM client_releases WHERE class IN ('components', 'programs') \
             AND name = ${name} AND version = ${version})"
        ));
    }
    if let Some(before) = filter.policy_before {
        let before = statement.value(Value::Number(number(before)));
        statement.text.push_str(&format!(" AND policy_version < ${before}"));
    }
}

/// The condition of the states: any of them, where none is named.
fn in_states(statement: &mut SqlStatement, states: &BTreeSet<ClientState>, silent_before: Timestamp) {
    let stored: Vec<ClientState> =
        states.iter().copied().filter(|state| *state != ClientState::Silent).collect();
    let with_silent = stored.len() < states.len();
    if states.is_empty() {
        return;
    }
    statement.text.push_str(" AND (");
    if !stored.is_empty() {
        statement.text.push('(');
        in_contact(statement, &stored, silent_before);
        statement.text.push(')');
    }
    if with_silent {
        statement.text.push_str(if stored.is_empty() { "(" } else { " OR (" });
        silent(statement, silent_before);
        statement.text.push(')');
    }
    statement.text.push(')');
}

/// In one of these stored states, and not silent.
fn in_contact(statement: &mut SqlStatement, states: &[ClientState], silent_before: Timestamp) {
    let words: Vec<String> = states.iter().map(|state| format!("'{}'", word(state))).collect();
    let before = statement.value(Value::Number(silent_before.as_second()));
    let states = match words.as_slice() {
        // By the index that has the clients of one state in order of id.
        [one] => format!("state = {one}"),
        several => format!("state IN ({})", several.join(", ")),
    };
    statement.text.push_str(&format!("{states} AND last_seen >= ${before}"));
}

impl Db {
    /// Clients after an id, in order of id, with how each stands; everything that each has if `all_releases`.
    pub async fn fleet_page(
        &self,
        filter: &Filter<'_>,
        silent_before: Timestamp,
        after: &str,
        limit: u32,
        all_releases: bool,
    ) -> Result<Vec<FleetRow>> {
        let mut db = self.connection().await?;
        let page = page(&db, filter, silent_before, after, limit);
        let rows = page.query().fetch_all(db.sql()).await?;
        let mut fleet = rows.iter().map(|row| fleet_row(row, silent_before)).collect::<Result<Vec<_>>>()?;
        add_facts(&mut db, &mut fleet, all_releases).await?;
        Ok(fleet)
    }

    /// How many clients of a filter stand how, whatever states the filter names.
    pub async fn fleet_counts(
        &self,
        filter: &Filter<'_>,
        silent_before: Timestamp,
        newest_policy: u64,
    ) -> Result<Counts> {
        let mut db = self.connection().await?;
        let silent = Some(silent_before);
        let (all, silent_ones) = (counts(&db, filter, None), counts(&db, filter, silent));
        let mut by_state = count_by_state(&mut db, &all).await?;
        let all_silent = count_by_state(&mut db, &silent_ones).await?;
        for (state, silent) in &all_silent {
            let others = by_state.entry(*state).or_default();
            *others = others.saturating_sub(*silent);
        }
        by_state.insert(ClientState::Silent, all_silent.values().sum());
        by_state.retain(|_, clients| *clients > 0);
        let mut behind = [0; 2];
        for (count_of, silent) in behind.iter_mut().zip([None, silent]) {
            let statement = policy_behind(&db, filter, silent, newest_policy);
            *count_of = count(statement.query().fetch_one(db.sql()).await?.get("clients"));
        }
        Ok(Counts { by_state, policy_behind: behind[0].saturating_sub(behind[1]) })
    }
}

async fn count_by_state(db: &mut Connection, statement: &SqlStatement) -> Result<BTreeMap<ClientState, u64>> {
    let mut by_state = BTreeMap::new();
    for row in statement.query().fetch_all(db.sql()).await? {
        by_state.insert(parse("state of a client", row.get("state"))?, count(row.get("clients")));
    }
    Ok(by_state)
}

fn fleet_row(row: &SqlRow, silent_before: Timestamp) -> Result<FleetRow> {
    let client = clients::client(row)?;
    let is_silent = client.last_seen < silent_before;
    let (state, since) = match is_silent {
        true => (ClientState::Silent, client.last_seen),
        false => (parse("state of a client", row.get("state"))?, time(row.get("state_since"))),
    };
    // One that has not reported stands so since it is known.
    let since = if state == ClientState::Unknown { client.first_seen } else { since };
    let has_key =
        row.try_get::<bool, _>("has_key").or_else(|_| row.try_get::<i64, _>("has_key").map(|it| it != 0))?;
    Ok(FleetRow { client, state, since, has_key, problems: Vec::new(), releases: Vec::new() })
}

/// The classes of these clients whose newest run did not end well.
pub(crate) fn problems_of(db: &Connection) -> String {
    format!(
        "SELECT client, class, result, message, since FROM client_classes WHERE client IN ({}) \
         AND result NOT IN ('updated', 'current') ORDER BY client, class",
        db.dialect().texts(1)
    )
}

async fn add_facts(db: &mut Connection, fleet: &mut [FleetRow], all_releases: bool) -> Result<()> {
    let ids: Vec<String> = fleet.iter().map(|row| row.client.id.clone()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let statement = sqlx::AssertSqlSafe(problems_of(db));
    let problems = sqlx::query(statement).bind(to_json(&ids)).fetch_all(db.sql()).await?;
    let releases = client_releases::facts(db, &ids, all_releases).await?;
    let of = |id: &str| fleet.binary_search_by(|row| row.client.id.as_str().cmp(id)).ok();
    let problems: Vec<(Option<usize>, ClassProblem)> = problems
        .iter()
        .map(|row| {
            let problem = ClassProblem {
                class: row.get("class"),
                result: parse("result of a class", row.get("result"))?,
                message: row.get("message"),
                since: time(row.get("since")),
            };
            Ok((of(row.get("client")), problem))
        })
        .collect::<Result<_>>()?;
    let releases: Vec<(Option<usize>, ReleaseFact)> =
        releases.into_iter().map(|fact| (of(&fact.client), fact)).collect();
    for (index, problem) in problems {
        fleet[index.expect("only clients of the page were asked for")].problems.push(problem);
    }
    for (index, fact) in releases {
        fleet[index.expect("only clients of the page were asked for")].releases.push(fact);
    }
    Ok(())
}
