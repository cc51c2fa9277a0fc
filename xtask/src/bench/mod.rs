//! `cargo xtask bench`: what deltas and the build cost.

pub mod build;
pub mod deltas;
mod page;
