//! A bar on stderr over the bytes that are being fetched.

use headwater_client::ProgressSink;
use indicatif::{ProgressBar, ProgressStyle};

/// The bar.
pub(crate) fn progress_bar() -> ProgressSink {
    let style =
        ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)")
            .expect("the template is a valid one");
    let bar = ProgressBar::no_length().with_style(style.progress_chars("=> "));
    ProgressSink::new(move |what, progress| {
        if progress.bytes_done >= progress.bytes_total {
            bar.finish_and_clear();
            return;
        }
        if bar.is_finished() || bar.message() != what {
            bar.reset();
            bar.set_message(what.to_owned());
        }
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_done);
    })
}
