//! Every limit of the harness, with its unit and its reason.

use std::time::Duration;

/// Longest wait for a program to listen: debug builds on two busy cores take seconds.
pub const START_WAIT_MAX: Duration = Duration::from_secs(60);

/// Longest run of a command or of a client's one update; the scenarios take a few seconds.
pub const COMMAND_WAIT_MAX: Duration = Duration::from_secs(120);

/// Longest demonstration over whole series (`cargo xtask test --full`): gigabytes, in a debug build.
pub const FULL_WAIT_MAX: Duration = Duration::from_secs(570);

/// Time between two looks at a state that is waited for.
pub const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Longest head of an HTTP request or answer that the faulty source reads, in bytes.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Bytes of an endless body after which the faulty source gives up: far above every limit of a client.
pub const ENDLESS_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Lines of each program's log that are shown when a scenario fails.
pub const LOG_LINES_SHOWN_MAX: usize = 60;
