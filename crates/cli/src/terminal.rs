//! What a person or a script meets of every command: results, progress, failures with exit codes, interruption.

pub mod failure;
pub mod input;
pub mod output;
pub mod private;
pub mod progress;
pub mod stop;
