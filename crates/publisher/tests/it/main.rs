//! Publishing as stories that run over every destination: here over the static folder, in the tests of the server over
//! the server.

mod folder;
mod stories;
