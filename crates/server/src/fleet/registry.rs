//! What use cases ask of the registry before they change it.

use crate::db::Connection;
use crate::db::clients::ClientRow;
use crate::error::{Refusal, Result};
use crate::limits;

/// A client of the registry, as `db` has it.
pub(super) async fn known_client(db: &mut Connection, id: &str) -> Result<ClientRow> {
    Ok(db.client(id).await?.ok_or_else(|| Refusal::no_client(id))?)
}

/// Refuses one more client if there are as many as there may be.
pub(super) async fn refuse_more_clients(db: &mut Connection) -> Result<()> {
    if db.clients_count().await? < limits::CLIENTS_MAX {
        return Ok(());
    }
    Err(Refusal::TooLarge {
        what: "the number of clients".to_owned(),
        limit: limits::CLIENTS_MAX,
        unit: "clients",
        hint: "remove clients that are gone",
    }
    .into())
}
