//! Tests of the wire messages. `tests/golden` holds every message that a version ever sent; `tests/problems` files with
//! what must be reported about them. Adding a case is adding a file.
#![cfg(test)]

mod golden;
mod policy_file;
mod problems;
