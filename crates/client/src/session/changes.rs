//! What a run installed: for its log.

use headwater_api::report::Attempt;
use headwater_depot::Walk;
use headwater_policy::Class;
use tokio::time::Instant;

/// One thing that a run installed and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its class.
    pub class: Class,
    /// The component, the program, or the domain whose settings it is.
    pub name: String,
    /// The version that was installed before; `None` if none was.
    pub from: Option<String>,
    /// The version that is installed now.
    pub to: String,
    /// The sources of its bytes, as in a plan, in the order in which they were asked. Empty if it was made of what was here.
    pub sources: Vec<String>,
    /// Bytes that were fetched for it.
    pub bytes: u64,
    /// How long it took to fetch, assemble, activate and probe it.
    pub duration_ms: u64,
}

/// An installation that is in progress.
pub(crate) struct Fetching {
    /// The walk's attempts when it began.
    before: Vec<Attempt>,
    begun: Instant,
}

impl Fetching {
    pub(crate) fn begin(walk: &Walk) -> Self {
        Self { before: walk.attempts(), begun: Instant::now() }
    }

    /// What was installed, and what came since it began.
    pub(crate) fn end(self, walk: &Walk, class: Class, name: &str, versions: (Option<&str>, &str)) -> Change {
        // A walk has one attempt for each source, and only adds to them.
        let had = |at: usize| self.before.get(at).map_or(0, |attempt| attempt.bytes);
        let since = walk.attempts().into_iter().enumerate();
        let came: Vec<(String, u64)> =
            since.map(|(at, attempt)| (attempt.source, attempt.bytes.saturating_sub(had(at)))).collect();
        Change {
            class,
            name: name.to_owned(),
            from: versions.0.map(str::to_owned),
            to: versions.1.to_owned(),
            bytes: came.iter().map(|(_, bytes)| bytes).sum(),
            sources: came.into_iter().filter(|(_, bytes)| *bytes > 0).map(|(source, _)| source).collect(),
            duration_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}
