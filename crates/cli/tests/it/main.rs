//! The command line as a person or a script meets it: real processes, their exit codes and words.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod administrators;
mod apart;
mod bad_input;
mod completions;
mod demo;
mod help;
mod keys;
mod plan;
mod progress;
mod recovery;
mod repo;
mod run;
mod server;
mod service;
