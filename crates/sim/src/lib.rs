//! The harness of the end-to-end tests: a small organisation on separate hosts, made in one line.
//!
//! [`network`] makes hosts (Linux network namespaces on one bridge), [`process`] runs programs on them, whose [`clock`]
//! can be days ahead, [`faulty`] is an update source that misbehaves on command, [`mirror`] copies repositories,
//! [`forge`] damages them, [`world`] puts a server, update agents, clients and sources together, and [`trace`] turns a
//! client's report into lines that a test compares.
//!
//! Programs are the real ones, taken from beside the test's own executable. Nothing here decides anything about
//! updates: a scenario is asserted from what the clients report.

pub mod chance;
pub mod clock;
pub mod faulty;
pub mod forge;
pub mod limits;
pub mod mirror;
pub mod network;
pub mod process;
pub mod trace;
pub mod wait;
pub mod world;
