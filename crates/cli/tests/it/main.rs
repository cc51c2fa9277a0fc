//! The command line as a person or a script meets it: real processes, their exit codes and words.

mod bad_input;
mod help;
mod plan;
mod repo;
mod run;
mod server;
