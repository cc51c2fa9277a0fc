//! `cargo xtask bench`: what deltas cost, and what the build does.

pub mod deltas;
mod page;
