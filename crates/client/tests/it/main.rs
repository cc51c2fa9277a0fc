//! The client against a repository and a server of its own, in one process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod bundles;
mod classes;
mod completions;
mod configuration;
mod copies;
mod damaged_parts;
mod decisions;
mod deltas;
mod enrolment;
mod fleet;
mod full_disk;
mod kills;
mod limits;
mod modes;
mod numbers;
mod policy;
mod programs;
mod proxy;
mod remembering;
mod repair;
mod roots;
mod self_update;
mod server;
mod store;
mod theft;
mod update_agent;
mod vendor;
mod world;
