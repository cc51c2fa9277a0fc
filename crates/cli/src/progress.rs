//! Progress bars on stderr, for long work before a person's eyes.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar, or nothing where no person looks.
#[derive(Debug, Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar over bytes; `total` 0 means unknown.
    pub fn bytes(shown: bool, what: &str, total: u64) -> Self {
        if !shown {
            return Self(ProgressBar::hidden());
        }
        let template = if total == 0 {
            "{msg} {spinner} {bytes} ({bytes_per_sec})"
        } else {
            "{msg} [{bar:30}] {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)"
        };
        let style = ProgressStyle::with_template(template).expect("the template is a valid one");
        let bar = if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) };
        Self(bar.with_style(style.progress_chars("=> ")).with_message(what.to_owned()))
    }

    /// So many more are done.
    pub fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
