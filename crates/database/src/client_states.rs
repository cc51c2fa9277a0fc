//! How each client stands: by its newest run, and by what it should have.
//!
//! The state is a column, so that a page or a count is a look-up. One statement sets it, for few clients or for all: what
//! changes a fact notes in the transaction whose state may differ, and the commit sets it. Only rows whose state differs
//! are written.

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
    all: bool,
    noted: Option<Timestamp>,
}

impl Stale {
    /// That of one client, by what happened at `now`.
    pub fn note_client(&mut self, client: &str, now: Option<Timestamp>) {
        self.clients.insert(client.to_owned());
        self.noted = now.or(self.noted);
    }

    /// That of every client that is neither failed nor reverted: what they should have is another.
    pub fn note_all(&mut self, now: Option<Timestamp>) {
        self.all = true;
        self.noted = now.or(self.noted);
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

/// All but those whose newest run failed: nothing that is published changes the state of these.
pub(crate) const UNFAILED: &str = "c.state IN ('current', 'outdated')";

/// Sets the states that may differ. `now` is when it happened; `None` if nobody says.
pub(crate) async fn refresh(
    connection: &mut AnyConnection,
    dialect: Dialect,
    stale: Stale,
    now: Option<Timestamp>,
) -> Result<()> {
    let Stale { clients, all, noted } = stale;
    let now = now.or(noted).unwrap_or(Timestamp::UNIX_EPOCH).as_second();
    if all {
        let statement = sqlx::AssertSqlSafe(statement(UNFAILED));
        sqlx::query(statement).bind(now).execute(&mut *connection).await?;
    }
    if !clients.is_empty() {
        let listed = format!("c.id IN ({})", dialect.texts(2));
        let statement = sqlx::AssertSqlSafe(statement(&listed));
        sqlx::query(statement).bind(now).bind(to_json(&clients)).execute(&mut *connection).await?;
    }
    Ok(())
}
