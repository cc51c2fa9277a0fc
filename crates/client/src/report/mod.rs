//! A run's report: built from its findings, kept on disk until the server has it, and sent.

mod build;
mod exit_code;
mod send;
mod spool;

pub(crate) use build::build;
pub use exit_code::exit_code;
pub(crate) use send::send;
pub use spool::Spool;
