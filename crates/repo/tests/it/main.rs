//! The tests of `headwater-repo`: one binary, a module for each part.

mod delegations;
mod mutation;
mod names;
mod publishing;
mod python;
mod releases;
mod root;
mod verify;
mod world;
