//! The server, as a client reaches it: directly, or through update agents that carry what it states (U5).

mod connection;
mod route;

pub(crate) use connection::{ServerConnection, taken};
pub(crate) use route::{FleetHttp, Route, SendError, http_client, over_tls};
