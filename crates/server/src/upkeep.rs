//! What keeps a server going: jobs and their statuses, the status page, backups, retention, scrubbing.
//!
//! It stands above the other services and changes nothing of theirs but by their facades.

mod backup;
mod backup_file;
mod disk;
mod job_statuses;
mod jobs;
mod problems;
mod retention;
mod scrub;
mod scrub_progress;
mod service;
mod status;

pub(crate) use self::backup_file::write_backup;
pub use self::backup_file::{Listing, Member, unpack};
pub(crate) use self::service::Parts as UpkeepParts;
pub use self::service::UpkeepService;
