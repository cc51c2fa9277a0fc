//! Installed files that something changed afterwards are found and repaired (P11).
//!
//! 1. Every run begins with a check of all current releases ([`check_and_repair`]), and a daemon whose runs are rare makes
//!    one in between, in small steps ([`SpreadCheck`]): presence, kind, size and mode of each file, against the release's
//!    record and reference. `headwater-client repair` compares every byte.
//! 2. Modes are set again at once. Files are staged: copied from any installed release that has the same content; those of
//!    the settings are in their record.
//! 3. If files are still missing, the class makes them while it walks its plan ([`fetch_repair`]): from deltas, else bodies.
//! 4. When all are there, verified and synced, each is renamed into its place. So no file is ever half written, none is
//!    touched before all are there, and what others added stays where it is: a repaired release keeps its folder.
//! 5. The release is activated again as an install does: install command, probes, after hook. The client's own program
//!    is not: it reads none of its files again before its next start.
//! 6. A class with a release that could not be repaired failed ([`conclude`]).

mod damage;
mod mend;
mod pass;
mod spread_check;

pub(crate) use pass::{Repairs, check_and_repair, conclude, fetch_repair};
pub(crate) use spread_check::SpreadCheck;
