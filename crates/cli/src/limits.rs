//! Every limit of the command line, with unit and reason.

use std::time::Duration;

/// Bytes of a policy, client or source list file: 1024 entries take a few hundred kilobytes.
pub const INPUT_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Files and folders in one release: as many as a manifest may name, so that the refusal comes before the upload.
pub const RELEASE_FILES_MAX: usize = 100_000;

/// Bytes of a file that is searched for a private key: keys of Headwater, also that of the fleet CA with its certificate,
/// have a tenth of it.
pub const KEY_FILE_BYTES_MAX: u64 = 16 * 1024;

/// Problems of one folder that are shown: enough to see the pattern.
pub const PROBLEMS_SHOWN_MAX: usize = 20;

/// Seconds to connect to the server: it is on this machine or close by.
pub const CONNECT_TIMEOUT_SECONDS: u64 = 10;

/// Time between two requests for the progress of a sync, for a progress bar.
pub const SYNC_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Bytes of one chunk of an upload.
pub const UPLOAD_CHUNK_BYTES: usize = 256 * 1024;

/// Chunks of an upload that may wait for the network: bounds the memory of packing.
pub const UPLOAD_CHUNKS_WAITING_MAX: usize = 4;

/// Changes of a source list that a preview shows: the warnings after them must stay visible.
pub const CHANGES_SHOWN_MAX: usize = 20;

/// Warnings of one kind that are shown: a full list has thousands, and other kinds must stay visible.
pub const FINDINGS_ALIKE_MAX: usize = 10;

/// Entries of a list that is shown whole after an edit: more would push the edited ones off the screen.
pub const LIST_AFTER_EDIT_MAX: usize = 20;

/// Entries shown on each side of an edited one, in a longer list.
pub const ENTRIES_BESIDE_AN_EDIT: u32 = 2;

/// Letters and digits in the name of a login's token, after `login-`.
pub const LOGIN_NAME_LETTERS: usize = 8;

/// Bytes of stdin that are read for passwords: two lines.
pub const PASSWORD_INPUT_BYTES_MAX: u64 = 4096;

/// Time that a completion may take: longer would seem like a shell that hangs.
pub const COMPLETION_TIMEOUT: Duration = Duration::from_secs(1);

/// Values that one completion offers: one page of the server's lists.
pub const COMPLETION_CANDIDATES_MAX: usize = 1000;

/// Seconds that one look at such a URL may take.
pub const LOOK_TIMEOUT_SECONDS: u64 = 10;
