//! How each client stands: by its newest run, and by what it should have.
//!
//! The state is a column, so that a page or a count is a look-up. What changes a fact notes in the transaction whose state
//! may differ, and the commit sets it: for single clients by all that is known of them, for a whole fleet by what changed
//! alone, so that the writer is not held for long. Only rows whose state differs are written.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sqlx::AnyConnection;

use crate::dialect::Dialect;
use crate::error::Result;
use crate::to_json;

/// Whose state may differ from what is stored.
#[derive(Debug, Default)]
pub(crate) struct Stale {
    clients: BTreeSet<String>,
    wanted: BTreeSet<Wanted>,
    noted: Option<Timestamp>,
}

impl Stale {
    /// That of one client, by what happened at `now`.
    pub fn note_client(&mut self, client: &str, now: Option<Timestamp>) {
        self.clients.insert(client.to_owned());
        self.noted = now.or(self.noted);
    }

    /// That of every client that is neither failed nor reverted: what they should have is another.
    pub fn note_wanted(&mut self, what: Wanted, now: Option<Timestamp>) {
        self.wanted.insert(what);
        self.noted = now.or(self.noted);
    }
}

/// What many clients should have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wanted {
    /// The current release of a component or program, if there is one.
    Release {
        /// The class.
        class: String,
        /// The name.
        name: String,
    },
    /// The newest policy.
    Policy,
    /// The settings of a domain.
    Settings {
        /// Its path.
        domain: String,
    },
}

impl Wanted {
    /// The statements that set the state of the clients for which this alone changed, and their values after `$1`, which
    /// is now: a current client that does not have it is outdated, and an outdated one that has it may be current.
    pub fn statements(&self) -> ([String; 2], Vec<&str>) {
        let (among, missing, values) = match self {
            Self::Release { class, name } => {
                let missing = "EXISTS (SELECT 1 FROM client_releases AS has JOIN wanted_releases AS wanted \
                    ON wanted.class = has.class AND wanted.name = has.name WHERE has.client = c.id \
                    AND has.class = $2 AND has.name = $3 AND has.sequence <> wanted.sequence)";
                ("", missing, vec![class.as_str(), name])
            }
            Self::Policy => {
                ("", "(c.policy_version < (SELECT coalesce(max(version), 0) FROM policies))", Vec::new())
            }
            Self::Settings { domain } => {
                let missing = "EXISTS (SELECT 1 FROM client_releases AS has JOIN domains ON domains.path = c.domain \
                    WHERE has.client = c.id AND has.class = 'settings' AND has.sequence <> domains.version)";
                ("AND c.domain = $2", missing, vec![domain.as_str()])
            }
        };
        let outdated = format!(
            "UPDATE clients AS c SET state = 'outdated', state_since = $1 \
             WHERE c.state = 'current' {among} AND {missing}"
        );
        let current = format!(
            "UPDATE clients AS c SET state = 'current', state_since = $1 \
             WHERE c.state = 'outdated' {among} AND NOT {missing} AND {STATE} = 'current'"
        );
        ([outdated, current], values)
    }
}

/// The state of the client `c`. A run that failed outweighs what it left outdated.
const STATE: &str = "CASE \
    WHEN NOT EXISTS (SELECT 1 FROM client_runs WHERE client = c.id) THEN 'unknown' \
    WHEN EXISTS (SELECT 1 FROM client_classes WHERE client = c.id AND result = 'failed') THEN 'failed' \
    WHEN EXISTS (SELECT 1 FROM client_classes WHERE client = c.id AND result = 'reverted') THEN 'reverted' \
    WHEN c.policy_version < (SELECT coalesce(max(version), 0) FROM policies) THEN 'outdated' \
    WHEN EXISTS (SELECT 1 FROM client_classes WHERE client = c.id AND result NOT IN ('updated', 'current')) \
        THEN 'outdated' \
    WHEN EXISTS (SELECT 1 FROM client_releases AS has JOIN wanted_releases AS wanted \
        ON wanted.class = has.class AND wanted.name = has.name \
        WHERE has.client = c.id AND has.sequence <> wanted.sequence) THEN 'outdated' \
    WHEN EXISTS (SELECT 1 FROM client_releases AS has JOIN domains ON domains.path = c.domain \
        WHERE has.client = c.id AND has.class = 'settings' AND has.sequence <> domains.version) THEN 'outdated' \
    ELSE 'current' END";

/// The statement that sets the state of the clients `c` for which a condition holds: `$1` now.
pub(crate) fn statement(condition: &str) -> String {
    format!(
        "UPDATE clients SET state = judged.state, state_since = $1 \
         FROM (SELECT c.id, {STATE} AS state FROM clients AS c WHERE {condition}) AS judged \
         WHERE judged.id = clients.id AND judged.state <> clients.state"
    )
}

/// Sets the states that may differ. `now` is when it happened; `None` if nobody says.
pub(crate) async fn refresh(
    connection: &mut AnyConnection,
    dialect: Dialect,
    stale: Stale,
    now: Option<Timestamp>,
) -> Result<()> {
    let Stale { clients, wanted, noted } = stale;
    let now = now.or(noted).unwrap_or(Timestamp::UNIX_EPOCH).as_second();
    for what in wanted {
        let (statements, values) = what.statements();
        for statement in statements {
            let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(now);
            let query = values.iter().fold(query, |query, value| query.bind(*value));
            query.execute(&mut *connection).await?;
        }
    }
    if !clients.is_empty() {
        let listed = format!("c.id IN ({})", dialect.texts(2));
        let statement = sqlx::AssertSqlSafe(statement(&listed));
        sqlx::query(statement).bind(now).bind(to_json(&clients)).execute(&mut *connection).await?;
    }
    Ok(())
}
