//! Scenarios on separate hosts, each asserted from the clients' reports.

mod addresses;
mod agents;
mod copies;
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

use std::time::{Duration, Instant};

use anyhow::Result;
use headwater_api::policy::{OptionsDocument, ServerFallbackDocument};
use headwater_sim::chance::Chance;
use headwater_sim::process::Process;
use headwater_sim::wait;
use headwater_sim::world::Run;

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

/// The moments at which updates are killed. They are drawn from a span that follows what an update takes here and now, so
/// that few come too late.
struct Moments {
    chance: Chance,
    span: Duration,
}

impl Moments {
    /// Of updates like this one.
    fn like(update: impl FnOnce() -> Result<Run>) -> Result<Self> {
        let seed = Chance::seed();
        eprintln!("HEADWATER_SEED={seed}");
        let started = Instant::now();
        update()?;
        Ok(Self { chance: Chance::new(seed), span: started.elapsed() })
    }

    /// Kills an update at the next moment; `false` if it had ended by then.
    fn kill(&mut self, update: &mut Process) -> bool {
        wait::pause(self.span.mul_f64(self.chance.below(1000) as f64 / 1000.0));
        let has_ended = update.has_ended();
        self.span = self.span.mul_f64(if has_ended { 0.9 } else { 1.012 });
        update.kill();
        !has_ended
    }
}

fn fallback(settings: bool, components: bool, programs: bool) -> OptionsDocument {
    let server_fallback = ServerFallbackDocument { components, settings, programs };
    OptionsDocument { server_fallback, ..OptionsDocument::default() }
}
