//! Progress of downloads, for a person at a terminal.

use std::fmt;
use std::sync::Arc;

use headwater_depot::FetchProgress;

type ReportProgress = dyn Fn(&str, FetchProgress) + Send + Sync;

/// Receives what is being fetched and how far it is. The default discards it.
#[derive(Clone, Default)]
pub struct ProgressSink(Option<Arc<ReportProgress>>);

impl ProgressSink {
    /// `report` is called often, with the component or program (or the class that is held for others, U4), and the
    /// progress of its files.
    pub fn new(report: impl Fn(&str, FetchProgress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(report)))
    }

    pub(crate) fn report(&self, what: &str, progress: FetchProgress) {
        if let Some(report) = &self.0 {
            report(what, progress);
        }
    }
}

impl fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "ProgressSink" } else { "ProgressSink (discards)" })
    }
}
