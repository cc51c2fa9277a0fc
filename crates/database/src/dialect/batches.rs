//! The statements that take lists: each database has texts of its own.

/// Statements that take a whole list as one JSON parameter: a statement for each row costs a round trip for each row.
#[derive(Debug)]
pub(crate) struct Batches {
    /// `$1` the run, `$2` its outcomes by class.
    pub run_classes: &'static str,
    /// `$1` the run, `$2` its attempts.
    pub run_attempts: &'static str,
    /// `$1` the set, `$2` its releases.
    pub installed_releases: &'static str,
    /// `$1` the client, `$2` the day, `$3` bytes by class and source of one run, `$4` the most for a day.
    pub client_days: &'static str,
    /// `$1` the client, `$2` now, `$3` what it has by class and name.
    pub client_releases: &'static str,
    /// `$1` class, `$2` component, `$3` sequence, `$4` digests.
    pub release_blobs: &'static str,
}
