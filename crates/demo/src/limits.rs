//! Every limit of the demo, with unit and reason.

use std::time::Duration;

/// Clients of one demo: all run in one process and share one disk.
pub const CLIENTS_MAX: u32 = 500;

/// Update agents of one demo: each has a loopback network of its own, 127.N.0.0/16.
pub const UPDATE_AGENTS_MAX: u32 = 100;

/// Clients that update at the same time: more would only wait for the same cores and disk.
pub const RUNS_AT_ONCE: usize = 8;

/// Time that clients leave the vendor source to make deltas before they look at a new publication. Real clients look at any
/// moment, and deltas of small files are ready by then.
pub const DELTAS_WAIT: Duration = Duration::from_secs(2);

/// Priority of the thread on which the vendor source makes deltas, as `nice` counts: it uses otherwise idle time.
pub const DELTAS_NICENESS: i32 = 15;
