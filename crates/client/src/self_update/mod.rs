//! `headwater-client` as a program that it updates itself.
//!
//! 1. The new release is assembled like any other, but not made current.
//! 2. Trial: the new program, as a child process, makes a complete run without updating itself, within a time limit, and
//!    writes a proof. It must do as well as the running program
//!    ([`trial_verdict`](crate::decide::trial_verdict)).
//! 3. Only then the link is switched and the start counter is set: the release is on probation.
//! 4. The daemon becomes the new program (`exec`). Each start counts; the first completed run as daemon removes the
//!    counter. After too many starts without one, the next start reverts to the previous release.

mod probation;
mod trial;

pub(crate) use probation::confirm;
pub use probation::{LAUNCHED, choose};
pub use trial::{NAME, Proof};
pub(crate) use trial::{is_own, take_over};
