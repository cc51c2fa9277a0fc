//! Progress bars on stderr, for long work on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar; hidden if there is no terminal.
#[derive(Debug, Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar over bytes; `total` 0 means unknown.
    pub fn bytes(shown: bool, what: &str, total: u64) -> Self {
        if !shown {
            return Self(ProgressBar::hidden());
        }
        let bar = if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) };
        Self(bar.with_style(style(total)).with_message(what.to_owned()))
    }

    /// Sets the label and the progress; `total` 0 means unknown.
    pub fn show(&self, what: &str, done: u64, total: u64) {
        if self.0.message() != what || self.0.length().unwrap_or(0) != total {
            self.0.reset();
            self.0.set_style(style(total));
            self.0.set_length(total);
            self.0.set_message(what.to_owned());
        }
        self.0.set_position(done);
        self.0.tick();
    }

    /// Adds to the progress.
    pub fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

fn style(total: u64) -> ProgressStyle {
    let template = if total == 0 {
        "{msg} {spinner} {bytes} ({bytes_per_sec})"
    } else {
        "{msg} [{bar:30}] {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)"
    };
    ProgressStyle::with_template(template).expect("the template is a valid one").progress_chars("=> ")
}
