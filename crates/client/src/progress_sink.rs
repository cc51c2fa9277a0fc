//! Who looks on while a run fetches: a person before a terminal, or nobody.

use std::fmt;
use std::sync::Arc;

use headwater_depot::Progress;

type Tell = dyn Fn(&str, Progress) + Send + Sync;

/// Is told what is fetched and how far it has come; nobody, by default.
#[derive(Clone, Default)]
pub struct ProgressSink(Option<Arc<Tell>>);

impl ProgressSink {
    /// `tell` is called often, with the component or program, or the class that is held for others (U4), and how far
    /// its files have come.
    pub fn new(tell: impl Fn(&str, Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn tell(&self, what: &str, progress: Progress) {
        if let Some(tell) = &self.0 {
            tell(what, progress);
        }
    }
}

impl fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "ProgressSink" } else { "nobody" })
    }
}
