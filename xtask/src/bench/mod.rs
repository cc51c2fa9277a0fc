//! `cargo xtask bench`: what deltas, a large fleet and the build cost.

pub mod build;
pub mod database;
pub mod deltas;
mod page;
