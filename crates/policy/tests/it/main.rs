//! Tests of the policy crate. Stories are text files in `tests/stories`; adding one is adding a file.
#![cfg(test)]

mod draft;
mod limits;
mod naive;
mod open_sources;
mod pieces;
mod policy_plan;
mod preview;
mod properties;
mod settings_diff;
mod stories;
mod story;
mod tree;
mod unserved;
mod world;
