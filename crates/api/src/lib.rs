//! Wire messages: what Headwater's parts say to one another and what files an administrator hands in.
//!
//! These are not domain types. A message mirrors its JSON, refuses what it does not know where a person
//! wrote it, tolerates additions where a newer program wrote it, and is turned into the types of
//! `headwater-policy` at the edge. A message that was released is frozen: it must parse for ever.

pub mod bundle;
pub mod checkin;
mod json;
pub mod parse;
pub mod plan;
pub mod policy;
mod read_policy;
mod reader;
pub mod report;
pub mod settings;
pub mod v1;
