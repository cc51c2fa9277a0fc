//! Who may ask the server, and what was asked: `administrators`, `tokens`, `login`, `logout`, `audit`.

pub mod administrators;
pub mod audit;
pub mod login;
