//! Publishing as stories that run over every destination: here over the static folder, in the tests of the server over
//! the server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod folder;
mod stories;
