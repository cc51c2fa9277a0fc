//! The clock of a world: days ahead of the machine's, for every program that is started after it was set.
//!
//! The programs are the real ones and read the time as ever: `libfaketime` (Debian: `faketime`) stands between them and the
//! system. Time-outs are not touched, they run on the monotonic clock.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const LIBRARY: &str = "libfaketimeMT.so.1";

/// How far ahead a world is; clones are the same clock.
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<AtomicU32>);

impl Clock {
    /// Lets days pass, for programs that are started from now on.
    pub fn pass(&self, days: u32) {
        self.0.fetch_add(days, Ordering::Relaxed);
    }

    /// Has a program read this clock.
    pub(crate) fn set_for(&self, command: &mut Command) {
        let days = self.0.load(Ordering::Relaxed);
        if days == 0 {
            return;
        }
        if let Some(library) = library() {
            command.env("LD_PRELOAD", library).env("FAKETIME", format!("+{days}d"));
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
        }
    }
}

/// Can days pass on this machine? If not, a message goes to stderr, and the test that asked is to be skipped.
///
/// # Panics
/// If they cannot and `HEADWATER_REQUIRE_NAMESPACES` is 1.
pub fn may_pass() -> bool {
    if library().is_some() {
        return true;
    }
    assert!(
        std::env::var_os("HEADWATER_REQUIRE_NAMESPACES").is_none_or(|value| value != "1"),
        "HEADWATER_REQUIRE_NAMESPACES is set, but {LIBRARY} is missing: apt-get install faketime"
    );
    eprintln!("SKIPPED: {LIBRARY} is missing, so no days can pass here; install the package faketime");
    false
}

fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let candidates = folders.map(|folder| folder.join("faketime").join(LIBRARY));
    candidates.into_iter().find(|path| path.is_file())
}
