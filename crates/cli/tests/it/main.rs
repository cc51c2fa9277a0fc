//! The command line as a person or a script uses it: real processes, their exit codes and output.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails with its place")]

mod administrators;
mod apart;
mod bad_input;
mod completions;
mod demo;
mod help;
mod keys;
mod plan;
mod progress;
mod reach;
mod recovery;
mod repo;
mod run;
mod server;
mod service;
