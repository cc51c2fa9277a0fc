//! Everything that the server keeps in a database, and all SQL.
//!
//! Every change is one transaction of the one writer, and is committed together with its entry in the audit log
//! ([`Tx::commit`]). Each module holds the statements of one concept, one text for SQLite and PostgreSQL; what differs
//! between the two stands in `dialect`. What the rows mean is decided by the server.

pub mod administrators;
pub mod audit;
mod audit_key;
mod audit_log;
mod audit_pages;
pub mod client_releases;
mod client_states;
pub mod clients;
mod connection;
pub mod copies;
mod db;
pub mod deltas;
mod dialect;
pub mod domain_settings;
pub mod domains;
pub mod enrolment_tokens;
pub mod error;
pub mod examine;
mod fault_codes;
pub mod fleet;
pub mod fleet_view;
pub mod identities;
mod installed;
pub mod limits;
pub mod policies;
pub mod releases;
pub mod report_days;
pub mod report_room;
mod report_rows;
pub mod reports;
pub mod repositories;
mod schema;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod unknown_clients;
mod values;
pub mod vendor;

pub use audit_key::AuditKey;
pub use audit_pages::SealedHead;
pub use connection::{Connection, Tx};
pub use db::Db;
pub use error::{Error, Result};
pub use values::to_json;
pub(crate) use values::{SqlRow, count, json, number, small, time};

#[cfg(test)]
mod tests;
