//! The client against a repository and a server of its own, in one process.

mod classes;
mod configuration;
mod decisions;
mod kills;
mod own_program;
mod programs;
mod remembering;
mod update_agent;
mod world;
