//! Wire messages: what Headwater's parts send one another and what files an administrator hands in.
//!
//! These are not domain types. A message mirrors its JSON and is turned into the types of `headwater-policy` at the
//! edge. A message that was released is frozen: it must parse for ever.
//!
//! What a message does with a key that it does not know depends on what the key could mean. Where a person wrote it, it
//! is refused: it may be a slip. In a [`policy::PolicyDocument`] it is refused wherever it comes from, the signed
//! policy too: a client that ignored an option would follow a plan that nobody made. A new key there means a new
//! [`settings::FORMAT`]; older clients keep the policy that they have, and report that they need an update. Everything
//! else that a newer program wrote (answers, reports, a domain's settings) may have additions, which are ignored.

pub mod bundle;
pub mod checkin;
pub mod conversion;
pub mod enrol;
pub mod plan;
pub mod policy;
mod raw_policy;
mod read_policy;
mod reader;
pub mod report;
pub mod secret;
pub mod settings;
pub mod v1;
