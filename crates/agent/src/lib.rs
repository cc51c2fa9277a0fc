//! The update agent role: hold what was verified, whole, and serve it to a site's clients (U1–U4).
//!
//! * [`Shelf`]: what is served, in the same layout as everywhere;
//! * [`hold`]: brings one class on the shelf up to date, within a quota; until that is whole the old stays;
//! * [`Listener`]: the listener on the addresses that the signed policy names; it lets members of the fleet in, and
//!   carries what clients say to the server (U5).
//!
//! Whether a client has the role is decided by the signed policy, when to hold by the client's run. Fetching and
//! serving are `headwater-depot`'s. Nothing that was not verified ever comes onto the shelf.

mod carry;
mod door;
mod hold;
pub mod limits;
mod listener;
mod scrub;
mod shelf;

pub use door::Admission;
pub use hold::{Hold, HoldError, Holding, hold};
pub use listener::{Listener, Part, Trust, own_addresses};
pub use shelf::Shelf;
