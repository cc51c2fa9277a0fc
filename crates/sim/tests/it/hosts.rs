//! Scenarios on separate hosts, each asserted from the clients' reports.

mod addresses;
mod agents;
mod deltas;
mod failover;
mod feeds;
mod kill;
mod lying;
mod mirror;
mod network;
mod policy;
mod recovery;
mod resume;
mod rotation;
mod vendor;

use headwater_api::policy::{OptionsDocument, ServerFallbackDocument};

/// Selects the site *Paris*, by IPv4.
const PARIS: &str = "10.1.0.0-10.1.255.255";

/// A file set that people would publish: small, and different in each version.
fn rules(version: &str) -> Vec<(&'static str, Vec<u8>)> {
    let text = |name: &str| format!("{name} of version {version}\n").repeat(200).into_bytes();
    vec![("rules.txt", text("rules")), ("more/list.txt", text("list"))]
}

/// No class falls back to the server.
fn no_fallback() -> OptionsDocument {
    fallback(false, false, false)
}

fn fallback(settings: bool, components: bool, programs: bool) -> OptionsDocument {
    let server_fallback = ServerFallbackDocument { components, settings, programs };
    OptionsDocument { server_fallback, ..OptionsDocument::default() }
}
