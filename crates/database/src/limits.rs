//! Limits of what is stored, with unit and reason. What callers are limited to stands in their own crates.

/// Bytes of the state before or after in an audit record; a longer value is recorded by its digest. A whole source list
/// is kept as a version of its own.
pub const AUDIT_VALUE_BYTES_MAX: usize = 16 * 1024;

/// Unknown clients that are remembered.
pub const UNKNOWN_CLIENTS_MAX: u32 = 1000;

/// Unknown clients that are remembered beside them because they have proven a certificate of this fleet: the clients that
/// enrolled since the last backup, a hundred sites at once. Those that find no room come again.
pub const UNKNOWN_CLIENTS_PROVEN_MAX: u32 = 10_000;

/// Rows for each client and day of what came from which source: three classes from eight sources. More sources are
/// counted together.
pub const CLIENT_DAY_ROWS_MAX: usize = 24;

/// Characters of a source's name under which its bytes are counted: longer than any that a plan has, URLs excepted.
pub const CLIENT_DAY_SOURCE_CHARS_MAX: usize = 200;

/// Bytes from one source for a class that are counted for a client and day (1 TiB): a client that states more breaks no
/// sum over the fleet.
pub const CLIENT_DAY_BYTES_MAX: u64 = 1 << 40;

/// Bytes of a database up to which a start looks at every page (512 MiB, a few seconds on a slow disk). Of a larger one it
/// looks at the tables that publishing needs.
pub const CHECKED_WHOLE_BYTES_MAX: u64 = 512 << 20;

/// Characters of what SQLite found wrong that are shown.
pub const FINDING_CHARS_MAX: usize = 300;

/// Reports of one client whose content is remembered. A client sends in order and repeats only what was not answered, so
/// few are enough.
pub const REPORT_DIGESTS_MAX: u32 = 8;
